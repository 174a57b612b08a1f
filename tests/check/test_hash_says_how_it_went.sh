#!/bin/sh
# The summary of hash, its progress bar, and its answers to wrong usage.
set -eu
hash=$PWD/$BUILD/examples/hash
examples=$PWD/examples
tests/check/make_tree.sh "$SCRATCH/tree"
cd "$SCRATCH"

fail() {
    echo "$1"
    cat messages
    exit 1
}

# The size classes that a run used, in bytes.
classes() {
    awk '/^ +[0-9.]+ [KM]?i?B / { unit = $2 == "B" ? 1 : $2 == "KiB" ? 1024 : 1048576
                                  print $1 * unit }' messages
}

# The configurations show in the summary.
"$hash" tree >sums 2>messages
files=$(wc -l <sums)
grep -q "^hash: $files files, [0-9.]* MiB in [0-9.]* s, [0-9.]* [KMG]iB/s" messages ||
    fail "no totals"
classes | grep -qx 262144 || fail "no block of the largest read"
grep -q '^largest heap: high water .*B of .*B, fragmentation [0-9.]* %$' messages ||
    fail "no word on the heaps"
"$hash" -c "$examples/small.ini" tree >sums 2>messages
[ "$(classes | sort -n | tail -n 1)" -eq 65536 ] || fail "small.ini: another largest class"
"$hash" -c "$examples/large.ini" tree >sums 2>messages
[ "$(classes | sort -n | head -n 1)" -eq 4096 ] || fail "large.ini: another smallest class"
echo "passed: summary"

# A bar on a terminal, and none in a file.
if grep -F '[#' messages; then
    fail "a bar where no terminal is"
fi
if script -qec true /dev/null >terminal 2>&1 </dev/null; then
    timeout 60 script -qec "'$hash' tree >sums" /dev/null >terminal </dev/null || fail "status $?"
    tr '\r' '\n' <terminal >messages
    grep -q '^\[[# ]*\] .* of .*, [0-9]* files, .*/s' messages || fail "no bar on a terminal"
    grep -q '^.*hash: [0-9]* files' messages || fail "no summary on a terminal"
    xxhsum -c --quiet sums || fail "no lines beside the bar"
    echo "passed: bar"
else
    echo "skipped: bar, for want of a terminal"
fi

# wrong STATUS PATTERN ARGUMENT…
wrong() {
    expected=$1
    pattern=$2
    shift 2
    status=0
    "$hash" "$@" >sums 2>messages || status=$?
    [ $status -eq "$expected" ] || fail "hash $*: status $status"
    grep -q "$pattern" messages || fail "hash $*: $pattern is not said"
    [ ! -s sums ] || fail "hash $*: prints lines"
    echo "passed: hash $*"
}

wrong 2 usage
wrong 2 usage -j 0 tree
wrong 2 usage -j x tree
wrong 2 usage -n 5X tree
wrong 2 usage -x tree
wrong 2 nowhere.ini -c nowhere.ini tree
printf '[ioheap]\nsize_classes = 100\n' >wrong.ini
wrong 2 'wrong.ini.*2.*size_classes.*100' -c wrong.ini tree
