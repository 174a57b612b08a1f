#!/bin/sh
# poll_many prints the lines of many pipes: those of each in their order, none kept waiting by one
# that never ends; it stops at the ends of all, or after enough lines, whatever else it waits for.
set -eu
poll_many=$PWD/$BUILD/examples/poll_many
cd "$SCRATCH"
children=
trap '[ -z "$children" ] || kill $children 2>/dev/null || true' EXIT

fail() {
    echo "$1"
    head -n 20 messages
    exit 1
}

# The two ways: polls and many reads, streams of reads.
#
# shellcheck disable=SC2086 # names are meant to be split, and the first way has none
try_way() {
    way=$1
    mkdir "way$way"
    cd "way$way"

    # 100 FIFOs, most without a writer when they are opened, each with 200 lines in small pieces.
    i=0
    names=
    while [ $i -lt 100 ]; do
        mkfifo "f$i"
        names="$names f$i"
        i=$((i + 1))
    done
    timeout 60 "$poll_many" $way $names >out 2>messages &
    reader=$!
    for name in $names; do
        (seq 1 100 && seq 101 199 && printf 200) >"$name" &
    done
    wait $reader || fail "many: status $?"
    [ "$(wc -l <out)" -eq 20000 ] || fail "many: not 20000 lines"
    for name in $names; do
        sed -n "s/^$name: //p" out >lines
        seq 1 200 | cmp - lines || fail "$name: lines are lost, or out of order"
    done
    echo "passed: order $way"

    # One never ends; the other one has its turn all the same.
    mkfifo endless slow
    yes >endless &
    children="$children $!"
    (sleep 0.2 && echo here && sleep 0.2 && echo again) >slow &
    timeout 20 "$poll_many" $way -n 1000000000 endless slow >out 2>messages &
    reader=$!
    children="$children $reader"
    i=0
    until grep -q '^slow: again$' out; do
        i=$((i + 1))
        [ $i -lt 200 ] || fail "the slow one has no turn"
        sleep 0.05
    done
    kill $reader
    echo "passed: fairness $way"

    # Enough lines: what is still waited for is cancelled.
    mkfifo silent flowing
    sleep 30 >silent &
    children="$children $!"
    yes >flowing &
    children="$children $!"
    timeout 20 "$poll_many" $way -n 12345 silent flowing f1 >out 2>messages ||
        fail "enough: status $?"
    [ "$(wc -l <out)" -eq 12345 ] || fail "enough: another number of lines"
    [ "$(grep -cvx 'flowing: y' out)" -eq 0 ] || fail "enough: other lines"
    echo "passed: cancels the rest $way"

    seq 1 5000 >file
    seq 3 | timeout 20 "$poll_many" $way file - nothing >out 2>messages && fail "nothing: status 0"
    grep -qx 'poll_many: nothing: No such file or directory' messages || fail "nothing: not said"
    sed -n 's/^file: //p' out | cmp - file || fail "a file: other lines"
    [ "$(grep -c '^-: [123]$' out)" -eq 3 ] || fail "the standard input: other lines"
    head -c 10000 /dev/zero | tr '\0' x | timeout 20 "$poll_many" $way - | tr -d '\n' >out
    [ "$(wc -c <out)" -eq $((10000 + 3 * 3)) ] || fail "a long line: not in three pieces"
    cd ..
}
try_way ''
try_way -s

for arguments in "" "-n" "-n x file" "-z file"; do
    status=0
    # shellcheck disable=SC2086 # arguments are meant to be split
    "$poll_many" $arguments 2>messages || status=$?
    [ $status -eq 2 ] || fail "'$arguments': status $status"
done
echo "passed: status"
