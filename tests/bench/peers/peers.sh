#!/bin/sh
# Runs Tsuga, the floors and the peers in turns, each once a round: A B C A B C. The first round
# warms up and does not count. A figure is one JSON object a line in BUILD/bench-peers.jsonl; a
# section that is run again replaces its own lines. Peers that are not installed are left out, and
# said so.
#
#     [REPS=9] peers.sh BUILD [SECTION…]
set -eu

build=$1
shift
reps=${REPS:-9}
programs=$build/bench/peers
figures=$build/bench-peers.jsonl
day=$(date -u +%F)
scratch=$(mktemp -d)
servers=
clean_up() {
    stop_servers
    rm -rf "$scratch" "$build/tree" "$build/fio.data"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

fail() {
    echo "bench-peers: $1" >&2
    exit 1
}

# record ROW SIDE ROUND VALUE [KEY VALUE]…: of the section that runs.
record() {
    [ "$3" -gt 0 ] || return 0
    object=$(printf '{"section": "%s", "day": "%s", "row": "%s", "side": "%s", "round": %d' \
        "$section" "$day" "$1" "$2" "$3")
    object="$object, \"value\": $4"
    shift 4
    while [ $# -gt 0 ]; do
        object="$object, \"$1\": $2"
        shift 2
    done
    echo "$object}" >>"$figures"
}

skipped=
skip() {
    case " $skipped " in
    *" $1 "*) ;;
    *)
        skipped="$skipped $1"
        echo "bench-peers: skipped: $2" >&2
        ;;
    esac
}

# What the machine is, and of which version the peers are.
describe() {
    printf '{"section": "machine", "machine": "%s"}\n' "$(tests/bench/machine.sh)"
    for package in libcaf-dev erlang-base golang-go libuv1-dev libev-dev libmimalloc-dev \
        libjemalloc-dev libc6-dev fio nginx-light xxhash; do
        version=$(dpkg-query -W -f '${Version}' $package 2>/dev/null) || continue
        printf '{"section": "machine", "package": "%s", "version": "%s"}\n' $package "$version"
    done
}

# Messages.

# message_command SIDE GAME THREADS: how a side plays; nothing when it can not.
message_command() {
    case $1 in
    erlang)
        [ -f "$programs/messages_erlang.beam" ] || return 0
        echo "erl -noshell +P 2000000 +S $3:$3 -pa $programs -run messages_erlang main $2"
        ;;
    *)
        [ ! -x "$programs/messages_$1" ] || echo "$programs/messages_$1 $2 $3"
        ;;
    esac
}

# play ROW GAME THREADS FLOOR_THREADS [SIDES]: FLOOR_THREADS is what the floor is best with. Who
# plays on one processor never waits, and is timed without what others had of it.
play() {
    processors=0
    [ "$3" -eq 1 ] || processors=0,1
    round=0
    while [ $round -le "$reps" ]; do
        for side in ${5:-tsuga floor go erlang caf}; do
            threads=$3
            [ $side != floor ] || threads=$4
            command=$(message_command $side "$2" "$threads")
            if [ -z "$command" ]; then
                skip $side "messages of $side: its package is not installed"
                continue
            fi
            # shellcheck disable=SC2086 # a command and its arguments
            "$programs/pinned" $processors $command >"$scratch/line" || fail "$1: $side"
            read -r clock mib others alone <"$scratch/line"
            value=$clock
            [ "$3" -gt 1 ] || value=$alone
            record "$1" $side $round "$value" clock "$clock" others "$others"
            [ "$2" != million ] || record "$1, memory" $side $round "$mib"
        done
        round=$((round + 1))
    done
}

run_messages() {
    play "ping-pong, 1 executor" ping-pong 1 1
    play "ping-pong, 2 executors allowed" ping-pong 2 2
    play "a body resumed by a message" bodies 1 1 "tsuga floor"
    play "ring of 503, 1 executor" ring 1 1
    play "ring of 503, 2 executors allowed" ring 2 1
    play "fan-in 100 to 1, 1 executor" fan-in 1 1
    play "fan-in 100 to 1, 2 executors" fan-in 2 2
    play "big, 1 executor" big 1 1
    play "big, 2 executors" big 2 2
    play "spawn, one message, end" spawn 1 1
    play "a million alive" million 1 1
}

# Echo servers, all on one processor; the load has the other one, and drives one at a time.

