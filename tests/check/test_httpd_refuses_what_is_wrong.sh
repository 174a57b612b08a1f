#!/bin/sh
# httpd stays within its root whatever the spelling, and answers what is wrong with the status that
# says how, within its limits of size and time.
. tests/check/httpd_kit.sh
mkdir www/dir
echo public >www/file
echo secret >secret
mkfifo www/fifo
ln -s "$PWD/secret" www/absolute
ln -s ../secret www/relative
ln -s . www/self
ln -s /proc/self/root www/magic
printf x >www/forbidden
chmod 000 www/forbidden
start

# is STATUS TARGET…
is() {
    wanted=$1
    shift
    for target in "$@"; do
        get "$target"
        expect "$wanted"
        ! grep -q secret answer || fail "$target: brings a secret"
    done
}
is 400 /../secret /%2e%2e/secret /.%2E/secret '/%2e./secret' /dir/../../secret \
    /..%2fsecret /%2e%2e%2fsecret /dir%2f..%2f..%2fsecret '/dir/..%2F%2e%2e/secret' /./../secret \
    /dir/%2E%2e/%2e%2E/secret '/%00' '/file%00.html' '/%' '/%2' '/%zz' '/file%'
is 404 '/..%5csecret' '/%252e%252e/secret' '/..;/secret' '/%c0%ae%c0%ae/secret' '/.../secret' \
    /nothing /file/ /file/below /nothing/ "/$(seq -s / 1 900)"
is 403 /absolute /relative /magic/etc/passwd /fifo /dir/../absolute
is 200 /file /dir/../file /self/self/file '/%66ile' '//file'
[ "$(id -u)" -eq 0 ] || is 403 /forbidden
echo "passed: within the root"

# answers STATUS WHAT <REQUEST: the connection is closed after it.
answers() {
    raw
    first "$1" "$2"
    grep -aqi '^Connection: close' answer || fail "$2: the connection stays"
}
printf 'GET /file HTTP/1.1\r\nConnection: close\r\n\r\n' | answers 400 'no Host'
printf 'GET /file HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' | answers 400 'two Hosts'
printf 'GET /file HTTP/2.0\r\nHost: a\r\nConnection: close\r\n\r\n' | answers 505 'HTTP/2.0'
printf 'GET /file HTTP/x\r\n\r\n' | answers 505 'no version'
printf 'FETCH /file HTTP/1.1\r\n\r\n' | answers 501 'no such method'
printf '\026\003\001\002\000\001\000' | answers 400 'TLS'
printf 'GET file HTTP/1.1\r\nHost: a\r\n\r\n' | answers 400 'no slash'
printf 'GET /file HTTP/1.1\r\nHo st: a\r\n\r\n' | answers 400 'a blank in a name'
printf 'GET /file HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nGET /' |
    answers 400 'a blank before the colon'
printf 'GET /file HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n' |
    answers 400 'two lengths'
printf 'GET /file HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n' |
    answers 400 'length and chunks'
printf 'POST /file HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\nabc' |
    answers 413 'a large body'
(printf 'GET /file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n' &&
    printf '20000\r\n' && head -c 131072 /dev/zero) | answers 413 'a large chunk'
for method in POST PUT DELETE OPTIONS PATCH; do
    get /file -X $method
    expect 405
    has Allow 'GET, HEAD'
done
get / -X OPTIONS --request-target '*' && expect 405
echo "passed: requests"

filler=$(head -c 70000 /dev/zero | tr '\0' x)
printf 'GET /%s HTTP/1.1\r\nHost: a\r\n\r\n' "$filler" | answers 414 'a long target'
printf 'GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n' "$filler" | answers 431 '64 KiB in one field'
printf 'GET / HTTP/1.1\r\nHost: a\r\n%s: x\r\n\r\n' "$filler" | answers 431 '64 KiB in a name'
(printf 'GET / HTTP/1.1\r\nHost: a\r\n' && seq -f 'X%.0f: 1234567890123456789012345' 1 2000 &&
    printf '\r\n\r\n') | answers 431 '64 KiB in many fields'
(printf 'GET / HTTP/1.1\r\nHost: a\r\n' && seq -f 'X%.0f:' 1 120 && printf '\r\n\r\n') |
    answers 431 'too many fields'
target=$(head -c 4000 /dev/zero | tr '\0' x)
printf 'GET /file?%s HTTP/1.1\r\nHost: a\r\nX: %.9000s\r\nConnection: close\r\n\r\n' "$target" \
    "$filler" | answers 200 'just within the limits'
stop
start -k header_max=100000 -k request_line_max=80000
printf 'GET /file?%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' "$filler" |
    answers 200 'other limits'
stop
echo "passed: sizes"

# Silence in the middle of a request is answered, silence between two is not.
start -k header_ms=200 -k idle_ms=200
(printf 'GET /file HTTP/1.1\r\nHo' && sleep 1) | answers 408 'half a request'
(printf 'GET /file HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n' && sleep 1) |
    answers 408 'half a body'
began=$(date +%s)
printf 'GET /file HTTP/1.1\r\nHost: a\r\n\r\n' >request
timeout 20 socat -t 15 -,ignoreeof "TCP:127.0.0.1:$port" <request >answer || fail "idle: status $?"
timeout 20 socat -t 15 -,ignoreeof "TCP:127.0.0.1:$port" </dev/null >nothing || fail "silent: $?"
[ $(($(date +%s) - began)) -lt 10 ] || fail "an idle connection stays"
first 200 idle
[ ! -s nothing ] || fail "silence is answered"
stop
echo "passed: times"

start -k listings=off
get /dir/
expect 403
stop
echo "passed: no listings"

# Idle connections take all descriptors but none for the file; when they end everything goes on.
limits="prlimit --nofile=40:40"
start
(sleep 0.5 && cat request) | timeout 20 socat -t 15 - "TCP:127.0.0.1:$port" >busy &
busy=$!
sleep 0.1
holders=
i=0
while [ $i -lt 40 ]; do
    socat -u "TCP:127.0.0.1:$port" - >/dev/null &
    holders="$holders $!"
    i=$((i + 1))
done
wait $busy || fail "busy: status $?"
cp busy answer
first 503 "out of descriptors"
grep -q '^Retry-After' answer || fail "503 says nothing of later"
# shellcheck disable=SC2086 # a list of processes
kill $holders
get /file
expect 200
stop
echo "passed: few descriptors"
