#include "runtime/sim/slots.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "runtime/sim/kernel.h"

#define SLOT_BYTES_MAX (UINT64_C(1) << 30)
#define TELL_NS        (40 * TSUGA_NS_PER_MS) /* Linux 6.1 tells from a worker, up to a second later */

static const uint8_t plain_forms[TSUGA_RING_KIND_COUNT] = {
    [TSUGA_RING_READ_FIXED] = TSUGA_RING_READ,       [TSUGA_RING_WRITE_FIXED] = TSUGA_RING_WRITE,
    [TSUGA_RING_READV_FIXED] = TSUGA_RING_READV,     [TSUGA_RING_WRITEV_FIXED] = TSUGA_RING_WRITEV,
    [TSUGA_RING_SEND_ZC_FIXED] = TSUGA_RING_SEND_ZC,
};

/* Pins. */

static void free_pin(struct tsuga_kernel *kernel, struct tsuga_pin *pin)
{
    tsuga_agenda_remove(&kernel->schedule->agenda, &pin->ended);
    tsuga_list_remove(&pin->link);
    tsuga_kernel_free(kernel, pin, sizeof(*pin));
}

static void tell(struct tsuga_event *event)
{
    struct tsuga_pin *pin = TSUGA_CONTAINER_OF(event, struct tsuga_pin, ended);
    struct tsuga_kernel_ring *ring = pin->ring;
    uint64_t user_data = pin->user_data;

    free_pin(tsuga_kernel_of(ring), pin);
    tsuga_kernel_ring_tell(ring, user_data);
}

static void unpin(struct tsuga_pin *pin)
{
    struct tsuga_kernel *kernel = tsuga_kernel_of(pin->ring);

    if (--pin->use_count > 0)
        return;
    if (tsuga_kernel_ring_is_closed(pin->ring))
        free_pin(kernel, pin); /* there is nobody to be told */
    else if (tsuga_random_once_in(&kernel->random, 2))
        tell(&pin->ended);
    else
        tsuga_schedule_after(kernel->schedule, &pin->ended,
                             tsuga_random_below(&kernel->random, TELL_NS));
}

static struct tsuga_pin *make_pin(struct tsuga_kernel_ring *ring,
                                  const struct tsuga_ring_slot *slot)
{
    struct tsuga_kernel *kernel = tsuga_kernel_of(ring);
    struct tsuga_pin *pin = tsuga_kernel_alloc(kernel, sizeof(*pin));

    *pin = (struct tsuga_pin){.ring = ring,
                              .base = slot->base,
                              .bytes = slot->bytes,
                              .user_data = slot->user_data,
                              .use_count = 1,
                              .ended.happen = tell};
    tsuga_list_push_back(&kernel->pins, &pin->link);
    return pin;
}

void tsuga_pins_fini(struct tsuga_kernel *kernel)
{
    while (!tsuga_list_is_empty(&kernel->pins))
        free_pin(kernel, TSUGA_CONTAINER_OF(kernel->pins.next, struct tsuga_pin, link));
}

bool tsuga_pins_overlap(const struct tsuga_kernel *kernel, const void *base, size_t bytes)
{
    const char *first = base;

    TSUGA_LIST_EACH (node, &kernel->pins) {
        const struct tsuga_pin *pin = TSUGA_CONTAINER_OF(node, struct tsuga_pin, link);

        if (pin->base < first + bytes && first < pin->base + pin->bytes)
            return true;
    }
    return false;
}

/* Slots. */

int tsuga_slots_add(struct tsuga_kernel_ring *ring, uint32_t count)
{
    struct tsuga_kernel *kernel = tsuga_kernel_of(ring);
    struct tsuga_slots *slots = tsuga_kernel_ring_slots(ring);

    if (slots->pins != NULL)
        return -EBUSY;
    if (count == 0 || count > TSUGA_RING_SLOTS_MAX)
        return -EINVAL;
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_MEMLOCK))
        return -ENOMEM;
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_REGISTER))
        return -EINVAL;
    slots->pins = tsuga_kernel_alloc(kernel, count * sizeof(struct tsuga_pin *));
    memset(slots->pins, 0, count * sizeof(struct tsuga_pin *));
    slots->pin_count = count;
    return 0;
}

/* Why the kernel does not fill a slot. */
static int refuse(struct tsuga_kernel *kernel, const struct tsuga_ring_slot *slot)
{
    if (slot->base == NULL) {
        if (slot->user_data != 0)
            return -EINVAL;
        return tsuga_kernel_happens(kernel, TSUGA_SIM_ENOMEM) ? -ENOMEM : 0;
    }
    if (slot->bytes == 0 || slot->bytes > SLOT_BYTES_MAX)
        return -EFAULT;
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_MEMLOCK))
        return -ENOMEM;
    return tsuga_kernel_happens(kernel, TSUGA_SIM_REGISTER) ? -EOPNOTSUPP : 0;
}

