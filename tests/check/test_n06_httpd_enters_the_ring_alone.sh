#!/bin/sh
# Between the first and the last request no system call of httpd's executor moves a byte or waits
# for a descriptor but io_uring_enter.
. tests/check/httpd_kit.sh
for tool in strace ab; do
    if ! command -v $tool >/dev/null; then
        echo "skipped: no $tool"
        exit 77
    fi
done
head -c 1024 /dev/zero >www/small
head -c 1000000 /dev/zero >www/large

# load COUNT FILE
load() {
    ab -q -k -n "$1" -c 32 "$url/$2" >answer 2>&1 || fail "ab $2: status $?"
    grep -q "^Complete requests: *$1\$" answer || fail "ab $2: not all"
}

start -j 1
load 100 small
strace -f -p "$server" -o calls 2>strace.log &
strace=$!
i=0
until grep -q attached strace.log; do
    i=$((i + 1))
    [ $i -lt 500 ] || fail "strace does not start: $(cat strace.log)"
    kill -0 $strace 2>/dev/null || { echo "skipped: $(cat strace.log)" && exit 77; }
    sleep 0.01
done
load 2000 small
load 50 large
kill -INT $strace
wait $strace || true
stop

executor=$(awk '/io_uring_enter\(/ { print $1; exit }' calls)
[ -n "$executor" ] || fail "no ring was entered"
awk -v executor="$executor" '$1 == executor' calls >its_calls
moves='read|readv|pread64|preadv2?|write|writev|pwrite64|pwritev2?|recvfrom|recvmsg|recvmmsg'
moves="$moves|sendto|sendmsg|sendmmsg|accept4?|sendfile|splice|copy_file_range"
waits='epoll_[a-z0-9_]*|poll|ppoll|select|pselect6|kevent'
if grep -E "^[0-9]+ +($moves|$waits)\(" its_calls >answer; then
    fail "other calls than those to the ring"
fi
echo "passed: $(grep -c 'io_uring_enter(' its_calls) calls to the ring"
