#!/bin/sh
# Each check script finds what it is for: a planted violation makes it fail, and it names the file
# and the rule. Without this, a pattern that matches nothing would pass everything.
set -eu
checks=$PWD/tests/check
cd "$SCRATCH"
mkdir -p ioheap actor executor examples runtime/include

# plant FILE: writes its standard input there. finds WORDS COMMAND…: it fails and says the words.
plant() { cat >"$1"; }
finds() {
    words=$1
    shift
    if "$@" >output 2>&1; then
        echo "$*: did not fail, expected: $words"
        exit 1
    fi
    grep -qF -- "$words" output || { echo "$*: did not say: $words"; cat output; exit 1; }
}

plant ioheap/arrow.c <<'END'
#include "actor/actor.h"
END
plant ioheap/path.c <<'END'
#include "arrow.h"
END
plant actor/ring.c <<'END'
#include <liburing.h>
END
plant actor/map.c <<'END'
static void *p = mmap(0, 1, 0, 0, 0, 0);
END
plant actor/heap.c <<'END'
static void *p = malloc(1);
END
plant actor/hooks.c <<'END'
static void give(struct hooks *hooks, void *p) { hooks->free(p); } /* not free(p), but a hook */
END
plant executor/jemalloc.c <<'END'
static void *p = tsuga_je_mallocx(1, 0);
END
plant examples/private.c <<'END'
#include "actor/actor.h"
END
finds 'an arrow from ioheap to actor' "$checks/layers.sh" ioheap/arrow.c
finds 'paths start at the root' "$checks/layers.sh" ioheap/path.c
finds 'liburing belongs to' "$checks/layers.sh" actor/ring.c
finds 'mapping memory belongs to' "$checks/layers.sh" actor/map.c
finds 'allocator belongs to' "$checks/layers.sh" actor/heap.c
finds 'jemalloc belongs to' "$checks/layers.sh" executor/jemalloc.c
finds 'includes <tsuga.h> and no private' "$checks/layers.sh" examples/private.c
"$checks/layers.sh" actor/hooks.c

plant actor/variant.c <<'END'
int variant(void)
{
#ifdef OTHER
    return 1;
#endif
    return 0;
}
END
finds '#if inside' "$checks/style.sh" actor/variant.c

plant actor/alone.h <<'END'
/* Owned by its thread. */
#ifndef TSUGA_ACTOR_ALONE_H
#define TSUGA_ACTOR_ALONE_H
size_t alone(void);
#endif
END
plant actor/guard.h <<'END'
/* Owned by its thread. */
#ifndef GUARD_H
#define GUARD_H
#endif
END
plant actor/mute.h <<'END'
#ifndef TSUGA_ACTOR_MUTE_H
#define TSUGA_ACTOR_MUTE_H
#endif
END
finds 'does not compile alone' "$checks/headers.sh" actor/alone.h
finds 'the guard should be TSUGA_ACTOR_GUARD_H' "$checks/headers.sh" actor/guard.h
finds 'does not open with a comment' "$checks/headers.sh" actor/mute.h

plant runtime/include/tsuga.h <<'END'
/**
 * Owner: nobody. Errors: none, but not on a line of its own.
 */
TSUGA_API int
tsuga_first(void);

TSUGA_API void tsuga_second(int a,
                            int b);

/* Not of what follows. */

struct tsuga_third {
    int a;
};
END
finds 'tsuga_first: no Errors: line' "$checks/docs.sh" runtime/include/tsuga.h
finds 'tsuga_second: no Blocks: line' "$checks/docs.sh" runtime/include/tsuga.h
finds 'tsuga_third: no comment' "$checks/docs.sh" runtime/include/tsuga.h

plant actor/library.c <<'END'
int tsuga_second(void);
int tsuga_third(void);
static int count;
static _Thread_local int level;
int tsuga_second(void) { return count++; }
int tsuga_third(void) { return level++; }
END
$CC -shared -fPIC -o library.so actor/library.c
mkdir -p objects/actor
$CC -fPIC -c -o objects/actor/library.o actor/library.c
finds 'tsuga_first: declared in a header, not exported' \
    "$checks/exports.sh" library.so runtime/include/tsuga.h
finds 'tsuga_third: exported, not declared' \
    "$checks/exports.sh" library.so runtime/include/tsuga.h
finds 'mutable global count' "$checks/globals.sh" objects actor
finds 'thread-local level' "$checks/globals.sh" objects actor

mkdir -p docs
plant docs/requirements.md <<'END'
| H01 | first | E | test |
| H02 | second | E | test |
END
plant results <<'END'
passed actor/h01_works
skipped actor/h02_works
END
finds 'Required and uncovered: H02' "$checks/requirements.sh" --need "H01-H02" results
"$checks/requirements.sh" --need "H01" results
