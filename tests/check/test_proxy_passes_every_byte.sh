#!/bin/sh
# proxy passes on every byte and each end, in both directions, of few and many connections; a slow
# receiver slows the sender down and costs no memory; silence has a limit; when the proxy is
# interrupted it lets those go on that are at work.
set -eu
proxy=$PWD/$BUILD/examples/proxy
echo_server=$PWD/$BUILD/examples/echo
flood=$PWD/$BUILD/check/echo_flood
if ! command -v socat >/dev/null; then
    echo "skipped: no socat"
    exit 77
fi
cd "$SCRATCH"
mkfifo port
children=
trap '[ -z "$children" ] || kill $children 2>/dev/null || true' EXIT

fail() {
    echo "$1"
    cat messages
    exit 1
}

# start COMMAND…: a program that tells its port; sets `pid` and `port`.
start() {
    "$@" >port 2>messages &
    pid=$!
    children="$children $pid"
    read -r line <port || fail "$1 does not listen"
    port=${line##*:}
}

# serve [OPTION…] ADDRESS…: socat waits for connections, and a proxy passes them on to it. Sets
# `proxy_pid`, `port` and `server`. Whom socat listens for on its standard input hears `hello`.
echo hello >hello
serve() {
    : >socat.log
    socat -d -d -T 20 "$@" <hello >got 2>socat.log &
    server=$!
    children="$children $server"
    i=0
    until grep -q ' listening on ' socat.log; do
        i=$((i + 1))
        [ $i -lt 200 ] || fail "socat does not listen"
        sleep 0.02
    done
    target=$(sed -n 's/.* listening on .*:\([0-9]*\)$/\1/p' socat.log)
    start "$proxy" -l 0 -t "127.0.0.1:$target" -i 1
    proxy_pid=$pid
}
listen=TCP4-LISTEN:0,bind=127.0.0.1

# ends CONNECTIONS BYTES: the proxy ends by itself, and has counted.
ends() {
    kill -INT "$proxy_pid"
    status=0
    wait "$proxy_pid" || status=$?
    [ $status -eq 0 ] || fail "the proxy ends with status $status"
    grep -qx "proxy: $1 connections, $2 bytes passed on" messages || fail "$1 $2: another count"
}

start "$echo_server" -p 0
start "$proxy" -l 0 -t "localhost:$port"
proxy_pid=$pid
"$flood" -c 64 -m 64 "$port"
"$flood" -c 1 -m 16 "$port"
"$flood" -c 300 -m 16 "$port"
ends 365 $((2 * (96 * 1048576 - 16 * 1048576 % 300)))
echo "passed: every byte"

start "$echo_server" -p 0
start "$proxy" -l 0 -t "127.0.0.1:$port"
"$flood" -c 32 -m 64 -i 8 -s "$pid" "$port"
wait "$pid" || fail "interrupted: status $?"
echo "passed: interrupted"

seq 1 1000000 | head -c 5000000 >data
serve $listen,fork SYSTEM:'wc -c'
[ "$(socat -t 10 - "TCP:127.0.0.1:$port" <data)" -eq 5000000 ] || fail "the client ends first"
ends 1 $((5000000 + 8))
serve -t 10 - $listen
(sleep 0.2 && cat data) | socat -t 10 - "TCP:127.0.0.1:$port" >answer || fail "client: status $?"
cmp answer hello || fail "the server ends first: another answer"
wait "$server" || fail "the server ends first: status $?"
cmp got data || fail "the server ends first: other bytes"
ends 1 5000006
echo "passed: half-closed"

head -c 200000000 /dev/zero >zeros
serve $listen SYSTEM:'sleep 0.8; wc -c >slow'
socat -u OPEN:zeros "TCP:127.0.0.1:$port" &
client=$!
sleep 0.5
kill -0 $client || fail "the sender is not slowed down"
[ "$(awk '/^VmHWM/ { print $2 }' "/proc/$proxy_pid/status")" -lt 32768 ] || fail "memory grows"
wait $client || fail "slow: status $?"
i=0
until [ -s slow ]; do
    i=$((i + 1))
    [ $i -lt 500 ] || fail "slow: no end"
    sleep 0.02
done
[ "$(cat slow)" -eq 200000000 ] || fail "slow: bytes are lost"
ends 1 200000000
echo "passed: a slow receiver"

# Those who speak now and then stay, those who are silent go.
serve $listen,fork PIPE
socat -u "TCP:127.0.0.1:$port" - >silent &
silent=$!
(for i in 1 2 3 4; do echo $i && sleep 0.4; done) | socat -t 5 - "TCP:127.0.0.1:$port" >spoken
[ "$(wc -l <spoken)" -eq 4 ] || fail "idle: one that speaks is cut off"
wait $silent || fail "idle: status $?"
ends 2 16
echo "passed: silence"

start "$proxy" -l 0 -t 127.0.0.1:1
proxy_pid=$pid
socat -u "TCP:127.0.0.1:$port" - 2>refused && [ ! -s refused ] ||
    grep -q 'reset by peer' refused || fail "a target that refuses: $(cat refused)"
ends 1 0
for options in "" "-l 0" "-l 70000 -t a:1" "-l 0 -t a:1 -i 0" "-l 0 -t a:1 b"; do
    status=0
    # shellcheck disable=SC2086 # options are meant to be split
    "$proxy" $options 2>messages || status=$?
    [ $status -eq 2 ] || fail "'$options': status $status"
done
status=0
"$proxy" -l 0 -t 127.0.0.1:nothing 2>messages || status=$?
[ $status -eq 1 ] || fail "no target: status $status"
grep -qx 'proxy: 127.0.0.1: no such target' messages || fail "no target: not said"
echo "passed: errors"
