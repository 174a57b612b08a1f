#!/bin/sh
# Requests per second of the example httpd beside those of nginx: one worker each on one processor,
# 64 connections by wrk on another one, in turns, so that neighbours on the machine disturb both.
# Prints one JSON object a line; `ratio` is the median of ours / nginx over the rounds, `cpu_ratio`
# that of the processor time that nginx and we spend on a request. Where `make bench-peers` has
# built the floor, an epoll loop that parses nothing, it takes its turns, too.
#
#     bench.sh BUILD [ROUNDS [SECONDS]]
set -eu
build=$1
rounds=${2:-9}
seconds=${3:-1}
connections=64
. tests/bench/httpd/servers.sh

# The floor has a port for each file.
floor=
floor_1k=
floor_64k=
if [ -x "$build/bench/peers/http_floor" ]; then
    mkfifo "$scratch/ports"
    taskset -c 0 "$build/bench/peers/http_floor" "$scratch/www/1k" "$scratch/www/64k" \
        >"$scratch/ports" 2>"$scratch/floor.log" &
    floor=$!
    servers="$servers $floor"
    read -r floor_1k floor_64k <"$scratch/ports" || fail "the floor does not listen"
fi

# Ticks of processor time that a process has used.
ticks_of() {
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# measure PORT FILE PID: requests per second, and microseconds of processor time for each.
measure() {
    before=$(ticks_of "$3")
    taskset -c 1 wrk -t 1 -c $connections -d "${seconds}s" "http://127.0.0.1:$1/$2" \
        >"$scratch/wrk.log"
    after=$(ticks_of "$3")
    ! grep -qE 'Non-2xx|Socket errors' "$scratch/wrk.log" || fail "$2: errors"
    awk -v ticks=$((after - before)) -v hertz="$(getconf CLK_TCK)" '
        /requests in/ { count = $1 }
        /^Requests\/sec/ { rate = $2 }
        END { print rate, ticks / hertz * 1e6 / count }' "$scratch/wrk.log"
}

for file in 1k 64k; do
    : >"$scratch/rounds"
    measure "$our_port" $file "$ours" >/dev/null # both have the file in their caches
    measure "$their_port" $file "$theirs" >/dev/null
    round=0
    while [ $round -lt "$rounds" ]; do
        line="$(measure "$our_port" $file "$ours") $(measure "$their_port" $file "$theirs")"
        floor_port=$floor_1k
        [ $file = 1k ] || floor_port=$floor_64k
        [ -z "$floor" ] || line="$line $(measure "$floor_port" $file "$floor")"
        echo "$line" >>"$scratch/rounds"
        round=$((round + 1))
    done
    awk -v file=$file -v connections=$connections -v rounds="$rounds" '
        function at(list, share,    i, j, k) {
            for (i = 2; i <= NR; i++)
                for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
                    k = list[j]; list[j] = list[j - 1]; list[j - 1] = k
                }
            return list[1 + int((NR - 1) * share + 0.5)]
        }
        NF > 4 { has_floor = 1; floor[NR] = $5; floor_ratio[NR] = $1 / $5 }
        { ours[NR] = $1; theirs[NR] = $3; ratio[NR] = $1 / $3; cpu[NR] = $4 / $2
          our_cpu[NR] = $2; their_cpu[NR] = $4 }
        END {
            printf "{\"bench\": \"httpd\", \"file\": \"%s\", \"connections\": %d, ", file,
                connections
            printf "\"rounds\": %d, \"per_s\": %.0f, \"nginx_per_s\": %.0f, ", rounds,
                at(ours, 0.5), at(theirs, 0.5)
            printf "\"ratio\": %.3f, \"ratio_p10\": %.3f, \"ratio_p90\": %.3f, ",
                at(ratio, 0.5), at(ratio, 0.1), at(ratio, 0.9)
            if (has_floor)
                printf "\"floor_per_s\": %.0f, \"floor_ratio\": %.3f, ", at(floor, 0.5),
                    at(floor_ratio, 0.5)
            printf "\"cpu_us\": %.2f, \"nginx_cpu_us\": %.2f, \"cpu_ratio\": %.3f}\n",
                at(our_cpu, 0.5), at(their_cpu, 0.5), at(cpu, 0.5)
        }' "$scratch/rounds"
done
