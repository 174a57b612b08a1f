/*
 * Values of configuration keys: from text, into words for people, and whether they are allowed.
 *
 * Owner: nobody, pure functions. Thread: any.
 */
#ifndef TSUGA_RUNTIME_CONFIG_VALUE_H
#define TSUGA_RUNTIME_CONFIG_VALUE_H

#include "runtime/config.h"

/* The field of a key, whatever its width. */
uint64_t tsuga_config_get(const struct tsuga_config *config, const struct tsuga_config_key *key);
void tsuga_config_set(struct tsuga_config *config, const struct tsuga_config_key *key,
                      uint64_t value);

/* Why a value is refused, for the log. */
struct tsuga_config_reason {
    char text[256];
};

void tsuga_config_reason_set(struct tsuga_config_reason *reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A size as the configuration would write it: 2097152 is 2M. */
#define TSUGA_CONFIG_SIZE_TEXT_BYTES 24u
void tsuga_config_size_text(uint64_t size, char text[TSUGA_CONFIG_SIZE_TEXT_BYTES]);

/* Is `value` allowed for the key? -EINVAL with the reason if not. */
TSUGA_NODISCARD int tsuga_config_check(const struct tsuga_config_key *key, uint64_t value,
                                       struct tsuga_config_reason *reason);

/* Reads a value from text, as an INI file or the environment holds it, and checks it. */
TSUGA_NODISCARD int tsuga_config_parse(const struct tsuga_config_key *key, const char *text,
                                       uint64_t *out, struct tsuga_config_reason *reason);

#endif