int tsuga_slots_fill(struct tsuga_kernel_ring *ring, uint32_t first,
                     const struct tsuga_ring_slot *slots, uint32_t count)
{
    struct tsuga_kernel *kernel = tsuga_kernel_of(ring);
    struct tsuga_slots *table = tsuga_kernel_ring_slots(ring);

    if (table->pins == NULL)
        return -ENXIO;
    if (first > table->pin_count || count > table->pin_count - first)
        return -EINVAL;
    for (uint32_t i = 0; i < count; i++) {
        struct tsuga_pin **place = &table->pins[first + i];
        struct tsuga_pin *old = *place;
        int error = refuse(kernel, &slots[i]);

        if (error != 0)
            return i > 0 ? (int)i : error;
        *place = slots[i].base != NULL ? make_pin(ring, &slots[i]) : NULL;
        if (old != NULL)
            unpin(old);
    }
    return (int)count;
}

static bool is_within(const struct tsuga_pin *pin, const void *base, size_t bytes)
{
    const char *first = base;

    return bytes > 0 && first >= pin->base && bytes <= pin->bytes &&
           first - pin->base <= (ptrdiff_t)(pin->bytes - bytes);
}

static bool are_within(const struct tsuga_pin *pin, const struct iovec *vectors, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!is_within(pin, vectors[i].iov_base, vectors[i].iov_len))
            return false;
    }
    return true;
}

int tsuga_slots_hold(struct tsuga_order *order)
{
    const struct tsuga_slots *slots = tsuga_kernel_ring_slots(order->ring);
    const struct tsuga_ring_request *ask = &order->ask;
    struct tsuga_pin *pin;
    bool has_all;

    if (plain_forms[ask->kind] == 0)
        return 0;
    order->ask.kind = plain_forms[ask->kind];
    pin = ask->group < slots->pin_count ? slots->pins[ask->group] : NULL;
    if (pin == NULL)
        return -EFAULT;
    has_all = ask->kind == TSUGA_RING_READV || ask->kind == TSUGA_RING_WRITEV
                  ? are_within(pin, ask->address, ask->length)
                  : is_within(pin, ask->address, ask->length);
    if (!has_all)
        return -EFAULT;
    pin->use_count++;
    order->pin = pin;
    return 0;
}

void tsuga_slots_drop(struct tsuga_order *order)
{
    if (order->pin != NULL)
        unpin(order->pin);
    order->pin = NULL;
}

/* Files. */

int tsuga_slots_add_files(struct tsuga_kernel_ring *ring, uint32_t count)
{
    struct tsuga_kernel *kernel = tsuga_kernel_of(ring);
    struct tsuga_slots *slots = tsuga_kernel_ring_slots(ring);

    if (slots->files != NULL)
        return -EBUSY;
    if (tsuga_kernel_happens(kernel, TSUGA_SIM_REGISTER))
        return -EINVAL;
    slots->files = tsuga_kernel_alloc(kernel, count * sizeof(struct tsuga_file *));
    memset(slots->files, 0, count * sizeof(struct tsuga_file *));
    slots->file_count = count;
    return 0;
}

int tsuga_slots_set_file(struct tsuga_kernel_ring *ring, uint32_t place, int fd)
{
    struct tsuga_kernel *kernel = tsuga_kernel_of(ring);
    struct tsuga_slots *slots = tsuga_kernel_ring_slots(ring);
    struct tsuga_file *file = fd >= 0 ? tsuga_kernel_file(kernel, fd) : NULL;
    struct tsuga_file *old;

    if (slots->files == NULL)
        return -ENXIO;
    if (place >= slots->file_count)
        return -EINVAL;
    if (fd >= 0 && file == NULL)
        return -EBADF;
    if (file != NULL && tsuga_kernel_happens(kernel, TSUGA_SIM_ENOMEM))
        return -ENOMEM;
    old = slots->files[place];
    slots->files[place] = file;
    if (file != NULL)
        tsuga_file_retain(file);
    if (old != NULL)
        tsuga_file_release(old);
    return 0;
}

struct tsuga_file *tsuga_slots_file(struct tsuga_kernel_ring *ring, int32_t place)
{
    const struct tsuga_slots *slots = tsuga_kernel_ring_slots(ring);

    return place >= 0 && (uint32_t)place < slots->file_count ? slots->files[place] : NULL;
}

/* Life. */

void tsuga_slots_fini(struct tsuga_kernel_ring *ring)
{
    struct tsuga_kernel *kernel = tsuga_kernel_of(ring);
    struct tsuga_slots *slots = tsuga_kernel_ring_slots(ring);

    for (uint32_t i = 0; i < slots->pin_count; i++) {
        if (slots->pins[i] != NULL)
            unpin(slots->pins[i]);
    }
    for (uint32_t i = 0; i < slots->file_count; i++) {
        if (slots->files[i] != NULL)
            tsuga_file_release(slots->files[i]);
    }
    tsuga_kernel_free(kernel, slots->pins, slots->pin_count * sizeof(struct tsuga_pin *));
    tsuga_kernel_free(kernel, slots->files, slots->file_count * sizeof(struct tsuga_file *));
    *slots = (struct tsuga_slots){.pin_count = 0};
}
