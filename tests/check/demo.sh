#!/bin/sh
# The demonstration behind `make demo`: hashes a real tree and lets xxhsum verify the result, then
# moves data through the echo server from many connections and verifies every byte.
#
#     demo.sh BUILD DIRECTORY
set -eu
build=$1
tree=$2
limit_gib=2
connections=64
echo_mib=64

scratch=$(mktemp -d)
server=
clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

fail() {
    echo "demo: $1" >&2
    exit 1
}

# hash names what it passes over and then ends with status 1, which is no failure here.
hash_and_verify() {
    status=0
    "$build/examples/hash" -n ${limit_gib}G "$tree" >"$scratch/sums" || status=$?
    [ $status -le 1 ] || fail "hash ended with status $status"
    [ -s "$scratch/sums" ] || fail "nothing was hashed"
    xxhsum -c --quiet "$scratch/sums" || fail "xxhsum disagrees"
    echo "xxhsum -c: $(wc -l <"$scratch/sums") files verified, all OK"
}

# The server tells its port when it listens, so nobody has to guess when it is ready.
echo_and_verify() {
    mkfifo "$scratch/port"
    "$build/examples/echo" -p 0 >"$scratch/port" &
    server=$!
    read -r line <"$scratch/port" || fail "the echo server does not listen"
    "$build/check/echo_flood" -c $connections -m $echo_mib "${line##*:}"
    kill -INT "$server"
    wait "$server" || fail "the echo server ended with status $?"
    server=
}

echo "Files: the first $limit_gib GiB of $tree, one actor for each file in flight"
hash_and_verify
echo
echo "Sockets: $echo_mib MiB through $connections connections, one actor each"
echo_and_verify
echo
echo "All of this went through io_uring, and every completion was a message to an actor."
