/* Conditions. Our entity tags are strong ones; clients may have weakened what they got from us. */
#include <string.h>

#include "examples/httpd/condition.h"
#include "examples/httpd/date.h"

/* Whether a list of tags has this one. With `is_weak` W/"x" is as good as "x". */
static bool has_tag(const char *list, const char *tag, bool is_weak)
{
    size_t tag_bytes = strlen(tag);

    for (;;) {
        list += strspn(list, " \t,");
        if (*list == '*')
            return true;
        bool is_weakened = strncmp(list, "W/", 2) == 0;
        list += is_weakened ? 2 : 0;
        if (*list != '"')
            return false;
        size_t bytes = 1 + strcspn(list + 1, "\"") + 1;
        if (bytes == tag_bytes && memcmp(list, tag, bytes) == 0 && (is_weak || !is_weakened))
            return true;
        if (bytes > strlen(list))
            return false;
        list += bytes;
    }
}

/* Whether a date was given that is before the file's. */
static bool is_before(const char *date, const struct file_facts *facts)
{
    time_t when;

    return date_read(date, &when) && when < facts->modified;
}

int condition_status(const struct request *request, const struct file_facts *facts)
{
    const char *match = request_field(request, FIELD_IF_MATCH);
    const char *unmodified = request_field(request, FIELD_IF_UNMODIFIED_SINCE);
    const char *none_match = request_field(request, FIELD_IF_NONE_MATCH);
    const char *modified = request_field(request, FIELD_IF_MODIFIED_SINCE);
    time_t when;

    /* The order is that of RFC 9110, 13.2.2: tags count more than dates. */
    if (match != NULL ? !has_tag(match, facts->etag, false)
                      : unmodified != NULL && is_before(unmodified, facts))
        return HTTP_STATUS_PRECONDITION_FAILED;
    if (none_match != NULL)
        return has_tag(none_match, facts->etag, true) ? HTTP_STATUS_NOT_MODIFIED : HTTP_STATUS_OK;
    if (modified != NULL && date_read(modified, &when) && facts->modified <= when)
        return HTTP_STATUS_NOT_MODIFIED;
    return HTTP_STATUS_OK;
}

bool condition_allows_range(const struct request *request, const struct file_facts *facts)
{
    const char *value = request_field(request, FIELD_IF_RANGE);
    time_t when;

    if (value == NULL)
        return true;
    if (strchr(value, '"') != NULL)
        return has_tag(value, facts->etag, false);
    return date_read(value, &when) && when == facts->modified;
}
