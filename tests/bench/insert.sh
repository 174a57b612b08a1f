#!/bin/sh
# Puts what comes in between two marks of a document, <!-- begin: NAME --> and <!-- end: NAME -->, in
# place of what is there.
#
#     … | insert.sh DOCUMENT NAME
set -eu
begin="<!-- begin: $2 -->"
end="<!-- end: $2 -->"

if ! grep -qxF "$begin" "$1" || ! grep -qxF "$end" "$1"; then
    echo "insert: $1 lacks a mark of $2" >&2
    exit 1
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/text"
awk -v begin="$begin" -v end="$end" -v text="$scratch/text" '
    $0 == end { inside = 0 }
    !inside { print }
    $0 == begin {
        inside = 1
        while ((getline line < text) > 0)
            print line
    }' "$1" >"$scratch/document"
cat "$scratch/document" >"$1"
