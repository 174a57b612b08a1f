/*
 * Memory for letters. Small ones are recycled in a cache, so that a message between two actors of
 * one executor costs no call of the general allocator; the cache is bounded, because with a steady
 * flow from one executor to another letters gather at the receiver.
 *
 * Owner: an executor owns its cache. Thread: the executor's own. A thread that is no executor
 * passes NULL and meets the general allocator each time.
 */
#ifndef TSUGA_MAILBOX_LETTERS_H
#define TSUGA_MAILBOX_LETTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailbox/message.h"
#include "runtime/base/memory.h"

#define TSUGA_LETTER_CLASS_COUNT 3u /* 64, 128 and 256 bytes, header included */
#define TSUGA_LETTER_BYTES_MIN   64u
#define TSUGA_LETTER_CACHE_MAX   1024u /* letters kept per class */
#define TSUGA_LETTER_BYTES_MAX   (UINT64_C(1) << 30)

struct tsuga_letters {
    struct tsuga_message *free[TSUGA_LETTER_CLASS_COUNT];
    uint32_t free_count[TSUGA_LETTER_CLASS_COUNT];
};

/* Errors: of what a user wants to send: -EMSGSIZE; -EINVAL. */
TSUGA_NODISCARD int tsuga_letters_check(const void *data, size_t bytes);

/* Whether a letter with so much payload is one of the smallest, of TSUGA_LETTER_BYTES_MIN. */
static inline bool tsuga_letters_is_small(size_t payload_bytes)
{
    return payload_bytes <= TSUGA_LETTER_BYTES_MIN - sizeof(struct tsuga_letter);
}

/* A letter with room for `payload_bytes`; its head is undefined but for next. NULL: no memory.
 * Owner: the caller, until posted. */
struct tsuga_letter *tsuga_letters_take(struct tsuga_letters *cache,
                                        const struct tsuga_memory *memory, size_t payload_bytes);

/* Gives a letter back, to whichever cache is at hand. */
void tsuga_letters_give(struct tsuga_letters *cache, const struct tsuga_memory *memory,
                        struct tsuga_letter *letter);

/* Frees what is cached. */
void tsuga_letters_fini(struct tsuga_letters *cache, const struct tsuga_memory *memory);

#endif
