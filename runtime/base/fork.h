/*
 * Whether this process is the one that made something, or a child of fork(2) that has a copy of it.
 *
 * A word in a page of its own that the kernel clears in a child (MADV_WIPEONFORK, Linux 4.14): so
 * that looking costs two loads, and neither a global nor a handler of pthread_atfork(3), which
 * could not be taken back, has to know of every runtime.
 *
 * Owner: whoever embeds the mark. Thread: any may look.
 */
#ifndef TSUGA_BASE_FORK_H
#define TSUGA_BASE_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/assert.h"

struct tsuga_fork_mark {
    const uint32_t *word; /* const after init: 0 in a child */
};

/* Errors: -ENOMEM. Undo with fini. Where the kernel (or Valgrind) clears nothing, no process is
 * taken for a child. */
TSUGA_NODISCARD int tsuga_fork_mark_init(struct tsuga_fork_mark *mark);
void tsuga_fork_mark_fini(struct tsuga_fork_mark *mark);

static inline bool tsuga_fork_mark_is_child(const struct tsuga_fork_mark *mark)
{
    return *mark->word == 0;
}

#endif
