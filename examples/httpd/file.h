/*
 * What is known about a file.
 *
 * Thread: any; a value.
 */
#ifndef TSUGA_HTTPD_FILE_H
#define TSUGA_HTTPD_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define ETAG_BYTES 52 /* three numbers in hexadecimal, two dashes, two quotes, NUL */

struct file_facts {
    uint64_t size;
    time_t modified;
    const char *type; /* lives as long as the server */
    char etag[ETAG_BYTES];
};

#endif
