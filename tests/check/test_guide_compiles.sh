#!/bin/sh
# The examples of the guide are C that compiles against tsuga.h, with the warnings of the library,
# each chapter by itself. Every chapter has some, and stands in the index.
set -eu
for chapter in docs/guide/*.md; do
    name=$(basename "$chapter" .md)
    [ "$name" != README ] || continue
    grep -q "($name.md)" docs/guide/README.md || { echo "$chapter: not in the index"; exit 1; }
    {
        for header in dirent.h errno.h fcntl.h linux/openat2.h netinet/in.h poll.h stdatomic.h \
            stdbool.h stdint.h stdio.h string.h sys/epoll.h tsuga.h tsuga_sim.h \
            unistd.h; do
            echo "#include <$header>"
        done
        sed -n '/^```c$/,/^```$/{ /^```/d; p; }' "$chapter"
    } >"$SCRATCH/$name.c"
    grep -q 'struct tsuga_actor \*self' "$SCRATCH/$name.c" || { echo "$chapter: no C"; exit 1; }
    "$CC" -std=c11 -D_GNU_SOURCE -Iruntime/include -Wall -Wextra -Wconversion \
        -Wno-unused-function -Werror -fsyntax-only "$SCRATCH/$name.c"
    echo "passed: $name"
done
