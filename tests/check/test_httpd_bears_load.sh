#!/bin/sh
# httpd answers every request of ab and wrk, with and without keep-alive, on one executor and on
# two, while the files in its cache come and go.
. tests/check/httpd_kit.sh
for tool in ab wrk; do
    if ! command -v $tool >/dev/null; then
        echo "skipped: no $tool"
        exit 77
    fi
done
head -c 1024 /dev/zero >www/1k
head -c 65536 /dev/zero >www/64k
head -c 1000000 /dev/zero >www/1m

# abs COUNT OPTION… TARGET
abs() {
    ab -q -n "$@" >answer 2>&1 || fail "ab -n $*: status $?"
    grep -q '^Complete requests: *'"$1"'$' answer || fail "ab -n $*: not all"
    grep -q '^Failed requests: *0$' answer || fail "ab -n $*: some failed"
    ! grep -q '^Non-2xx' answer || fail "ab -n $*: another status"
}

for threads in 1 2; do
    start -j $threads -k cache_files=2 -k revalidate_ms=10
    abs 4000 -c 64 -k "$url/1k"
    abs 1000 -c 32 "$url/1k"
    abs 500 -c 16 -k "$url/64k"
    abs 50 -c 8 -k "$url/1m"
    cat >mix.lua <<'END'
local files = {"/1k", "/64k", "/1m", "/none", "/"}
local count = 0
request = function()
    count = count + 1
    return wrk.format(nil, files[count % #files + 1])
end
END
    wrk -t 2 -c 40 -d 1s -s mix.lua "$url" >answer || fail "wrk: status $?"
    ! grep -q '^Socket errors' answer || fail "wrk: socket errors"
    stop
    grep -qE '^httpd: [1-9][0-9]* requests' messages || fail "no count"
    ! grep -q '^tsuga:' messages || fail "the runtime complains"
done
echo "passed: load"
