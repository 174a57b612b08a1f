#!/bin/sh
# The examples of the guide are C that compiles against tsuga.h, with the warnings of the library.
set -eu
{
    for header in dirent.h errno.h fcntl.h linux/openat2.h poll.h stdatomic.h stdbool.h stdint.h \
        sys/epoll.h tsuga.h; do
        echo "#include <$header>"
    done
    sed -n '/^```c$/,/^```$/{ /^```/d; p; }' docs/guide/operations.md
} >"$SCRATCH/guide.c"
grep -q tsuga_entry_next "$SCRATCH/guide.c"
"$CC" -std=c11 -D_GNU_SOURCE -Iruntime/include -Wall -Wextra -Wconversion -Wno-unused-function \
    -Werror -fsyntax-only "$SCRATCH/guide.c"
