/*
 * Ranges (RFC 9110, 14): which part of a file a client wants.
 *
 * Thread: any; nothing is changed.
 */
#ifndef TSUGA_HTTPD_RANGE_H
#define TSUGA_HTTPD_RANGE_H

#include <stdint.h>

enum range_kind {
    RANGE_WHOLE,   /* no range, or one that may be passed over */
    RANGE_PART,    /* one that lies in the file */
    RANGE_OUTSIDE, /* 416 */
};

struct range {
    uint64_t first;
    uint64_t bytes;
};

/*
 * Read the value of a Range field, for a file of `size` bytes. `value` may be NULL.
 *
 * Several ranges are answered with the whole file, which a server may always do. Clients that ask
 * for several are rare, and those that ask for many mean harm.
 */
enum range_kind range_read(const char *value, uint64_t size, struct range *out);

#endif
