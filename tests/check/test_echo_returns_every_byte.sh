#!/bin/sh
# The echo server returns every byte, over few and many connections; when it is interrupted it
# closes what is quiet, serves the others to their end, and ends with status 0 and the right count.
set -eu
echo_server=$PWD/$BUILD/examples/echo
flood=$PWD/$BUILD/check/echo_flood
cd "$SCRATCH"
mkfifo port
server=
trap '[ -z "$server" ] || kill "$server"' EXIT

fail() {
    echo "$1"
    cat messages
    exit 1
}

# start COMMAND…: the server tells its port when it listens.
start() {
    "$@" "$echo_server" -p 0 >port 2>messages &
    server=$!
    read -r line <port || fail "the server does not listen"
    port=${line##*:}
}

# ends CONNECTIONS BYTES: the server has ended, or is about to.
ends() {
    status=0
    wait "$server" || status=$?
    server=
    [ $status -eq 0 ] || fail "status $status"
    grep -qx "echo: $1 connections, $2 bytes sent back" messages || fail "$1 $2: another count"
}

start
"$flood" -c 64 -m 64 "$port"
"$flood" -c 1 -m 8 "$port"
"$flood" -c 500 -m 16 "$port"
kill -INT "$server"
ends 565 $((88 * 1048576 - 16 * 1048576 % 500))
echo "passed: every byte"

start
"$flood" -c 64 -m 64 -i 16 -s "$server" "$port"
ends 80 $((64 * 1048576))
echo "passed: interrupted"

start
kill -TERM "$server"
ends 0 0
echo "passed: nothing to do"

# With few descriptors some connections wait until others have ended.
start prlimit --nofile=40:40
"$flood" -c 100 -m 10 "$port"
kill -INT "$server"
ends 100 $((10 * 1048576 - 10 * 1048576 % 100))
echo "passed: few descriptors"

status=0
"$echo_server" -p 99999 2>messages || status=$?
[ $status -eq 2 ] || fail "usage: status $status"
start
status=0
"$echo_server" -p "$port" 2>messages || status=$?
[ $status -eq 1 ] || fail "port in use: status $status"
grep -qx "echo: port $port: Address already in use" messages || fail "port in use: not said"
echo "passed: status"
