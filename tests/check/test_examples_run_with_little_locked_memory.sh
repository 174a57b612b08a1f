#!/bin/sh
# An ordinary user with 64 KiB of locked memory, which rings are charged to, hashes and echoes.
set -eu
tests/check/make_tree.sh "$SCRATCH/tree"
cp "$BUILD/examples/hash" "$BUILD/examples/echo" "$BUILD/check/echo_flood" "$SCRATCH"
cd "$SCRATCH"
chmod 755 .
mkfifo port
server=
trap '[ -z "$server" ] || kill "$server"' EXIT
as_anybody=
if [ "$(id -u)" -eq 0 ]; then
    as_anybody="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all"
fi

fail() {
    echo "$1"
    cat messages
    exit 1
}

# The memory of rings that have ended is given back some milliseconds later, so that one try may
# still meet the last one's; the limit is per user.
limited="prlimit --memlock=65536:65536 $as_anybody"
$limited ./hash -j 1 tree >sums 2>messages || fail "hash: status $?"
xxhsum -c --quiet sums
[ "$(wc -l <sums)" -eq "$(find tree -type f | wc -l)" ] || fail "hash: not each file"
grep '^tsuga:' messages || fail "the smaller rings are not said"
echo "passed: hash"

$limited ./echo -p 0 >port 2>messages &
server=$!
read -r line <port || fail "the server does not listen"
./echo_flood -c 64 -m 16 "${line##*:}"
kill -INT "$server"
wait "$server" || fail "echo: status $?"
server=
grep -q '^echo: 64 connections' messages || fail "echo: no count"
echo "passed: echo"
