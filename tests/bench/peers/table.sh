#!/bin/sh
# Puts the table of what peers.sh has measured between the two marks in a document.
#
#     table.sh BUILD DOCUMENT
set -eu
figures=$1/bench-peers.jsonl
here=tests/bench/peers
begin='<!-- begin: make bench-table -->'
end='<!-- end: make bench-table -->'

if [ ! -s "$figures" ]; then
    echo "bench-table: $figures is not there: run make bench-peers" >&2
    exit 1
fi
if ! grep -qF "$begin" "$2" || ! grep -qF "$end" "$2"; then
    echo "bench-table: $2 lacks a mark" >&2
    exit 1
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
awk -f $here/table.awk $here/rows.txt "$figures" >"$scratch/table"
cat "$scratch/table"
awk -v begin="$begin" -v end="$end" -v table="$scratch/table" '
    $0 == end { inside = 0 }
    !inside { print }
    $0 == begin {
        inside = 1
        while ((getline line < table) > 0)
            print line
    }' "$2" >"$scratch/document"
cat "$scratch/document" >"$2"
