#!/bin/sh
# Counts the instructions of one message, one operation and so on: the difference between a long run
# and a short one, under callgrind, so that starting and ending do not count. Prints them beside the
# numbers of tests/bench/instructions.txt; a rise of more than 3 % is an error.
#
#     instructions.sh BUILD
set -eu

program=$1/bench/count_instructions
few=20000
many=120000

# Instructions of a whole run.
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : //p'
}

status=0
while read -r name expected; do
    a=$(count "$name" $few)
    b=$(count "$name" $many)
    awk -v name="$name" -v expected="$expected" -v number=$(((b - a) * 10 / (many - few))) 'BEGIN {
        rise = number / 10 / expected - 1
        printf "%-8s %7.1f instructions, %+5.1f %% of %.1f\n", name, number / 10, rise * 100, expected
        exit rise > 0.03
    }' || status=1
done <tests/bench/instructions.txt
exit $status
