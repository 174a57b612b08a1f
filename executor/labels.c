#include "executor/labels.h"

#include "executor/envelope.h"
#include "executor/prepare.h"

#define NAME_AT    ((uint32_t)sizeof(struct tsuga_ring_labels))
#define CONTROL_AT (NAME_AT + TSUGA_ADDRESS_MAX)

/* Control messages, and the user's bytes behind them, are aligned as in blocks of their own. */
_Static_assert(CONTROL_AT % 16 == 0, "control is aligned");

int tsuga_labels_prepare(struct tsuga_record *record, size_t control_bytes, uint32_t *lead_out)
{
    const struct msghdr shape = {.msg_iovlen = 1};
    struct tsuga_envelope *envelope;
    int error = tsuga_envelope_make(record, &shape, &envelope);

    if (error != 0)
        return error;
    *lead_out = CONTROL_AT + (((uint32_t)control_bytes + 15) & ~15u);
    return 0;
}

struct msghdr *tsuga_labels_aim(struct tsuga_record *record, uint32_t lead_bytes)
{
    struct msghdr *header = &tsuga_envelope_of(record)->header;

    *header = (struct msghdr){
        .msg_namelen = TSUGA_ADDRESS_MAX,
        .msg_iov = header->msg_iov,
        .msg_controllen = lead_bytes - CONTROL_AT,
    };
    return header;
}

struct msghdr *tsuga_labels_aim_at(struct tsuga_record *record, uint32_t lead_bytes, void *buffer,
                                   uint32_t buffer_bytes)
{
    struct msghdr *header = tsuga_labels_aim(record, lead_bytes);

    header->msg_name = (char *)buffer + NAME_AT;
    header->msg_control = header->msg_controllen > 0 ? (char *)buffer + CONTROL_AT : NULL;
    header->msg_iov[0] = (struct iovec){(char *)buffer + lead_bytes, buffer_bytes - lead_bytes};
    header->msg_iovlen = 1;
    return header;
}

void tsuga_labels_write(struct tsuga_record *record, void *buffer, uint32_t bytes)
{
    const struct msghdr *header = &tsuga_envelope_of(record)->header;

    *(struct tsuga_ring_labels *)buffer = (struct tsuga_ring_labels){
        .name_bytes = header->msg_namelen,
        .control_bytes = (uint32_t)header->msg_controllen,
        .bytes = bytes,
        .flags = (uint32_t)header->msg_flags,
    };
}

bool tsuga_labels_has_control(const void *buffer)
{
    const struct tsuga_ring_labels *labels = buffer;

    return labels->control_bytes > 0;
}

/* The same as a header. */
static struct msghdr header_at(void *buffer)
{
    const struct tsuga_ring_labels *labels = buffer;

    return (struct msghdr){
        .msg_name = (char *)buffer + NAME_AT,
        .msg_namelen =
            labels->name_bytes < TSUGA_ADDRESS_MAX ? labels->name_bytes : TSUGA_ADDRESS_MAX,
        .msg_control = (char *)buffer + CONTROL_AT,
        .msg_controllen = labels->control_bytes,
        .msg_flags = (int)labels->flags,
    };
}

void tsuga_labels_claim(struct tsuga_io *io, void *buffer, bool is_wanted)
{
    struct tsuga_ring_labels *labels = buffer;
    struct msghdr header = header_at(buffer);

    tsuga_envelope_claim(io, &header, is_wanted);
    labels->flags = (uint32_t)header.msg_flags;
}

void tsuga_labels_disclaim(struct tsuga_io *io, void *buffer)
{
    struct msghdr header = header_at(buffer);

    tsuga_envelope_disclaim(io, &header);
}

const struct tsuga_peer *tsuga_labels_show(struct tsuga_io *io, void *buffer)
{
    struct msghdr header = header_at(buffer);

    return tsuga_envelope_show(io, &header);
}
