#!/bin/sh
# Puts the tables of what `make bench` has measured into the documents.
#
#     figures.sh BUILD
set -eu
figures=$1/bench.jsonl

if [ ! -s "$figures" ]; then
    echo "bench-figures: $figures is not there: run make bench" >&2
    exit 1
fi

# insert TABLE DOCUMENT: one of those that figures.awk makes.
insert() {
    awk -v table="$1" -f tests/bench/figures/figures.awk "$figures" |
        tests/bench/insert.sh "$2" "make bench-figures, $1"
}

insert figures docs/performance.md
insert tcp docs/guide/zero-copy.md
insert udp docs/guide/zero-copy.md
