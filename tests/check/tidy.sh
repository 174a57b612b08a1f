#!/bin/sh
# Runs clang-tidy with .clang-tidy (tests: tests/.clang-tidy). One file a run: the analyzer of
# clang 14 carries state from one file to the next and then reports what is not there.
#
#     tidy.sh FILE…
set -u
export FLAGS="-std=c11 -D_GNU_SOURCE -I. -Iruntime/include -DTSUGA_DEBUG -DTSUGA_DEEP_CHECKS"

# Findings go to stdout; stderr only counts the warnings inside system headers.
# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 sh -c 'clang-tidy --quiet "$@" -- $FLAGS 2>&3' tidy \
    3>/dev/null
