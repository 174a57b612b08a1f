/*
 * Dates as HTTP writes them (RFC 9110, 5.6.7), and the clock that the server goes by.
 *
 * Thread: any.
 */
#ifndef TSUGA_HTTPD_DATE_H
#define TSUGA_HTTPD_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define DATE_CHARS 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Writes DATE_CHARS characters, and no NUL. */
void date_write(char *to, time_t when);

/* Reads any of the three forms that a server must accept. */
bool date_read(const char *text, time_t *out);

/* Seconds since 1970, and milliseconds since some moment; both from the kernel's last tick, which
 * costs a few ns where the exact time takes thirty. */
time_t date_now(void);
uint64_t date_now_ms(void);

#endif
