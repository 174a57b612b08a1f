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
#include "runtime/base/bits.h"
#include "runtime/base/memory.h"
#include "runtime/base/sanitize.h"

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

/* What tsuga_letters_take() and tsuga_letters_give() do with letters of any size, and with none at
 * hand. */
struct tsuga_letter *tsuga_letters_take_any(struct tsuga_letters *cache,
                                            const struct tsuga_memory *memory,
                                            size_t payload_bytes);
void tsuga_letters_give_any(struct tsuga_letters *cache, const struct tsuga_memory *memory,
                            struct tsuga_letter *letter);

/* What lies behind the header of a cached letter belongs to nobody. */
static inline void tsuga_letter_poison(struct tsuga_letter *letter)
{
    tsuga_sanitize_poison(letter + 1, letter->alloc_bytes - sizeof(*letter));
}

static inline void tsuga_letter_unpoison(struct tsuga_letter *letter)
{
    tsuga_sanitize_unpoison(letter + 1, letter->alloc_bytes - sizeof(*letter));
}

/* A letter with room for `payload_bytes`; its head is undefined but for next. NULL: no memory.
 * Owner: the caller, until posted. */
static inline struct tsuga_letter *tsuga_letters_take(struct tsuga_letters *cache,
                                                      const struct tsuga_memory *memory,
                                                      size_t payload_bytes)
{
    struct tsuga_letter *letter;

    if (cache == NULL || !tsuga_letters_is_small(payload_bytes) || cache->free[0] == NULL)
        return tsuga_letters_take_any(cache, memory, payload_bytes);
    letter = TSUGA_CONTAINER_OF(cache->free[0], struct tsuga_letter, head);
    cache->free[0] = letter->head.next;
    cache->free_count[0]--;
    tsuga_letter_unpoison(letter);
    return letter;
}

/* Gives a letter back, to whichever cache is at hand. */
static inline void tsuga_letters_give(struct tsuga_letters *cache,
                                      const struct tsuga_memory *memory,
                                      struct tsuga_letter *letter)
{
    if (cache == NULL || letter->alloc_bytes != TSUGA_LETTER_BYTES_MIN ||
        cache->free_count[0] == TSUGA_LETTER_CACHE_MAX) {
        tsuga_letters_give_any(cache, memory, letter);
        return;
    }
    letter->head.next = cache->free[0];
    cache->free[0] = &letter->head;
    cache->free_count[0]++;
    tsuga_letter_poison(letter);
}

/* Frees what is cached. */
void tsuga_letters_fini(struct tsuga_letters *cache, const struct tsuga_memory *memory);

#endif
