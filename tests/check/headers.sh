#!/bin/sh
# Checks every header: it opens with a comment that names a thread, its guard follows from its path,
# and it compiles alone (the public ones as C++, too).
#
#     CC=gcc headers.sh HEADER…
set -u
bad=0

complain() {
    echo "$1"
    bad=1
}

# TSUGA_<FOLDER>_<FILE>_H: the last folder, the file. A public header is TSUGA_H or the like.
guard_of() {
    case $1 in
        runtime/include/*) basename "$1" .h | sed 's/$/_H/' ;;
        tests/*) echo "TSUGA_TESTS_$(basename "$1" .h)_H" ;;
        *) echo "TSUGA_$(basename "$(dirname "$1")")_$(basename "$1" .h)_H" ;;
    esac | tr '[:lower:]' '[:upper:]'
}

compile_alone() {
    $1 -D_GNU_SOURCE -I. -Iruntime/include -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
        -Wno-unused-function -include "$2" /dev/null || complain "$2: does not compile alone ($1)"
}

for header; do
    guard=$(guard_of "$header")
    [ "$(head -c 2 "$header")" = "/*" ] || complain "$header: does not open with a comment"
    sed '/\*\//q' "$header" | grep -qi 'thread' || complain "$header: its head names no thread"
    grep -qx "#define $guard" "$header" || complain "$header: the guard should be $guard"
    compile_alone "${CC:-gcc} -std=c11 -x c" "$header"
done

for header; do
    case $header in
        runtime/include/*) compile_alone "g++ -std=c++17 -x c++" "$header" ;;
    esac
done
exit $bad
