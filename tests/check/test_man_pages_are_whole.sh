#!/bin/sh
# Every exported function and every public type has a man page, every page says the four things that
# each function's comment says, what it refers to exists, and all of them are clean mdoc.
set -eu
make -s --no-print-directory man
cd build/man

nm -D --defined-only "../../$BUILD/libtsuga.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' \
    >"$SCRATCH/functions"
sed -n 's/^\(struct\|enum\) \(tsuga_[a-z_]*\) {.*/\2/p; s/^typedef .* \(tsuga_[a-z_]*\)(.*/\1/p' \
    ../../runtime/include/*.h >"$SCRATCH/types"
[ "$(wc -l <"$SCRATCH/functions")" -gt 100 ] && [ "$(wc -l <"$SCRATCH/types")" -gt 30 ]

status=0
complain() {
    echo "$*"
    status=1
}

while read -r name; do
    for heading in SYNOPSIS DESCRIPTION ERRORS OWNERSHIP THREADS BLOCKING; do
        grep -qx ".Sh $heading" "man3/$name.3" || complain "$name: no $heading"
    done
    grep -qx ".Fo $name" "man3/$name.3" || complain "$name: no declaration"
done <"$SCRATCH/functions"
while read -r name; do
    grep -q "^struct $name {\|^enum $name {\|^.Fo $name$" "man3/$name.3" ||
        complain "$name: no declaration"
done <"$SCRATCH/types"
for page in man3/*; do
    name=$(basename "$page" .3)
    grep -qx "$name" "$SCRATCH/functions" "$SCRATCH/types" ||
        grep -q "^static inline .*$name(" ../../runtime/include/*.h ||
        complain "$page: the headers know no such name"
    grep -q "^.Xr $name 3" man7/tsuga.7 || complain "tsuga.7 does not lead to $name"
done

# What each comment's members say reaches the page, of a plain struct, one within another, and an
# enum.
for said in "tsuga_config executor.threads" "tsuga_op lease_offset" \
    "tsuga_op_option TSUGA_OP_HARD" "tsuga_sizer heard" \
    "tsuga_spawn_options state_fini" "tsuga_lease_slice slice"; do
    # shellcheck disable=SC2086 # a page and a word
    set -- $said
    grep -q "$2" "man3/$1.3" || complain "$1: nothing about $2"
done

# Constants stand in the overview, keys of the configuration in their page.
sed -n 's/^#define \(TSUGA_[A-Z_]*\) .*/\1/p' ../../runtime/include/*.h |
    grep -vx 'TSUGA_\(API\|NODISCARD\|NORETURN\)' >"$SCRATCH/constants"
while read -r name; do
    grep -qw "$name" man7/tsuga.7 || complain "tsuga.7 says nothing of $name"
done <"$SCRATCH/constants"
sed -n '/^## Keys/,$s/^| [a-z]* *| \([a-z_]*\) |.*/\1/p' ../../docs/configuration.md |
    grep -vx key >"$SCRATCH/keys"
while read -r name; do
    grep -qx ".It Cm $name" man5/tsuga.conf.5 || complain "tsuga.conf.5 says nothing of $name"
done <"$SCRATCH/keys"

cat man?/* | sed -n 's/^\.\(Pf ( \)\{0,1\}Xr \(tsuga[a-z0-9_.]*\) \([357]\).*/man\3\/\2.\3/p' |
    sort -u >"$SCRATCH/references"
[ "$(wc -l <"$SCRATCH/references")" -gt 100 ]
while read -r page; do
    [ -e "$page" ] || complain "$page is referred to, and does not exist"
done <"$SCRATCH/references"

[ $status -eq 0 ] || exit 1
command -v mandoc >/dev/null || { echo "mandoc is missing"; exit 77; }
mandoc -T lint -W warning man?/*
mandoc -T utf8 man3/tsuga_read.3 | col -b | grep -q 'tsuga_read(struct tsuga_actor \*self, int fd'
