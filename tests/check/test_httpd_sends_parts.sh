#!/bin/sh
# httpd answers ranges and conditional requests, for files in its cache and larger ones.
. tests/check/httpd_kit.sh
seq 1 1000000 | head -c 1000 >www/small
seq 1 1000000 | head -c 400000 >www/large
start

# part RANGE FILE FIRST BYTES
part() {
    get "/$2" -r "$1"
    expect 206
    has Content-Length "$4"
    has Content-Range "bytes $3-$(($3 + $4 - 1))/$(stat -c %s "www/$2")"
    tail -c +$(($3 + 1)) "www/$2" | head -c "$4" | cmp - answer || fail "$1 of $2: other bytes"
}
part 0-0 small 0 1
part 10-19 small 10 10
part 990- small 990 10
part -7 small 993 7
part 500-99999999999999999999 small 500 500
part -5000 large 395000 5000
part 100-300000 large 100 299901
part 1- large 1 399999

whole() {
    expect 200
    cmp answer "www/$1" || fail "$target: not the whole"
}
for range in 0-999 -1000 -5000 0-; do # everything, by a range
    get /small -r $range
    cmp answer www/small || fail "$range: not everything"
done
for range in 5-3 x 1-2x '' 0-1,5-6 -; do # not understood, or several: passed over
    get /small -H "Range: bytes=$range"
    whole small
done
get /small -H 'Range: lines=1-2'
whole small
get /small -r 1-2 -I
expect 200
for range in 1000- 5000-6000 -0; do
    get /small -H "Range: bytes=$range"
    expect 416
    has Content-Range 'bytes */1000'
done
echo "passed: ranges"

for file in small large; do
    get /$file -I
    tag=$(value_of ETag)
    date=$(value_of Last-Modified)
    later=$(date -u -d "$date + 1 hour" '+%a, %d %b %Y %H:%M:%S GMT')
    earlier=$(date -u -d "$date - 1 hour" '+%a, %d %b %Y %H:%M:%S GMT')

    # same FIELD VALUE / other FIELD VALUE: 304 and no body / the whole.
    same() {
        get /$file -H "$1: $2"
        expect 304
        has ETag "$tag"
        ! grep -qi '^Content-Length' head || fail "304 with a length"
    }
    other() {
        get /$file -H "$1: $2"
        whole $file
    }
    for tags in "$tag" "W/$tag" "\"x\", $tag" '*' "\"a\",\"b\" ,W/$tag,"; do
        same If-None-Match "$tags"
    done
    for tags in '"x"' "${tag%?}" 'x' '"'; do
        other If-None-Match "$tags"
    done
    same If-Modified-Since "$date"
    same If-Modified-Since "$later"
    same If-Modified-Since "$(date -u -d "$date" '+%A, %d-%b-%y %H:%M:%S GMT')"
    same If-Modified-Since "$(date -u -d "$date" '+%a %b %e %H:%M:%S %Y')"
    other If-Modified-Since "$earlier"
    other If-Modified-Since yesterday
    get /$file -H "If-None-Match: \"x\"" -H "If-Modified-Since: $later"
    whole $file # the tag counts

    get /$file -H "If-Match: $tag" && whole $file
    get /$file -H "If-Match: W/$tag" && expect 412
    get /$file -H 'If-Match: "x"' && expect 412
    get /$file -H "If-Unmodified-Since: $date" && whole $file
    get /$file -H "If-Unmodified-Since: $earlier" && expect 412

    get /$file -r 1-2 -H "If-Range: $tag" && expect 206
    get /$file -r 1-2 -H "If-Range: $date" && expect 206
    for condition in '"x"' "W/$tag" "$earlier" "$later"; do
        get /$file -r 1-2 -H "If-Range: $condition"
        whole $file
    done
done
echo "passed: conditions"
stop
