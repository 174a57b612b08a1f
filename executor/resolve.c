#include "executor/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#define HOST_BYTES_MAX    1025u /* NI_MAXHOST */
#define SERVICE_BYTES_MAX 256u

/* A question in its block. An empty name stands for none: getaddrinfo(3) would take neither. */
struct packed {
    int32_t flags;
    int32_t family;
    int32_t type;
    int32_t protocol;
    char host[HOST_BYTES_MAX];
    char service[SERVICE_BYTES_MAX];
};

_Static_assert(sizeof(struct packed) <= TSUGA_RESOLVE_BYTES, "a question fits its block");
_Static_assert(TSUGA_RESOLVE_BYTES / sizeof(struct tsuga_resolved) >= 28, "tsuga.h says so");

static int pack_name(const char *name, char *out, size_t out_bytes)
{
    size_t bytes = name != NULL ? strnlen(name, out_bytes) : 0;

    if (bytes == out_bytes)
        return -ENAMETOOLONG;
    if (bytes > 0)
        memcpy(out, name, bytes);
    out[bytes] = '\0';
    return 0;
}

static bool is_empty(const char *name)
{
    return name == NULL || name[0] == '\0';
}

int tsuga_resolve_pack(const struct tsuga_question *question, void *block)
{
    struct packed *packed = block;
    int error;

    if (question == NULL || (is_empty(question->host) && is_empty(question->service)))
        return -EINVAL;
    packed->flags = question->flags;
    packed->family = question->family;
    packed->type = question->type;
    packed->protocol = question->protocol;
    error = pack_name(question->host, packed->host, sizeof(packed->host));
    return error != 0 ? error
                      : pack_name(question->service, packed->service, sizeof(packed->service));
}

int tsuga_resolve_error(int code, int system_error)
{
    static const struct {
        int code;
        int error;
    } errors[] = {
        {EAI_NONAME, ENOENT},
        {EAI_NODATA, ENOENT},
        {EAI_ADDRFAMILY, ENOENT},
        {EAI_AGAIN, EAGAIN},
        {EAI_FAIL, EREMOTEIO},
        {EAI_SERVICE, EPROTONOSUPPORT},
        {EAI_SOCKTYPE, ESOCKTNOSUPPORT},
        {EAI_FAMILY, EAFNOSUPPORT},
        {EAI_BADFLAGS, EINVAL},
        {EAI_MEMORY, ENOMEM},
        {EAI_OVERFLOW, ENAMETOOLONG},
        {EAI_IDN_ENCODE, EILSEQ},
    };

    if (code == EAI_SYSTEM && system_error != 0)
        return -system_error;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].code == code)
            return -errors[i].error;
    }
    return -EREMOTEIO;
}

/* As many as there is room for; the best come first, by the rules of gai.conf(5). */
static size_t write_addresses(const struct addrinfo *list, struct tsuga_resolved *out)
{
    size_t count_max = TSUGA_RESOLVE_BYTES / sizeof(*out);
    size_t count = 0;

    for (; list != NULL && count < count_max; list = list->ai_next) {
        struct tsuga_resolved *address = &out[count];

        if (list->ai_addrlen > sizeof(address->storage))
            continue;
        memset(address, 0, sizeof(*address));
        address->family = list->ai_family;
        address->type = list->ai_socktype;
        address->protocol = list->ai_protocol;
        address->bytes = list->ai_addrlen;
        memcpy(&address->storage, list->ai_addr, list->ai_addrlen);
        count++;
    }
    return count;
}

int32_t tsuga_resolve_answer(const struct tsuga_calls *calls, void *block)
{
    struct packed asked;
    struct addrinfo hints = {0};
    struct addrinfo *list = NULL;
    size_t count;
    int error;

    memcpy(&asked, block, sizeof(asked));
    hints.ai_flags = asked.flags;
    hints.ai_family = asked.family;
    hints.ai_socktype = asked.type;
    hints.ai_protocol = asked.protocol;
    error = calls->look_up(calls->context, asked.host[0] != '\0' ? asked.host : NULL,
                           asked.service[0] != '\0' ? asked.service : NULL, &hints, &list);
    if (error != 0)
        return error;
    count = write_addresses(list, block);
    freeaddrinfo(list);
    return count > 0 ? (int32_t)(count * sizeof(struct tsuga_resolved)) : -ENOENT;
}
