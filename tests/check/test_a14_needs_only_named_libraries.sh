#!/bin/sh
# The library needs liburing and inih (and jemalloc, which is built in), the C library's own parts,
# and nothing else; neither does a program that links the static library.
set -eu
allowed='liburing.so.2 libinih.so.1 libm.so.6 libc.so.6 libgcc_s.so.1'
allowed="$allowed ld-linux-x86-64.so.2 ld-linux-aarch64.so.1"

for needed in $(readelf -d "$BUILD/libtsuga.so.0" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    case " $allowed " in
        *" $needed "*) ;;
        *) echo "libtsuga.so.0 needs $needed"; exit 1 ;;
    esac
done

echo 'int main(void) { return 0; }' >"$SCRATCH/main.c"
$CC -o "$SCRATCH/main" "$SCRATCH/main.c" -Wl,--whole-archive "$BUILD/libtsuga.a" \
    -Wl,--no-whole-archive -luring -linih -lm -pthread
