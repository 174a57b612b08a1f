#include "actor/words.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/assert.h"

#define BUCKETS_FIRST 64u

/* FNV-1a: words are short. */
static uint64_t hash_of(const char *text, size_t bytes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

struct tsuga_word tsuga_word_of(const char *text)
{
    size_t bytes = text == NULL ? 0 : strnlen(text, TSUGA_NAME_BYTES_MAX + 1);

    if (bytes > TSUGA_NAME_BYTES_MAX)
        bytes = 0;
    return (struct tsuga_word){
        .text = text, .hash = hash_of(text, bytes), .bytes = (uint32_t)bytes};
}

bool tsuga_word_equal(const struct tsuga_word *one, const struct tsuga_word *other)
{
    return one->hash == other->hash && one->bytes == other->bytes &&
           (one->bytes == 0 || memcmp(one->text, other->text, one->bytes) == 0);
}

void tsuga_words_init(struct tsuga_words *words, const struct tsuga_memory *memory)
{
    *words = (struct tsuga_words){.memory = memory};
}

void tsuga_words_fini(struct tsuga_words *words)
{
    TSUGA_ASSERT(words->word_count == 0);
    tsuga_memory_free(words->memory, words->buckets,
                      words->bucket_count * sizeof(struct tsuga_word *));
}

/* Where the pointer to a word lies, or would. */
static struct tsuga_word **place_of(const struct tsuga_words *words, const struct tsuga_word *like)
{
    struct tsuga_word **place = &words->buckets[like->hash & (words->bucket_count - 1)];

    while (*place != NULL && !tsuga_word_equal(*place, like))
        place = &(*place)->next;
    return place;
}

static int grow(struct tsuga_words *words)
{
    uint64_t count = words->bucket_count == 0 ? BUCKETS_FIRST : words->bucket_count * 2;
    struct tsuga_word **buckets =
        tsuga_memory_alloc_zeroed(words->memory, count * sizeof(struct tsuga_word *));

    if (buckets == NULL)
        return -ENOMEM;
    for (uint64_t i = 0; i < words->bucket_count; i++) {
        while (words->buckets[i] != NULL) {
            struct tsuga_word *word = words->buckets[i];

            words->buckets[i] = word->next;
            word->next = buckets[word->hash & (count - 1)];
            buckets[word->hash & (count - 1)] = word;
        }
    }
    tsuga_memory_free(words->memory, words->buckets,
                      words->bucket_count * sizeof(struct tsuga_word *));
    words->buckets = buckets;
    words->bucket_count = count;
    return 0;
}

int tsuga_words_add(struct tsuga_words *words, struct tsuga_word *word)
{
    struct tsuga_word **place;

    /* A table that cannot grow serves all the same, once there is one. */
    if (words->word_count >= words->bucket_count && grow(words) != 0 && words->bucket_count == 0)
        return -ENOMEM;
    place = place_of(words, word);
    if (*place != NULL)
        return -EEXIST;
    word->next = NULL;
    *place = word;
    words->word_count++;
    return 0;
}

void tsuga_words_remove(struct tsuga_words *words, struct tsuga_word *word)
{
    struct tsuga_word **place = place_of(words, word);

    TSUGA_ASSERT(*place == word);
    *place = word->next;
    words->word_count--;
}

struct tsuga_word *tsuga_words_find(const struct tsuga_words *words, const struct tsuga_word *like)
{
    return words->bucket_count == 0 ? NULL : *place_of(words, like);
}
