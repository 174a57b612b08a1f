#!/bin/sh
# Makes sure that what the build needs is installed: looks first, installs with apt-get when it
# may, and otherwise prints the one command that does it.
#
#     deps.sh [build] [check] [bench] [peers] [plots] [fuzz]
set -eu

has_command() { command -v "$1" >/dev/null 2>&1; }
has_library() { pkg-config --exists "$1" 2>/dev/null; }
has_header() { ls /usr/include/"$1" /usr/include/*-linux-gnu/"$1" 2>/dev/null | grep -q .; }
has_clang_runtime() {
    ls "$(clang -print-resource-dir 2>/dev/null)"/lib/linux/*asan* >/dev/null 2>&1
}

# need PACKAGE PROBE ARGUMENT…: remembers the package when the probe fails.
missing=
need() {
    package=$1
    shift
    "$@" || missing="$missing $package"
}

need_build() {
    need gcc has_command gcc
    need libc6-dev has_header stdio.h
    need binutils has_command objcopy
    need pkg-config has_command pkg-config
    need liburing-dev has_library liburing
    need libjemalloc-dev has_library jemalloc
    need libinih-dev has_library inih
    need libhttp-parser-dev has_header http_parser.h
    need libcriterion-dev has_library criterion
    need libxxhash-dev has_library libxxhash
    need xxhash has_command xxhsum
    need systemtap-sdt-dev has_header sys/sdt.h
}

need_check() {
    need g++ has_command g++
    need clang has_command clang
    need clang-format has_command clang-format
    need clang-tidy has_command clang-tidy
    need libclang-rt-14-dev has_clang_runtime
    need gcc-aarch64-linux-gnu has_command aarch64-linux-gnu-gcc
    need strace has_command strace
    need valgrind has_command valgrind
    need curl has_command curl
    need socat has_command socat
    need iperf3 has_command iperf3
    need apache2-utils has_command ab
    need wrk has_command wrk
    need mandoc has_command mandoc
}

need_bench() {
    need libmimalloc-dev has_header mimalloc.h
    need nginx-light has_command nginx
    need wrk has_command wrk
    need curl has_command curl
}

# Whom `make bench-peers` compares with.
need_peers() {
    need g++ has_command g++
    need libcaf-dev has_header caf/all.hpp
    need erlang-base has_command erlc
    need golang-go has_command go
    need libuv1-dev has_library libuv
    need libev-dev has_header ev.h
    need fio has_command fio
}

need_plots() {
    need gnuplot-nox has_command gnuplot
}

need_fuzz() {
    need clang has_command clang
    need afl++ has_command afl-fuzz
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

for group in "${@:-build}"; do
    "need_$group"
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if ! has_command apt-get || { [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; }; then
    echo "Missing:$missing. Install with:" >&2
    echo "    sudo $install" >&2
    exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -q
# shellcheck disable=SC2086 # the list of packages is meant to be split
as_root $install
