#!/bin/sh
# `make install` gives what pkg-config needs to compile and link a program, shared and static, and
# `make uninstall` takes every file away again.
set -eu
prefix=$SCRATCH/usr
make -s --no-print-directory CC="$CC" PREFIX="$prefix" install

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
cat >"$SCRATCH/main.c" <<'END'
#include <string.h>
#include <tsuga.h>

int main(void)
{
    return strlen(TSUGA_VERSION) > 0 ? 0 : 1;
}
END
# shellcheck disable=SC2046 # flags are meant to be split
$CC -std=c11 -o "$SCRATCH/shared" "$SCRATCH/main.c" -Wl,--no-as-needed \
    $(pkg-config --cflags --libs tsuga)
LD_LIBRARY_PATH=$prefix/lib "$SCRATCH/shared"

rm "$prefix/lib/libtsuga.so"
# shellcheck disable=SC2046
$CC -std=c11 -o "$SCRATCH/static" "$SCRATCH/main.c" $(pkg-config --cflags --libs --static tsuga)
"$SCRATCH/static"

[ "$(pkg-config --modversion tsuga)" = "$(sed -n 's/#define TSUGA_VERSION "\(.*\)"/\1/p' \
    runtime/include/tsuga.h)" ]

make -s --no-print-directory CC="$CC" PREFIX="$prefix" uninstall
left=$(find "$prefix" -type f -o -type l)
[ -z "$left" ] || { echo "uninstall left $left"; exit 1; }
