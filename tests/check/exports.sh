#!/bin/sh
# Compares what a shared library exports with the functions that the public headers declare.
#
#     exports.sh LIBRARY HEADER…
set -eu
library=$1
shift
declared=$(mktemp)
exported=$(mktemp)
trap 'rm -f "$declared" "$exported"' EXIT

# A declaration may break before its name, so the name may stand on the next line.
awk '/^TSUGA_API / { is_open = 1 }
     is_open && match($0, /tsuga_[a-z0-9_]+\(/) {
         print substr($0, RSTART, RLENGTH - 1)
         is_open = 0
     }' "$@" | sort >"$declared"
nm -D --defined-only "$library" |
    awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$exported"

if ! diff "$declared" "$exported" >/dev/null; then
    comm -23 "$declared" "$exported" | sed 's/$/: declared in a header, not exported/'
    comm -13 "$declared" "$exported" | sed 's/$/: exported, not declared in a header/'
    exit 1
fi
