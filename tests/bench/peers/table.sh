#!/bin/sh
# Puts the table of what peers.sh has measured into a document, and prints it.
#
#     table.sh BUILD DOCUMENT
set -eu
figures=$1/bench-peers.jsonl
here=tests/bench/peers

if [ ! -s "$figures" ]; then
    echo "bench-table: $figures is not there: run make bench-peers" >&2
    exit 1
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
awk -f $here/table.awk $here/rows.txt "$figures" >"$scratch/table"
cat "$scratch/table"
tests/bench/insert.sh "$2" "make bench-table" <"$scratch/table"
