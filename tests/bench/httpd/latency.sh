#!/bin/sh
# How long the example httpd takes to answer beside nginx, where both have time to spare: one worker
# each on one processor, 64 connections that ask for 1 KiB at a fixed rate in all on another one
# (load.c: requests have their times beforehand, and count from then), in turns, a second each.
# Prints one JSON object. Each figure is the median over the rounds, `*_ratio` that of ours / nginx;
# `late_p99_ns` is by how much the load itself was late, `queued_share` the part of requests that
# had to wait for an answer to one before: where these are large, the machine has no time to spare.
#
#     latency.sh BUILD [ROUNDS [RATE]]
set -eu
build=$1
rounds=${2:-5}
rate=${3:-20000}
connections=64
. tests/bench/httpd/servers.sh

taskset -c 1 "$build/bench/httpd/load" /1k $connections "$rate" "$rounds" "$our_port" \
    "$their_port" >"$scratch/rounds" 2>"$scratch/load.log" || fail "the load"
awk -v connections=$connections -v rate="$rate" '
    function median(list,    i, j, k) {
        for (i = 2; i <= NR; i++)
            for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
                k = list[j]; list[j] = list[j - 1]; list[j - 1] = k
            }
        return list[1 + int((NR - 1) / 2 + 0.5)]
    }
    # The median of a column.
    function of(table, k,    list, i) {
        for (i = 1; i <= NR; i++)
            list[i] = table[k, i]
        return median(list)
    }
    {
        for (k = 1; k <= 5; k++) {
            ours[k, NR] = $k
            theirs[k, NR] = $(k + 5)
            worse[k, NR] = $k > $(k + 5) ? $k : $(k + 5)
            if (k <= 3)
                ratio[k, NR] = $k / $(k + 5)
        }
    }
    END {
        split("p50 p99 p999", name)
        printf "{\"bench\": \"httpd_latency\", \"file\": \"1k\", \"connections\": %d, ", connections
        printf "\"rate_per_s\": %d, \"rounds\": %d", rate, NR
        for (k = 1; k <= 3; k++)
            printf ", \"%s_ns\": %d, \"nginx_%s_ns\": %d, \"%s_ratio\": %.3f", name[k],
                of(ours, k), name[k], of(theirs, k), name[k], of(ratio, k)
        printf ", \"late_p99_ns\": %d, \"queued_share\": %.4f}\n", of(worse, 4), of(worse, 5)
    }' "$scratch/rounds"
