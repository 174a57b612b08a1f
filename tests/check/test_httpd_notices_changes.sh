#!/bin/sh
# httpd keeps files in memory, and yet sends none that was replaced, changed, cut or removed longer
# than revalidate_ms ago; the date in its answers goes on.
. tests/check/httpd_kit.sh
echo one >www/file
seq 1 100000 >www/large
start -k revalidate_ms=50 -j 1

# becomes CONTENT: within two seconds.
becomes() {
    i=0
    get /file
    while [ "$(cat answer)" != "$1" ]; do
        i=$((i + 1))
        [ $i -lt 40 ] || fail "$1: still another content"
        sleep 0.05
        get /file
    done
}
becomes one
tag=$(value_of ETag)
echo two >www/file
becomes two
[ "$(value_of ETag)" != "$tag" ] || fail "another content, the same tag"
echo 'three, longer' >www/new
mv www/new www/file
becomes 'three, longer'
touch -d '1 hour ago' www/file
sleep 0.1
get /file
[ "$(date -d "$(value_of Last-Modified)" +%s)" -eq "$(stat -c %Y www/file)" ] || fail "another date"
rm www/file
sleep 0.1
get /file
expect 404
mkdir www/file
get /file
expect 301
rmdir www/file
ln -s ../secret www/file
echo secret >secret
get /file
expect 403
rm www/file
echo four >www/file
becomes four
echo "passed: small files"

get /large
cmp answer www/large || fail "large: another content"
seq 2 100001 >www/large
sleep 0.1
get /large
cmp answer www/large || fail "large: the old content"
seq 1 90000 >www/new
mv www/new www/large
sleep 0.1
get /large
cmp answer www/large || fail "large: the replaced content"
echo "passed: large files"

# The same bytes in memory, seconds later.
get /file
before=$(value_of Date)
sleep 1.1
get /file
[ "$(value_of Date)" != "$before" ] || fail "the date stands still"
[ $(($(date +%s) - $(date -d "$(value_of Date)" +%s))) -le 2 ] || fail "the date is late"
echo "passed: date"

# Files whose size is not what they say are no reason to go round in circles.
stop
start -r /sys/kernel
get /mm/transparent_hugepage/enabled
grep -q '^HTTP/1.1 [25]00' head || fail "/sys: $(head -n 1 head)"
stop
echo "passed: /sys"
