/* Dates. The names of days and months are English whatever the locale, which is never set. */
#include <stdio.h>
#include <string.h>

#include "examples/httpd/date.h"

void date_write(char *to, time_t when)
{
    char text[DATE_CHARS + 1] = "Thu, 01 Jan 1970 00:00:00 GMT";
    struct tm parts;

    /* A file's date may lie where four digits of a year do not suffice. */
    if (gmtime_r(&when, &parts) != NULL && parts.tm_year >= 0 && parts.tm_year <= 9999 - 1900)
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    for (size_t i = 0; i < DATE_CHARS; i++)
        to[i] = text[i];
}

bool date_read(const char *text, time_t *out)
{
    static const char *const forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT", /* as we write it */
        "%A, %d-%b-%y %H:%M:%S GMT", /* RFC 850 */
        "%a %b %e %H:%M:%S %Y",      /* asctime() */
    };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm parts = {0};
        const char *end = strptime(text, forms[i], &parts);
        if (end == NULL || *end != '\0')
            continue;
        *out = timegm(&parts);
        return true;
    }
    return false;
}

time_t date_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now.tv_sec;
}

uint64_t date_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