stop_servers() {
    for pid in $servers; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    servers=
}

# Sets `sides` and `places`, PORT:PID for each side.
start_servers() {
    sides=
    places=
    ulimit -n "$(ulimit -H -n)"
    for side in tsuga raw epoll libev libuv; do
        if [ ! -x "$programs/echo_$side" ]; then
            skip $side "echo of $side: its package is not installed"
            continue
        fi
        mkfifo "$scratch/$side"
        taskset -c 0 "$programs/echo_$side" >"$scratch/$side" &
        servers="$servers $!"
        read -r port <"$scratch/$side" || fail "$side does not listen"
        rm "$scratch/$side"
        sides="$sides $side"
        places="$places $port:$!"
    done
}

# The floor's name among sides.
side_name() {
    [ "$1" = raw ] && echo floor || echo "$1"
}

# talk CONNECTIONS BYTES ROW
talk() {
    start_servers
    # shellcheck disable=SC2086 # lists
    taskset -c 1 "$programs/echo_load" talk "$1" "$2" "$reps" $places >"$scratch/talk" ||
        fail "$3: the load"
    stop_servers
    round=0
    while read -r values; do
        round=$((round + 1))
        for side in $sides; do
            record "$3" "$(side_name "$side")" $round "${values%% *}"
            values=${values#* }
        done
    done <"$scratch/talk"
}

run_echo() {
    talk 64 64 "echo, 64 connections, 64 bytes, server"
    talk 512 4096 "echo, 512 connections, 4 KiB, server"
}

run_idle() {
    round=0
    [ "$reps" -le 3 ] || reps=3 # memory does not depend on the weather
    while [ $round -le "$reps" ]; do
        start_servers
        # shellcheck disable=SC2086 # lists
        taskset -c 1 "$programs/echo_load" idle 10000 $places >"$scratch/idle" || fail "idle"
        stop_servers
        for side in $sides; do
            read -r bytes wakes
            record "10,000 idle connections" "$(side_name "$side")" $round "$bytes"
            record "idle process" "$(side_name "$side")" $round "$wakes"
        done <"$scratch/idle"
        round=$((round + 1))
    done
}

# What our own benchmarks measure beside a floor, in turns a few milliseconds each.

# run_bench NAME [SECONDS]: on one processor, into a file that pick reads.
run_bench() {
    taskset -c 0 "$build/bench/$1" ${2:+"$2"} >"$scratch/bench" || fail "$1"
}

# pick KEY TEXT…: a number from the one line of the last benchmark that has all of these texts.
pick() {
    key=$1
    shift
    cp "$scratch/bench" "$scratch/picked"
    for text in "$@"; do
        grep -F "$text" "$scratch/picked" >"$scratch/fewer" || fail "no figure for $text"
        mv "$scratch/fewer" "$scratch/picked"
    done
    sed -n "s/.*\"$key\": *\([0-9.]*\).*/\1/p" "$scratch/picked"
}

# pair ROW SIDE TEXT…: a figure, and that of what the benchmark calls its floor. The ratio is the
# benchmark's own: the median over its many pairs.
pair() {
    row=$1
    side=$2
    shift 2
    record "$row" tsuga $round "$(pick ns "$@")"
    record "$row" "$side" $round "$(pick floor_ns "$@")" ratio "$(pick ratio "$@")"
}

run_operations() {
    round=1
    while [ $round -le "$reps" ]; do
        run_bench bench_nop 2
        pair "NOP through a mailbox, depth 1" floor '"behaviour, depth 1"'
        pair "NOP through a mailbox, depth 32" floor '"behaviour, depth 32"'
        round=$((round + 1))
    done
}

# run_fio [OPTION…]: nanoseconds for a read.
run_fio() {
    taskset -c 0 fio --name=read --filename="$build/fio.data" --size=16M --rw=randread --bs=4k \
        --ioengine=io_uring --iodepth=32 --iodepth_batch_submit=32 --iodepth_batch_complete_min=1 \
        --iodepth_batch_complete_max=32 --registerfiles=1 --norandommap=1 --gtod_reduce=1 \
        --time_based=1 --runtime=1 --output-format=terse --terse-version=3 "$@" |
        awk -F ';' '$8 > 0 { print 1e9 / $8 }'
}

run_reads() {
    round=1
    while [ $round -le "$reps" ]; do
        run_bench bench_read 3
        cached="4 KiB page-cache read, depth 32"
        direct="O_DIRECT 4 KiB read, depth 32"
        pair "$cached" floor '"4 KiB, depth 32"' '"raw liburing"'
        pair "$cached" pread '"4 KiB, depth 32"' '"pread loop"'
        if grep -q O_DIRECT "$scratch/bench"; then
            pair "$direct" floor '"4 KiB, depth 32, O_DIRECT"'
        else
            skip direct "O_DIRECT: the file system of the build has none"
        fi
        if command -v fio >/dev/null; then
            record "$cached" fio $round "$(run_fio)"
            record "$direct" fio $round "$(run_fio --direct=1)"
        else
            skip fio "reads of fio: its package is not installed"
        fi
        round=$((round + 1))
    done
}

run_heap() {
    trace="heap allocate or free, 64 B to 2 MiB, 1,000 live"
    round=1
    while [ $round -le "$reps" ]; do
        run_bench bench_ioheap
        record "$trace" tsuga $round "$(pick tsuga_ns ioheap_trace)"
        record "$trace" floor $round "$(pick buddy_ns ioheap_trace)"
        for side in mimalloc jemalloc glibc; do
            value=$(pick ${side}_ns ioheap_trace)
            if [ -n "$value" ]; then
                record "$trace" $side $round "$value"
            else
                skip $side "heap of $side: its package is not installed"
            fi
        done
        record "an operation's record, taken or given" tsuga $round "$(pick ns ioheap_record)"
        record "arena over peak live bytes" tsuga $round "$(pick ratio ioheap_footprint)"
        round=$((round + 1))
    done
}

run_httpd() {
    if ! command -v nginx >/dev/null || ! command -v wrk >/dev/null; then
        skip httpd "httpd: nginx-light and wrk are not both installed"
        return
    fi
    round=1
    while [ $round -le "$reps" ]; do
        tests/bench/httpd/bench.sh "$build" 1 >"$scratch/bench" || fail "httpd"
        for file in 1k 64k; do
            row="httpd, ${file%k} KiB, 64 connections"
            record "$row" tsuga $round "$(pick per_s "\"$file\"")"
            record "$row" floor $round "$(pick floor_per_s "\"$file\"")"
            record "$row" nginx $round "$(pick nginx_per_s "\"$file\"")"
        done
        round=$((round + 1))
    done
}

