#!/bin/sh
# hash prints one line for each regular file, and xxhsum -c finds all of them right: with one
# executor and with two, with either configuration, for any way of naming the files.
set -eu
hash=$PWD/$BUILD/examples/hash
examples=$PWD/examples
tests/check/make_tree.sh "$SCRATCH/tree"
cd "$SCRATCH"
find tree -type f | LC_ALL=C sort >files

fail() {
    echo "$1"
    exit 1
}

# verify NAME: the lines in `sums`, and the messages in `messages`, of a run.
verify() {
    xxhsum -c --quiet sums || fail "$1: xxhsum finds another hash"
    sed 's/^.\{32\}  //' sums | LC_ALL=C sort | cmp - files || fail "$1: not each file once"
    if grep '^hash: tree' messages; then
        fail "$1: says that"
    fi
    echo "passed: $1"
}

for options in "" "-j 1" "-j 2" "-j 2 -c $examples/small.ini" "-j 1 -c $examples/large.ini" \
    "-c $examples/small.ini" "-c $examples/large.ini"; do
    # shellcheck disable=SC2086 # options are meant to be split
    "$hash" $options tree >sums 2>messages || fail "hash $options: status $?"
    verify "hash $options"
done

xargs -d '\n' -a files "$hash" >sums 2>messages || fail "files as arguments: status $?"
verify "files as arguments"

"$hash" tree/many tree/sizes tree/names tree/a >sums 2>messages || fail "directories: status $?"
verify "several directories"

(cd tree && "$hash" .) 2>messages | sed 's/  \./  tree/' >sums
verify "the current directory"

ln -s tree link
"$hash" link 2>messages | sed 's/  link/  tree/' >sums
verify "a link on the command line"

# The order of the walk is fixed, so that a limit takes the same files each time.
"$hash" -n 1M tree 2>messages | LC_ALL=C sort >some
"$hash" -j 1 -n 1M tree 2>messages | LC_ALL=C sort | cmp - some || fail "-n takes other files"
[ "$(wc -l <some)" -gt 0 ] || fail "-n takes nothing"
[ "$(wc -l <some)" -lt "$(wc -l <files)" ] || fail "-n takes everything"
xxhsum -c --quiet some || fail "-n: xxhsum finds another hash"
echo "passed: -n"

# The kernel makes these up as they are read, and says that they are empty.
"$hash" /proc/version /proc/filesystems >sums 2>messages || fail "/proc: status $?"
xxhsum -c --quiet sums || fail "/proc: xxhsum finds another hash"
echo "passed: files without a true size"
