/*
 * Reads an INI file line by line, stricter than inih by itself: no line is cut silently, none is
 * folded into the one before it, and a NUL byte ends nothing unseen.
 *
 *     ; or # begin a comment line, a blank and ; a comment behind a value
 *     [section]
 *     key = value
 *
 * Owner: the caller; nothing is kept. Thread: any.
 */
#ifndef TSUGA_RUNTIME_CONFIG_FILE_H
#define TSUGA_RUNTIME_CONFIG_FILE_H

#include <stdint.h>

#include "runtime/base/assert.h"

struct tsuga_config_line {
    uint32_t number;     /* counted from 1 */
    const char *section; /* "" before the first one */
    const char *key;     /* NULL: the line opens the section */
    const char *value;
};

/* Sees one line; anything but 0 ends the reading and becomes its outcome. */
typedef int tsuga_config_line_fn(void *context, const struct tsuga_config_line *line);

/* What is wrong with the file itself. */
struct tsuga_config_fault {
    uint32_t line; /* 0: the whole file */
    const char *text;
};

/* Errors: -EINVAL a line that is none of the above, with the fault; those of open(2) and read(2),
 * with the fault; what `each` returned, without one. */
TSUGA_NODISCARD int tsuga_config_file_read(const char *path, tsuga_config_line_fn *each,
                                           void *context, struct tsuga_config_fault *fault);

#endif
