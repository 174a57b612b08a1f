#!/bin/sh
# Counts the instructions of one message, one operation and so on: the difference between a long run
# and a short one, under callgrind, so that starting and ending do not count. Prints them beside the
# numbers of tests/bench/instructions.txt. A rise of more than 3 % is an error; with the compiler of
# the record, whose code is the same on each machine, one of more than half an instruction is, so
# that a needless load is seen.
#
#     instructions.sh BUILD [CASE…]
set -eu

program=$1/bench/count_instructions
shift
record=$(dirname "$0")/instructions.txt
few=20000
many=120000

# Instructions of a whole run.
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : //p'
}

# The fewest of three counts, or the first that is within the bound: a thread that has to wait takes
# instructions, too, and never less.
compare() {
    for attempt in 1 2 3; do
        a=$(count "$1" $few)
        b=$(count "$1" $many)
        awk -v name="$1" -v expected="$2" -v number=$(((b - a) * 100 / (many - few))) \
            -v bound="$3" 'BEGIN {
            number /= 100
            printf "%-8s %7.2f instructions, %+6.2f to %.1f on record\n",
                name, number, number - expected, expected
            exit number - expected > (bound ? bound : expected * 0.03)
        }' && return 0
        [ $attempt -lt 3 ] || echo "$1: takes more instructions than on record" >&2
    done
    return 1
}

status=0
bound=0
while read -r name expected; do
    case $name in
    compiler)
        [ "$expected" != "$(gcc --version | head -n 1)" ] || bound=0.5
        continue
        ;;
    esac
    [ $# -eq 0 ] || case " $* " in *" $name "*) ;; *) continue ;; esac
    compare "$name" "$expected" $bound || status=1
done <"$record"
exit $status
