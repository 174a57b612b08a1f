#!/bin/sh
# Checks that the library's objects hold no mutable data: nothing in .data or .bss, so that two
# runtimes can live in one process, and no thread-local but the executor's "current".
#
#     globals.sh OBJECT-DIRECTORY FOLDER…
set -eu
objects=$1
shift
found=$(
    for folder; do
        for object in "$objects/$folder"/*.o; do
            [ -e "$object" ] || continue
            objdump -t "$object" | awk -v object="$object" '
                # A signal has one disposition per process; see the comment in executor/overflow.c.
                object ~ /executor\/overflow.o$/ && $NF == "process" { next }
                $0 ~ / O \.(data|bss)(\.[^r]|[ \t])/ { print object ": mutable global " $NF }
                $0 ~ / \.t(data|bss)/ && !/ d  / && $NF !~ /current/ {
                    print object ": thread-local " $NF
                }'
        done
    done
)
[ -z "$found" ] || { echo "$found"; exit 1; }
