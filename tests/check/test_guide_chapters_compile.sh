#!/bin/sh
# The examples of each chapter of the guide are C that compiles against tsuga.h, with the warnings
# of the library.
set -eu
count=0
for chapter in docs/guide/*.md; do
    program=$SCRATCH/$(basename "$chapter" .md).c
    {
        for header in dirent.h errno.h fcntl.h linux/openat2.h netinet/in.h poll.h stdatomic.h \
            stdbool.h stdint.h stdio.h string.h sys/epoll.h tsuga.h; do
            echo "#include <$header>"
        done
        sed -n '/^```c$/,/^```$/{ /^```/d; p; }' "$chapter"
    } >"$program"
    "$CC" -std=c11 -D_GNU_SOURCE -Iruntime/include -Wall -Wextra -Wconversion \
        -Wno-unused-function -Werror -fsyntax-only "$program"
    count=$((count + $(grep -c '^}' "$program")))
done
[ "$count" -ge 7 ] # functions: the examples have been found
