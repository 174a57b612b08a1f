#!/bin/sh
# Makes a directory with what hash may meet and xxhsum can read: sizes around the edges of the size
# classes and of the largest read, names of every kind, directories deep and empty, symbolic links.
#
#     make_tree.sh DIRECTORY
set -eu
tree=$1
mkdir -p "$tree/sizes" "$tree/names/two words" "$tree/an empty directory" "$tree/many"
mkdir -p "$tree/a/b/c/d/e/f/g/h"

for edge in 64 4096 65536 262144 2097152; do
    for bytes in $((edge - 1)) $edge $((edge + 1)); do
        seq 1 1000000 | head -c "$bytes" >"$tree/sizes/$bytes"
    done
done
: >"$tree/sizes/0"
printf x >"$tree/sizes/1"
seq 1 1000000 | head -c 5000000 >"$tree/sizes/5000000"

# shellcheck disable=SC2016 # a dollar in a name is meant
for name in 'two words/three more words' 'äöü ß 木' 'back\slash' '\first' ' before' 'after ' \
    '-n' '*' "it's" '"quoted"' '$HOME' '(x) = y' "$(printf 'tab\tin it')" "$(printf 'latin \344')" \
    "$(printf 'return\r')" .hidden; do
    printf '%s' "$name" >"$tree/names/$name"
done
echo deep >"$tree/a/b/c/d/e/f/g/h/file"

i=0
while [ $i -lt 600 ]; do
    echo $i >"$tree/many/$i"
    i=$((i + 1))
done

ln -s sizes/1 "$tree/link to a file"
ln -s a "$tree/link to a directory"
ln -s . "$tree/link to itself"
ln -s nowhere "$tree/link to nothing"
