/* Receive sizers: how many bytes the next receive asks for. */
#include <tsuga.h>

/* So many small receives in a row make an adaptive sizer shrink: one alone may be the end of a
 * larger message. (Netty's AdaptiveRecvByteBufAllocator shrinks after two.) */
#define SMALL_COUNT_MAX 4u

static size_t at_least(size_t bytes, size_t least)
{
    return bytes < least ? least : bytes;
}

static size_t next(struct tsuga_sizer *sizer)
{
    return at_least(sizer->bytes, sizer->bytes_wanted);
}

static void adapt(struct tsuga_sizer *sizer, size_t asked, size_t got)
{
    if (got >= asked && !sizer->is_all) {
        sizer->bytes = sizer->bytes > sizer->bytes_max / 2 ? sizer->bytes_max : sizer->bytes * 2;
        sizer->small_count = 0;
    } else if (got >= sizer->bytes / 2) {
        sizer->small_count = 0;
    } else if (++sizer->small_count == SMALL_COUNT_MAX) {
        sizer->bytes = at_least(sizer->bytes / 2, sizer->bytes_min);
        sizer->small_count = 0;
    }
}

struct tsuga_sizer tsuga_sizer_fixed(size_t bytes)
{
    return (struct tsuga_sizer){
        .next = next, .bytes = bytes, .bytes_min = bytes, .bytes_max = bytes};
}

struct tsuga_sizer tsuga_sizer_adaptive(size_t bytes_min, size_t bytes_max)
{
    return (struct tsuga_sizer){.next = next,
                                .heard = adapt,
                                .bytes = bytes_min,
                                .bytes_min = bytes_min,
                                .bytes_max = at_least(bytes_max, bytes_min)};
}
