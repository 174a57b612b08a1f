#!/bin/sh
# openat opens what is in its directory and nothing else, creates files with their mode, says why it
# does not, and leaves no descriptor open.
set -eu
openat=$PWD/$BUILD/examples/openat
cd "$SCRATCH"
mkdir -p in/sub
echo one >in/one
echo two >in/sub/two
echo secret >secret
ln -s one in/link
ln -s ../secret in/out
ln -s "$PWD/secret" in/absolute
ln -s /proc/self/fd in/magic
umask 022

fail() {
    echo "$1"
    cat messages
    exit 1
}

# prints TEXT NAME…
prints() {
    text=$1
    shift
    "$openat" in "$@" >out 2>messages || fail "$*: status $?"
    [ "$(cat out)" = "$text" ] || fail "$*: prints something else"
    [ ! -s messages ] || fail "$*: complains"
}
prints one one
prints "$(printf 'one\ntwo\none')" link sub/two sub/../one
seq 1 1000000 >in/large
"$openat" in large | cmp - in/large || fail "a large file"
echo "passed: prints"

# refuses WHY NAME
refuses() {
    status=0
    "$openat" in "$2" one >out 2>messages || status=$?
    [ $status -eq 1 ] || fail "$2: status $status"
    grep -qx "openat: $2: $1" messages || fail "$2: not '$1'"
    [ "$(cat out)" = one ] || fail "$2: the next one is not printed"
    [ "$(wc -l <messages)" -eq 1 ] || fail "$2: descriptors are left"
}
for name in ../secret sub/../../secret out absolute "$PWD/secret" /etc/passwd; do
    refuses 'Leads out of the directory' "$name"
done
refuses 'No such file or directory' nothing
refuses 'Not a directory' one/below
refuses 'Is a directory' sub
refuses 'File name too long' "$(head -c 300 /dev/zero | tr '\0' x)"
refuses 'File name too long' "$(head -c 5000 /dev/zero | tr '\0' x)"
echo "passed: refuses"

echo text | "$openat" -w in sub/new 2>messages || fail "-w: status $?"
[ "$(cat in/sub/new)" = text ] || fail "-w: another content"
[ "$(stat -c %a in/sub/new)" = 640 ] || fail "-w: another mode"
echo x | "$openat" -w in one
[ "$(cat in/one)" = x ] || fail "-w: not written anew"
seq 1 100000 | "$openat" -w in one
seq 1 100000 | cmp - in/one || fail "-w: a large one"
if echo x | "$openat" -w in out 2>messages || echo x | "$openat" -w in ../new 2>messages; then
    fail "-w: leads out"
fi
[ "$(cat secret)" = secret ] || fail "-w: has written through a link"
[ ! -e new ] || fail "-w: has written outside"
echo "passed: writes"

status=0
"$openat" nowhere one 2>messages || status=$?
[ $status -eq 1 ] || fail "no directory: status $status"
grep -qx 'openat: nowhere: No such file or directory' messages || fail "no directory: not said"
for arguments in "" in "-w in" "-w in a b" "-x in a"; do
    status=0
    # shellcheck disable=SC2086 # arguments are meant to be split
    "$openat" $arguments 2>messages || status=$?
    [ $status -eq 2 ] || fail "'$arguments': status $status"
done
echo "passed: status"
