#!/bin/sh
# In a room of the chat server everybody hears everything, in order; in another one nobody does. A
# client that does not read holds nobody up, and is dropped.
set -eu
chat=$PWD/$BUILD/examples/chat
if ! command -v socat >/dev/null; then
    echo "skipped: no socat"
    exit 77
fi
cd "$SCRATCH"
mkfifo port ann.in bob.in slow.in
children=
trap '[ -z "$children" ] || kill $children 2>/dev/null || true' EXIT

fail() {
    echo "$1"
    tail -n 5 ./*.out messages
    exit 1
}

# await FILE LINE: until the line has come.
await() {
    i=0
    until grep -qxF "$2" "$1"; do
        i=$((i + 1))
        [ $i -lt 3000 ] || fail "$1: '$2' does not come"
        sleep 0.02
    done
}

# join NAME: a client that reads NAME.in and writes NAME.out.
join() {
    socat -t 30 - "TCP:127.0.0.1:$port" <"$1.in" >"$1.out" 2>"$1.log" &
    children="$children $!"
}

timeout 120 "$chat" -p 0 >port 2>messages &
server=$!
children=$server
read -r line <port || fail "the server does not listen"
port=${line##*:}

join ann
exec 3>ann.in
await ann.out '* guest joins lobby'
echo '/nick ann' >&3
await ann.out '* guest is ann now'
join bob
exec 4>bob.in
echo '/nick bob' >&4
await ann.out '* guest is bob now'
seq 1 900 >&3 # fewer than a client may be behind, however slow the machine is
await bob.out 'ann: 900'
sed -n 's/^ann: //p' bob.out >numbers
seq 1 900 | cmp - numbers || fail "bob: lines are lost, or out of order"
echo "passed: order"

echo '/join den' >&4
await bob.out '* bob joins den'
await ann.out '* bob leaves lobby'
echo 'in the lobby' >&3
await ann.out 'ann: in the lobby'
echo 'in the den' >&4
await bob.out 'bob: in the den'
! grep -q 'in the lobby' bob.out || fail "bob hears the lobby"
! grep -q 'in the den' ann.out || fail "ann hears the den"
echo "passed: rooms"

# It writes and never reads. Its socket and its mailbox are full long before the last line.
socat -u - "TCP:127.0.0.1:$port,rcvbuf=4096" <slow.in 2>/dev/null &
children="$children $!"
exec 5>slow.in
echo '/nick slow' >&5
await ann.out '* guest is slow now'
words=$(printf 'word %.0s' $(seq 40))
seq -f "%g $words" 1 5000 >&3
await ann.out "ann: 5000 $words"
await ann.out '* slow leaves lobby'
sed -n "s/^ann: \([0-9]*\) word .*/\1/p" ann.out >numbers
seq 1 5000 | cmp - numbers || fail "ann: lines are lost, or out of order"
echo "passed: slow clients"

kill -INT "$server"
status=0
wait "$server" || status=$?
[ $status -eq 0 ] || fail "status $status"
missed=$(sed -n 's/^chat: \([0-9]*\) lines missed$/\1/p' messages)
[ "$missed" -gt 0 ] || fail "nothing was missed"
echo "passed: end"

timeout 60 "$chat" -p 0 >port 2>messages &
server=$!
children="$children $server"
read -r line <port || fail "the server does not listen"
port=${line##*:}
status=0
timeout 60 "$chat" -p "$port" 2>messages || status=$?
[ $status -eq 1 ] || fail "port in use: status $status"
grep -qx "chat: port $port: Address already in use" messages || fail "port in use: not said"
status=0
"$chat" -x 2>messages || status=$?
[ $status -eq 2 ] || fail "usage: status $status"
echo "passed: status"
