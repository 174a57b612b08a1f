#!/bin/sh
# httpd finishes what it has begun when it is asked to end, writes its log, reads its configuration,
# and says what it does not understand.
. tests/check/httpd_kit.sh
echo small >www/small
seq 1 3000000 | head -c 20000000 >www/large
: >log

cat >httpd.ini <<'END'
[httpd]
root = www
log = log
types = types
index = start.txt
charset =
END
echo 'application/x-test TST test2 # a comment' >types
start -c httpd.ini
echo begin >www/start.txt
echo x >www/a.tst
get /
[ "$(cat answer)" = begin ] || fail "another index"
get /a.tst
has Content-Type application/x-test
get /start.txt
has Content-Type application/octet-stream
get '/small?"q"' -I
get /none
stop
date='[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} \+0000'
grep -qE "^127.0.0.1 - - \[$date\] \"GET / HTTP/1.1\" 200 6\$" log || fail "no line for the index"
grep -qF '"HEAD /small?\x22q\x22 HTTP/1.1" 200 0' log || fail "no line for HEAD"
grep -qE '"GET /none HTTP/1.1" 404 [0-9]+$' log || fail "no line for 404"
[ "$(wc -l <log)" -eq 5 ] || fail "not five lines"
echo "passed: configuration and log"

# A slow client is still served to its end; an idle one is let go; nobody new is let in.
: >log
start -k log=log -c httpd.ini
curl -s --limit-rate 10M "$url/large" -o slow -D slow.head &
slow=$!
socat -u "TCP:127.0.0.1:$port" - >idle &
idle=$!
i=0
until [ -s slow.head ]; do
    i=$((i + 1))
    [ $i -lt 100 ] || fail "the slow client gets nothing"
    sleep 0.02
done
stop TERM
wait $slow || fail "the slow client: curl status $?"
cmp slow www/large || fail "the slow client: another content"
wait $idle || fail "the idle client: status $?"
[ "$(grep -c '"GET /large HTTP/1.1" 200 20000000' log)" -eq 1 ] || fail "the last line is missing"
echo "passed: a graceful end"

# says STATUS TEXT OPTION…
says() {
    wanted=$1 text=$2 status=0
    shift 2
    "$httpd" -p 0 "$@" >out 2>messages || status=$?
    [ $status -eq "$wanted" ] || fail "$*: status $status"
    grep -qF "$text" messages || fail "$*: does not say '$text'"
}
says 1 'httpd: nowhere: No such file or directory' -r nowhere
says 1 'httpd: nowhere/log: No such file or directory' -k log=nowhere/log
says 1 'httpd: 300.1.1.1: Cannot assign requested address' -k address=300.1.1.1
says 2 'usage: httpd' -p 70000
says 2 'usage: httpd' -k nothing=1
says 2 'usage: httpd' -k idle_ms=0
says 2 'usage: httpd' something
printf '[httpd]\nidle_ms = soon\n' >bad.ini
says 2 '[httpd] idle_ms = soon: no such key, or no value for it' -c bad.ini
says 2 'httpd: none.ini: No such file or directory' -c none.ini
printf '[executor]\nthreads = many\n' >bad.ini
says 2 'bad.ini:2: [executor] threads = many' -k runtime=bad.ini
echo "passed: wrong usage"
