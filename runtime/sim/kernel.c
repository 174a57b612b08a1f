#include "runtime/sim/kernel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/sim/sockets.h"

#define DISK_BYTES_MAX (UINT64_C(64) << 20)
#define FIRST_PORT     32768u
#define WAKES_LEAST    4u /* 128 in Linux 6.18 */

void tsuga_kernel_init(struct tsuga_kernel *kernel, struct tsuga_schedule *schedule,
                       struct tsuga_faults *faults, const struct tsuga_memory *memory)
{
    memset(kernel, 0, sizeof(*kernel));
    kernel->schedule = schedule;
    kernel->faults = faults;
    kernel->memory = memory;
    kernel->random.state = tsuga_random_mix(faults->seed + 1);
    kernel->files_max = TSUGA_KERNEL_FD_COUNT;
    kernel->disk_bytes_max = DISK_BYTES_MAX;
    kernel->port_last = FIRST_PORT;
    tsuga_claims_init(&kernel->claims, schedule, memory, tsuga_random_mix(faults->seed + 2));
    tsuga_list_init(&kernel->rings);
    tsuga_list_init(&kernel->bound);
    tsuga_list_init(&kernel->futexes);
    tsuga_list_init(&kernel->flights);
    tsuga_list_init(&kernel->pins);
    tsuga_calls_init(kernel);
    tsuga_disk_init(kernel);
}

void tsuga_kernel_fini(struct tsuga_kernel *kernel)
{
    for (uint32_t i = 0; i < TSUGA_KERNEL_FD_COUNT; i++) {
        if (kernel->files[i] != NULL)
            (void)tsuga_kernel_close(kernel, (int)(TSUGA_KERNEL_FD_BASE + i));
    }
    tsuga_datagrams_fini(kernel);
    tsuga_kernel_rings_fini(kernel);
    tsuga_pins_fini(kernel);
    tsuga_order_free_all(kernel);
    tsuga_disk_fini(kernel);
    tsuga_claims_fini(&kernel->claims);
}

void *tsuga_kernel_alloc(struct tsuga_kernel *kernel, size_t bytes)
{
    void *memory = tsuga_memory_alloc(kernel->memory, bytes);

    TSUGA_VERIFY(memory != NULL); /* a simulation without memory proves nothing */
    return memory;
}

void tsuga_kernel_free(struct tsuga_kernel *kernel, void *pointer, size_t bytes)
{
    tsuga_memory_free(kernel->memory, pointer, bytes);
}

void tsuga_kernel_fail(const struct tsuga_kernel *kernel, const char *what)
{
    kernel->schedule->failed(kernel->schedule->context, what);
    abort();
}

size_t tsuga_kernel_shorten(struct tsuga_kernel *kernel, size_t count)
{
    if (count < 2 || !tsuga_kernel_happens(kernel, TSUGA_SIM_SHORT))
        return count;
    return 1 + tsuga_random_below(&kernel->random, count - 1);
}

/* From what a cache answers to what a disk does, or a network. */
uint64_t tsuga_kernel_delay_ns(struct tsuga_kernel *kernel)
{
    static const uint64_t longest_ns[] = {1000,   5000,   20000,  20000,
                                          100000, 100000, 500000, 2000000};
    uint64_t random = tsuga_random_next(&kernel->random);
    uint64_t longest = longest_ns[random % 8];

    if (tsuga_kernel_happens(kernel, TSUGA_SIM_SLOW))
        longest = 50 * TSUGA_NS_PER_MS;
    return (random >> 8) % longest;
}

/* Open files. */

void tsuga_file_init(struct tsuga_file *file, struct tsuga_kernel *kernel,
                     const struct tsuga_file_ops *ops, uint32_t flags)
{
    *file = (struct tsuga_file){
        .ops = ops, .kernel = kernel, .number = ++kernel->file_number, .flags = flags};
    tsuga_list_init(&file->waiters);
}

void tsuga_file_retain(struct tsuga_file *file)
{
    file->reference_count++;
}

void tsuga_file_release(struct tsuga_file *file)
{
    TSUGA_ASSERT(file->reference_count > 0);
    if (--file->reference_count > 0)
        return;
    TSUGA_ASSERT(tsuga_list_is_empty(&file->waiters));
    file->ops->release(file);
}

/* A multishot receive that has had many wake-ups misses the end now and then. */
static bool is_forgotten(struct tsuga_order *order, uint32_t events)
{
    return order->ask.kind == TSUGA_RING_RECV_MULTI && order->results >= WAKES_LEAST &&
           (events & (POLLRDHUP | POLLERR | POLLHUP)) == POLLRDHUP &&
           tsuga_kernel_happens(order->kernel, TSUGA_SIM_LOST_END);
}

void tsuga_file_wake(struct tsuga_file *file, uint32_t events)
{
    struct tsuga_list_node *node = file->waiters.next;

    if (node == &file->waiters)
        return;
    tsuga_schedule_trace(file->kernel->schedule, TSUGA_TRACE_WAKE, (int64_t)file->number, events,
                         0);
    events |= events & (POLLERR | POLLHUP) ? POLLIN | POLLOUT | POLLRDHUP : 0;
    while (node != &file->waiters) {
        struct tsuga_order *order = TSUGA_CONTAINER_OF(node, struct tsuga_order, waiting);

        node = node->next;
        if ((order->interest & events) != 0 && !is_forgotten(order, events))
            tsuga_order_hear(order);
    }
}

int tsuga_kernel_install(struct tsuga_kernel *kernel, struct tsuga_file *file)
{
    uint32_t number = 0;

    if (kernel->file_count >= kernel->files_max || tsuga_kernel_happens(kernel, TSUGA_SIM_EMFILE))
        return -EMFILE;
    while (kernel->files[number] != NULL)
        number++;
    kernel->files[number] = file;
    kernel->file_count++;
    tsuga_file_retain(file);
    return (int)(TSUGA_KERNEL_FD_BASE + number);
}

static bool is_number(int fd)
{
    return fd >= TSUGA_KERNEL_FD_BASE &&
           (uint32_t)(fd - TSUGA_KERNEL_FD_BASE) < TSUGA_KERNEL_FD_COUNT;
}

struct tsuga_file *tsuga_kernel_file(const struct tsuga_kernel *kernel, int fd)
{
    return is_number(fd) ? kernel->files[fd - TSUGA_KERNEL_FD_BASE] : NULL;
}

/* Requests that use the file keep it: a close neither completes nor cancels them. */
int tsuga_kernel_close(struct tsuga_kernel *kernel, int fd)
{
    struct tsuga_file *file = tsuga_kernel_file(kernel, fd);

    if (file == NULL)
        return -EBADF;
    kernel->files[fd - TSUGA_KERNEL_FD_BASE] = NULL;
    kernel->file_count--;
    tsuga_file_release(file);
    return 0;
}
