/*
 * A table of words: from text to whatever has it, with chains. It grows and never shrinks. A word
 * is intrusive in what has it.
 *
 * Owner: whoever has the table. Thread: any, one at a time; finding may go on side by side.
 */
#ifndef TSUGA_ACTOR_WORDS_H
#define TSUGA_ACTOR_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/memory.h"

#include <tsuga.h>

struct tsuga_word {
    struct tsuga_word *next; /* in its bucket */
    const char *text;        /* without a final zero; it lives as long as the word */
    uint64_t hash;
    uint32_t bytes; /* 0: the text can be no word */
};

struct tsuga_words {
    const struct tsuga_memory *memory;
    struct tsuga_word **buckets;
    uint64_t bucket_count; /* a power of two, or 0 */
    uint64_t word_count;
};

/* A word that is in no table. A text that is NULL, empty or longer than TSUGA_NAME_BYTES_MAX makes
 * one of no bytes. Owner: the text stays the caller's. */
struct tsuga_word tsuga_word_of(const char *text);

bool tsuga_word_equal(const struct tsuga_word *one, const struct tsuga_word *other);

void tsuga_words_init(struct tsuga_words *words, const struct tsuga_memory *memory);

/* The table is empty. */
void tsuga_words_fini(struct tsuga_words *words);

/* Errors: -EEXIST an equal word is in the table; -ENOMEM. */
TSUGA_NODISCARD int tsuga_words_add(struct tsuga_words *words, struct tsuga_word *word);

/* Take out a word that is in the table. */
void tsuga_words_remove(struct tsuga_words *words, struct tsuga_word *word);

/* The equal word in the table; NULL when there is none. */
struct tsuga_word *tsuga_words_find(const struct tsuga_words *words, const struct tsuga_word *like);

#endif
