#!/bin/sh
# iperf3 measures through proxy as it would without: in both directions, with several streams.
set -eu
proxy=$PWD/$BUILD/examples/proxy
if ! command -v iperf3 >/dev/null; then
    echo "skipped: no iperf3"
    exit 77
fi
cd "$SCRATCH"
mkfifo port
children=
trap '[ -z "$children" ] || kill $children 2>/dev/null || true' EXIT

fail() {
    echo "$1"
    cat messages ./*.log
    exit 1
}

# iperf3 takes no port of the kernel's choice: try some.
try_port() {
    target=$((20000 + ($$ * 7 + $1 * 997) % 10000))
    iperf3 -s -B 127.0.0.1 -p $target --forceflush >server.log 2>&1 &
    server=$!
    i=0
    until grep -q 'Server listening' server.log; do
        i=$((i + 1))
        kill -0 $server 2>/dev/null || return 1
        [ $i -lt 200 ] || return 1
        sleep 0.02
    done
    children=$server
}
try=0
until try_port $try; do
    try=$((try + 1))
    [ $try -lt 20 ] || fail "iperf3 does not listen"
done

"$proxy" -l 0 -t "127.0.0.1:$target" >port 2>messages &
proxy_pid=$!
children="$children $proxy_pid"
read -r line <port || fail "the proxy does not listen"
for options in "" "-R" "-P 4" "-P 4 -R" "--bidir"; do
    # shellcheck disable=SC2086 # options are meant to be split
    timeout 30 iperf3 -c 127.0.0.1 -p "${line##*:}" -n 200M $options >client.log 2>&1 ||
        fail "iperf3 $options: status $?"
    grep -q 'receiver' client.log || fail "iperf3 $options: nothing was received"
done
kill -TERM $proxy_pid
wait $proxy_pid || fail "the proxy ends with status $?"
grep -q '^proxy: .* connections' messages || fail "no count"
echo "passed: iperf3"
