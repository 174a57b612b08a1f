#include "mailbox/letters.h"

#include <errno.h>

#include "runtime/base/bits.h"

#define SMALLEST_SHIFT 6u

int tsuga_letters_check(const void *data, size_t bytes)
{
    if (bytes > TSUGA_LETTER_BYTES_MAX)
        return -EMSGSIZE;
    return bytes > 0 && data == NULL ? -EINVAL : 0;
}

static struct tsuga_letter *letter_of(struct tsuga_message *message)
{
    return TSUGA_CONTAINER_OF(message, struct tsuga_letter, head);
}

static unsigned class_of(size_t bytes)
{
    return bytes <= (1u << SMALLEST_SHIFT) ? 0 : tsuga_bits_log2_ceil(bytes) - SMALLEST_SHIFT;
}

static struct tsuga_letter *allocate(const struct tsuga_memory *memory, size_t bytes)
{
    struct tsuga_letter *letter = tsuga_memory_alloc(memory, bytes);

    if (letter != NULL)
        letter->alloc_bytes = (uint32_t)bytes;
    return letter;
}

struct tsuga_letter *tsuga_letters_take_any(struct tsuga_letters *cache,
                                            const struct tsuga_memory *memory, size_t payload_bytes)
{
    size_t bytes = sizeof(struct tsuga_letter) + payload_bytes;
    unsigned class = class_of(bytes);
    struct tsuga_letter *letter;

    if (class >= TSUGA_LETTER_CLASS_COUNT)
        return allocate(memory, tsuga_bits_round_up(bytes, TSUGA_CACHE_LINE_BYTES));
    if (cache == NULL || cache->free[class] == NULL)
        return allocate(memory, (size_t)1 << (SMALLEST_SHIFT + class));
    letter = letter_of(cache->free[class]);
    cache->free[class] = letter->head.next;
    cache->free_count[class]--;
    tsuga_letter_unpoison(letter);
    return letter;
}

void tsuga_letters_give_any(struct tsuga_letters *cache, const struct tsuga_memory *memory,
                            struct tsuga_letter *letter)
{
    unsigned class = class_of(letter->alloc_bytes);

    if (cache == NULL || class >= TSUGA_LETTER_CLASS_COUNT ||
        cache->free_count[class] == TSUGA_LETTER_CACHE_MAX) {
        tsuga_memory_free(memory, letter, letter->alloc_bytes);
        return;
    }
    letter->head.next = cache->free[class];
    cache->free[class] = &letter->head;
    cache->free_count[class]++;
    tsuga_letter_poison(letter);
}

void tsuga_letters_fini(struct tsuga_letters *cache, const struct tsuga_memory *memory)
{
    for (unsigned class = 0; class < TSUGA_LETTER_CLASS_COUNT; class ++) {
        while (cache->free[class] != NULL) {
            struct tsuga_letter *letter = letter_of(cache->free[class]);

            cache->free[class] = letter->head.next;
            tsuga_letter_unpoison(letter);
            tsuga_memory_free(memory, letter, letter->alloc_bytes);
        }
        cache->free_count[class] = 0;
    }
}
