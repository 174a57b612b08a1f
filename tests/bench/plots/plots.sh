#!/bin/sh
# Draws a curve for each case of the scaling benchmark, OUT/CASE.svg, with nothing in it but the
# figures: who draws the same ones again gets the same file.
#
#     plots.sh FIGURES OUT
set -eu
figures=$1
out=$2
here=tests/bench/plots

if [ ! -s "$figures" ]; then
    echo "plots: $figures is not there: run make bench-plots" >&2
    exit 1
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$out"
awk -v out="$scratch" -f $here/curves.awk "$figures"

# draw CASE TITLE COUNTED UNIT
draw() {
    if [ ! -s "$scratch/$1.data" ]; then
        echo "plots: skipped: $1: not measured" >&2
        return
    fi
    gnuplot -e "folder = '$scratch/'; name = '$1'; heading = '$2'; counted = '$3'; unit = '$4'" \
        $here/curve.gp >"$scratch/$1.svg"
    mv "$scratch/$1.svg" "$out/$1.svg"
    echo "$out/$1.svg"
}

draw actors "A message to one of so many actors" "actors alive" "ns a message"
draw connections "An echo over one of so many connections" "connections open" "ns a message"
draw operations "A read of 64 bytes, one of so many" "operations in flight" "ns an operation"
draw blocks "A block freed and one allocated, among so many" "blocks alive" "ns a pair"
