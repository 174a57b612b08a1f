#!/bin/sh
# httpd sends files as they are, with their types, by GET and HEAD, one after the other on a
# connection, and many at once; directories by their index or a listing.
. tests/check/httpd_kit.sh
mkdir -p www/docs www/plain/sub 'www/two words'
for bytes in 0 1 1024 65536 131072 131073 262144 262145 3000001; do
    seq 1 1000000 | head -c $bytes >www/$bytes.bin
done
echo '<p>index</p>' >www/docs/index.html
echo 'x' >'www/plain/a <b> & "c" %41.txt'
echo 'umlaut' >'www/two words/ä.css'
ln -s ../1024.bin www/docs/link
start

for file in www/*.bin; do
    get "/${file#www/}"
    expect 200
    cmp answer "$file" || fail "$file: another content"
    has Content-Length "$(stat -c %s "$file")"
    get "/${file#www/}" -I
    has Content-Length "$(stat -c %s "$file")"
    [ ! -s answer ] || cmp answer head || fail "$file: HEAD brings a body"
done
get /docs/link
cmp answer www/1024.bin || fail "a link within the root"
echo "passed: files of all sizes"

get '/two%20words/%c3%A4.css'
has Content-Type 'text/css; charset=utf-8'
[ "$(cat answer)" = umlaut ] || fail "a name with percent signs"
get '/1024.bin'
has Content-Type application/octet-stream
[ "$(date -d "$(value_of Last-Modified)" +%s)" -eq "$(stat -c %Y www/1024.bin)" ] || fail "date"
get "/docs/../docs/./link?query#fragment"
expect 200
get / --request-target http://x/docs/link
cmp answer www/1024.bin || fail "a target in absolute form"
echo "passed: names and types"

get /docs/
[ "$(cat answer)" = '<p>index</p>' ] || fail "no index"
has Content-Type 'text/html; charset=utf-8'
for target in '/docs' '//docs' '/x/../docs'; do
    get "$target?a=b"
    expect 301
    has Location '/docs/?a=b'
done
get /two%20words
has Location '/two%20words/'
get /plain/
expect 200
name='a%20%3Cb%3E%20%26%20%22c%22%20%2541.txt'
text='a &lt;b&gt; &amp; &quot;c&quot; %41.txt'
grep -qF "<a href=\"$name\">$text</a>" answer || fail "the listing does not escape names"
grep -qF '<a href="sub/">sub/</a>' answer || fail "the listing has no directories"
get "/plain/$name"
expect 200
get /
grep -qF 'href="docs/"' answer || fail "no listing of the root"
if grep -qF 'href="../"' answer; then
    fail "the root's listing leads upwards"
fi
mkdir www/many && (cd www/many && seq 1 12000 | xargs touch)
get /many/
[ "$(grep -c 'href="[0-9]' answer)" -eq 10000 ] || fail "a large listing"
echo "passed: directories"

# One connection, 200 requests ahead of the first answer, in pieces that end anywhere.
i=0
while [ $i -lt 100 ]; do
    printf 'GET /1024.bin HTTP/1.1\r\nHost: x\r\n\r\nHEAD /65536.bin HTTP/1.1\r\nHost: x\r\n\r\n'
    i=$((i + 1))
done >requests
printf 'GET /1.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >>requests
raw -b 37 <requests
[ "$(grep -ac '^HTTP/1.1 200 OK' answer)" -eq 201 ] || fail "pipelining: not 201 answers"
[ "$(tail -c 1 answer)" = 1 ] || fail "pipelining: not the last answer at the end"
[ "$(grep -ac '^Connection: close' answer)" -eq 1 ] || fail "pipelining: no 'Connection: close'"

# A client that has said its last word still gets its answers.
printf 'GET /3000001.bin HTTP/1.1\r\nHost: x\r\n\r\n' | raw
tail -c 3000001 answer | cmp - www/3000001.bin || fail "half-closed"
# Bodies are read and thrown away; what follows them is the next request.
printf 'GET /1.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /GET /1.bin HTTP/1.1\r\n'\
'Host: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n' | raw
[ "$(grep -ac 'HTTP/1.1 200 OK' answer)" -eq 2 ] || fail "bodies"
# An old client says itself whether it stays.
printf 'GET /1.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /1.bin HTTP/1.0\r\n\r\n' | raw
[ "$(grep -aci '^Connection: keep-alive' answer)" -eq 1 ] || fail "HTTP/1.0: not kept"
[ "$(grep -aci '^Connection: close' answer)" -eq 1 ] || fail "HTTP/1.0: not closed"
echo "passed: many requests on a connection"
stop TERM

# One file too many for the cache, one at a time and many at once.
start -k cache_files=2 -k cache_bytes=70000
for round in 1 2 3; do
    for bytes in 0 1 1024 65536 131072 3000001; do
        get /$bytes.bin
        cmp answer www/$bytes.bin || fail "round $round: $bytes.bin"
    done
done
for bytes in 1 1024 65536 131073 3000001; do
    for client in 1 2 3; do
        curl -s --max-time 20 -o out.$bytes.$client "$url/$bytes.bin" &
        clients="${clients:-} $!"
    done
done
for client in $clients; do
    wait "$client" || fail "many at once: curl status $?"
done
for bytes in 1 1024 65536 131073 3000001; do
    for client in 1 2 3; do
        cmp out.$bytes.$client www/$bytes.bin || fail "many at once: $bytes.bin"
    done
done
stop
echo "passed: a small cache"
