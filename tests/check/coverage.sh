#!/bin/sh
# Prints the line coverage of each source file of a coverage build, and the total.
#
#     coverage.sh BUILD SOURCE…
set -eu
build=$1
shift
for source; do
    gcov --no-output --object-file "$build/obj/${source%.c}.o" "$source" 2>/dev/null |
        awk -v source="$source" '
            /^File / { wanted = $0 ~ "'\''" source "'\''" }
            wanted && /^Lines executed:/ {
                split($2, part, /[:%]/)
                print source, part[2], $4
                exit
            }'
done | awk '
    { printf "%6.1f %% of %5d  %s\n", $2, $3, $1; lines += $3; hit += $2 * $3 / 100 }
    END { if (lines > 0) printf "%6.1f %% of %5d  total\n", 100 * hit / lines, lines }'
