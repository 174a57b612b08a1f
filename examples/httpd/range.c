/* Ranges: `bytes=first-last`, `bytes=first-`, `bytes=-suffix`. */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "examples/httpd/range.h"

/* Reads a number and steps over it; one that is too large becomes the largest. */
static bool read_number(const char **text, uint64_t *out)
{
    uint64_t number = 0;

    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); (*text)++) {
        uint64_t digit = (uint64_t)(**text - '0');
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    *out = number;
    return true;
}

static enum range_kind clip(uint64_t first, uint64_t last, uint64_t size, struct range *out)
{
    if (first >= size)
        return RANGE_OUTSIDE;
    if (last >= size)
        last = size - 1;
    *out = (struct range){first, last - first + 1};
    return RANGE_PART;
}

enum range_kind range_read(const char *value, uint64_t size, struct range *out)
{
    static const char unit[] = "bytes=";
    uint64_t first = 0;
    uint64_t last = UINT64_MAX;

    if (value == NULL || strncasecmp(value, unit, strlen(unit)) != 0)
        return RANGE_WHOLE;
    value += strlen(unit);
    bool has_first = read_number(&value, &first);
    if (*value++ != '-')
        return RANGE_WHOLE;
    bool has_last = read_number(&value, &last);
    value += strspn(value, " \t");
    if (*value != '\0' || (!has_first && !has_last) || (has_first && last < first))
        return RANGE_WHOLE;
    if (has_first)
        return clip(first, last, size, out);
    if (last == 0 || size == 0)
        return RANGE_OUTSIDE;
    return clip(last < size ? size - last : 0, size - 1, size, out);
}
