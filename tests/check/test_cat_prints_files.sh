#!/bin/sh
# cat of the examples prints what cat of the system prints, names what it cannot print, and prints
# the rest all the same.
set -eu
cat=$PWD/$BUILD/examples/cat
tests/check/make_tree.sh "$SCRATCH/tree"
cd "$SCRATCH"

fail() {
    echo "$1"
    cat messages
    exit 1
}

"$cat" tree/sizes/* >ours 2>messages || fail "status $?"
cat tree/sizes/* | cmp - ours || fail "prints something else"
"$cat" /proc/version | cmp - /proc/version || fail "prints another /proc/version"
seq 1 100000 | "$cat" /dev/stdin >ours
seq 1 100000 | cmp - ours || fail "prints another pipe"
echo "passed: prints"

status=0
"$cat" tree/sizes/1 nowhere tree tree/sizes/64 >ours 2>messages || status=$?
[ $status -eq 1 ] || fail "errors: status $status"
grep -qx 'cat: nowhere: No such file or directory' messages || fail "a missing file is not named"
grep -qx 'cat: tree: Is a directory' messages || fail "a directory is not named"
cat tree/sizes/1 tree/sizes/64 | cmp - ours || fail "errors: prints something else"
echo "passed: errors"

status=0
"$cat" tree/sizes/5000000 >/dev/full 2>messages || status=$?
[ $status -eq 1 ] || fail "full: status $status"
grep -qx 'cat: standard output: No space left on device' messages || fail "full: not said"
status=0
"$cat" 2>messages || status=$?
[ $status -eq 2 ] || fail "usage: status $status"
echo "passed: status"
