#!/bin/sh
# What cannot be hashed is named, one message each, makes the exit status 1, blocks nothing, and
# keeps no other file from being hashed. Symbolic links are passed over in silence.
set -eu
hash=$PWD/$BUILD/examples/hash
cd "$SCRATCH"
mkdir tree
for name in one two three; do
    echo $name >tree/$name
done

fail() {
    echo "$1"
    [ ! -s messages ] || cat messages
    exit 1
}

# refuses PATTERN ARGUMENT…: the three good files are hashed, and one message fits the pattern.
refuses() {
    pattern=$1
    shift
    status=0
    timeout 60 "$hash" "$@" >sums 2>messages || status=$?
    [ $status -eq 1 ] || fail "$pattern: status $status"
    [ "$(grep -c '^hash: .*: ' messages)" -eq 1 ] || fail "$pattern: one message expected"
    grep -q "^hash: $pattern" messages || fail "$pattern: not said"
    grep -q '; 1 not hashed' messages || fail "$pattern: not counted"
    [ "$(wc -l <sums)" -eq 3 ] || fail "$pattern: three lines expected"
    xxhsum -c --quiet sums || fail "$pattern: xxhsum finds another hash"
    echo "passed: $pattern"
}

mkfifo tree/fifo
refuses 'tree/fifo: not read: a FIFO' tree
rm tree/fifo

perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un("tree/socket")) or die'
refuses 'tree/socket: not read: a socket' tree
rm tree/socket

refuses '/dev/zero: not read: a device' tree /dev/zero
refuses 'nowhere: No such file or directory' tree nowhere

printf x >"tree/$(printf 'two\nlines')"
refuses 'tree/two?lines: not printed' tree
rm "tree/$(printf 'two\nlines')"

# Root may read everything: what is forbidden is tried as somebody else.
as_anybody=
if [ "$(id -u)" -eq 0 ]; then
    as_anybody="setpriv --reuid=65534 --regid=65534 --clear-groups"
    chmod 755 .
    cp "$hash" ./hash
    hash=$PWD/hash
fi
cat >run <<END
#!/bin/sh
exec $as_anybody "$hash" "\$@"
END
chmod 755 run
real_hash=$hash
hash=$PWD/run
echo secret >tree/secret
chmod 0 tree/secret
refuses 'tree/secret: Permission denied' tree
rm tree/secret
mkdir -m 0 tree/locked
refuses 'tree/locked: Permission denied' tree
rmdir tree/locked
hash=$real_hash

# Links are silent, and are not followed.
ln -s /dev/zero tree/to-a-device
ln -s .. tree/to-a-directory
ln -s nowhere tree/to-nothing
"$hash" tree >sums 2>messages || fail "links: status $?"
[ "$(wc -l <sums)" -eq 3 ] || fail "links: three lines expected"
if grep '^hash: .*: ' messages; then
    fail "links: no message expected"
fi
echo "passed: links"

# While the output is not read, the director waits: few of many files can have been hashed, and the
# walk is ahead of them. Those removed then vanish before they are opened, or before they are seen.
mkdir many
i=10000
while [ $i -lt 18000 ]; do
    echo $i >many/file-with-a-long-name-that-soon-fills-any-pipe-$i
    i=$((i + 1))
done
mkfifo lines
"$hash" many >lines 2>messages &
pid=$!
{
    read -r line
    rm many/*[13579]
    { echo "$line" && cat; } >sums
} <lines
status=0
wait $pid || status=$?
[ $status -eq 1 ] || fail "vanished: status $status"
lost=$(grep -c '^hash: many/.*[13579]: No such file or directory' messages)
[ "$lost" -ge 1 ] || fail "vanished: no message"
[ "$lost" -eq "$(grep -c '^hash: .*: ' messages)" ] || fail "vanished: other messages"
grep '[02468]$' sums >left
[ "$(wc -l <left)" -eq 4000 ] || fail "vanished: not every other file is hashed"
xxhsum -c --quiet left || fail "vanished: xxhsum finds another hash"
echo "passed: vanished"

# An output that takes nothing is said once, and ends the run.
status=0
timeout 60 "$hash" many >/dev/full 2>messages || status=$?
[ $status -eq 1 ] || fail "full: status $status"
[ "$(grep -c 'standard output: No space left on device' messages)" -eq 1 ] || fail "full: not said"
echo "passed: full"