# Whole programs over a tree in the page cache, HASH_MIB in files of 1 MiB.

make_tree() {
    rm -rf "$build/tree"
    mkdir "$build/tree"
    head -c 1048576 /dev/urandom >"$scratch/random"
    number=0
    while [ $number -lt "$hash_mib" ]; do
        { echo $number && cat "$scratch/random"; } >"$build/tree/$number"
        number=$((number + 1))
    done
}

hash_with() {
    case $1 in
    tsuga) "$build/examples/hash" -j 2 "$build/tree" ;;
    xxhsum) find "$build/tree" -type f -exec xxhsum -H2 {} + ;;
    xargs) find "$build/tree" -type f -print0 | xargs -0 -P 2 -n 64 xxhsum -H2 ;;
    esac >/dev/null 2>&1
}

run_hash() {
    row="hash of a cached tree, 2 executors"
    hash_mib=${HASH_MIB:-4096}
    make_tree
    round=0
    while [ $round -le "$reps" ]; do
        for side in tsuga xxhsum xargs; do
            start_ns=$(date +%s%N)
            hash_with $side || fail "hash: $side"
            spent_ns=$(($(date +%s%N) - start_ns))
            record "$row" $side $round $((hash_mib * 1000000 / (spent_ns / 1000))) \
                note "\"$hash_mib MiB\""
        done
        record "$row" floor $round "$("$programs/memory_floor")"
        round=$((round + 1))
    done
}

[ "$(nproc)" -ge 2 ] || fail "needs two processors"
touch "$figures"
[ $# -gt 0 ] || set -- messages echo idle operations reads heap httpd hash
for section in machine "$@"; do
    grep -v "\"section\": \"$section\"" "$figures" >"$scratch/kept" || true
    cp "$scratch/kept" "$figures"
    case $section in
    machine) describe >>"$figures" ;;
    messages | echo | idle | operations | reads | heap | httpd | hash) "run_$section" ;;
    *) fail "$section: no such section" ;;
    esac
done
