#!/bin/sh
# The demonstration behind `make demo`: hashes a real tree and lets xxhsum verify the result, then
# moves data through the echo server from many connections and verifies every byte.
#
#     demo.sh BUILD DIR
set -eu
build=$1
tree=${2%/}
limit_mib=2048
connections=64
echo_mib=64

scratch=$(mktemp -d)
server=
clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The tree's first 2 GiB: a directory that fits into what is left is taken whole, of any other one
# its subdirectories are looked at. Sorted, a parent comes before its children.
choose_directories() {
    du --apparent-size --block-size=1M -x "$tree/" 2>/dev/null |
        LC_ALL=C sort -t "$(printf '\t')" -k 2 |
        awk -F '\t' -v room=$limit_mib '
            taken != "" && index($2, taken) == 1 { next }
            $1 <= room { print $2; room -= $1; taken = $2 "/"; sub(/\/\/$/, "/", taken) }'
}

hash_and_verify() {
    choose_directories >"$scratch/directories"
    status=0
    xargs -d '\n' -a "$scratch/directories" "$build/examples/hash" >"$scratch/sums" || status=$?
    # Status 1, which xargs turns into 123, says that files were passed over and named.
    case $status in
        0 | 123) ;;
        *) echo "demo: hash failed with status $status" >&2; exit 1 ;;
    esac
    [ -s "$scratch/sums" ] || { echo "demo: nothing was hashed" >&2; exit 1; }
    xxhsum -c --quiet "$scratch/sums"
}

# A port may be taken by somebody else; then the server ends at once and another one is tried.
echo_and_verify() {
    for port in 20717 27170 31707 37017; do
        "$build/examples/echo" -p $port >"$scratch/echo.log" 2>&1 &
        server=$!
        if "$build/check/echo_flood" $port $connections $echo_mib "$server"; then
            kill -INT "$server"
            wait "$server"
            server=
            return
        fi
        kill -0 "$server" 2>/dev/null && break
    done
    cat "$scratch/echo.log" >&2
    echo "demo: the echo server failed" >&2
    exit 1
}

echo "==> Hashing $tree, at most $limit_mib MiB of it, with one actor per file"
hash_and_verify
files=$(wc -l <"$scratch/sums")
echo "    $files files hashed; xxhsum -c agrees with every one"

echo "==> Echoing $echo_mib MiB through $connections connections, one actor each"
echo_and_verify
echo "    the server ended cleanly on SIGINT"
