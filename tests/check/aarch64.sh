#!/bin/sh
# Assembles the aarch64 sources with a cross compiler.
#
#     aarch64.sh FILE…
set -eu
for file; do
    aarch64-linux-gnu-gcc -I. -Wall -Werror -c -o /dev/null "$file"
done
