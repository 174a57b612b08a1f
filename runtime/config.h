/*
 * The configuration: one table of keys, three places that may set each of them.
 *
 *     defaults < struct tsuga_config < INI file < environment (TSUGA_<SECTION>_<KEY>)
 *
 * What belongs to the program rather than to who runs it has no key: file, log.write, log.context
 * and signals come from the struct alone.
 *
 * A resolved configuration has no field at its default but these: quota and capacity, where 0 means
 * unlimited, and file, log.write and log.context, which are the caller's. A feature at TSUGA_ON is
 * used where the kernel has it.
 *
 * Owner: the caller; nothing is kept. Thread: any, but nobody may change the environment meanwhile.
 */
#ifndef TSUGA_RUNTIME_CONFIG_H
#define TSUGA_RUNTIME_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/assert.h"
#include "runtime/log.h"

#include <tsuga.h>

enum tsuga_config_type {
    TSUGA_CONFIG_NUMBER,
    TSUGA_CONFIG_SIZE,    /* bytes; text may end in K, M or G */
    TSUGA_CONFIG_CLASSES, /* text is a list of sizes, the field is a mask of powers of two */
    TSUGA_CONFIG_TOGGLE,
    TSUGA_CONFIG_FEATURE,      /* a toggle whose text is auto or off */
    TSUGA_CONFIG_FULL,         /* enum tsuga_full */
    TSUGA_CONFIG_SIZING,       /* enum tsuga_sizing */
    TSUGA_CONFIG_REGISTRATION, /* enum tsuga_registration */
    TSUGA_CONFIG_LEVEL,        /* enum tsuga_log_level */
};

/* What a number or size must be, beside lying between min and max. */
enum tsuga_config_shape {
    TSUGA_CONFIG_ANY,
    TSUGA_CONFIG_POWER_OF_TWO,
    TSUGA_CONFIG_WHOLE_PAGES,
};

/* One row of the table. Fields are uint32_t, enum or uint64_t. */
struct tsuga_config_key {
    const char *section;
    const char *name;
    enum tsuga_config_type type;
    enum tsuga_config_shape shape;
    size_t offset;
    size_t bytes;
    uint64_t min;
    uint64_t max;
    uint64_t fallback; /* the default; 0: derived from other keys, or unlimited */
};

#define TSUGA_CONFIG_KEY_COUNT 55u

extern const struct tsuga_config_key tsuga_config_keys[TSUGA_CONFIG_KEY_COUNT];

/* Puts together what `user` (NULL: all defaults), its INI file and the environment say. Logs one
 * line when it refuses: where, key, value, and what is allowed.
 *
 * Errors: -EINVAL a bad key or value; -ENOENT the INI file is missing; other errors of open(2) and
 * read(2). `out` is then untouched. */
TSUGA_NODISCARD int tsuga_config_resolve(const struct tsuga_config *user, struct tsuga_config *out,
                                         struct tsuga_log *log);

#endif
