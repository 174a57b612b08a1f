#!/bin/sh
# The load of tests/bench/httpd/latency.sh beside a server that stands still three quarters of the
# time: so must most answers be late. With a load that counts from when it sends a request, or that
# chooses its time after the answer before, those would be but one for each connection and stall.
load=$PWD/$BUILD/bench/httpd/load
. tests/check/httpd_kit.sh

head -c 1024 /dev/zero >www/1k
start -j 1
"$load" /1k 4 1000 1 "$port" >answers &
asking=$!
while kill -0 $asking 2>/dev/null; do
    kill -STOP "$server"
    sleep 0.15
    kill -CONT "$server"
    sleep 0.05
done
wait $asking || fail "the load failed"
# p50, p99, p99.9, how late the load was itself, and the share of what had to wait.
awk 'NF != 5 || $1 < 10e6 || $1 > $2 || $2 > $3 || $5 < 0.2 { bad = 1 }
    END { exit bad || NR != 1 }' answers || fail "a stall does not show: $(cat answers)"
stop
