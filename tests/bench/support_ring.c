#include "tests/bench/support_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WATCHES_MAX 4u
#define FDS_MAX     256u
#define ECHO_BYTES  64

/* Each wake-up is told once, as by a watch of the kernel's: nobody reads the descriptor. */
struct watch {
    uint64_t user_data;
    int fd; /* -1: none */
};

/* What waits at a descriptor for as long as it is not cancelled; user_data 0: nothing. */
struct waiting {
    uint64_t receive; /* a stream: each send brings it the next message */
    uint64_t poll;
};

/* The buffers on offer of the one group that there can be. */
struct offers {
    uint16_t *numbers;
    uint32_t size;
    uint32_t head;
    uint32_t tail;
};

struct bench_ring {
    struct tsuga_ring ring;
    struct watch watches[WATCHES_MAX];
    struct waiting waiting[FDS_MAX];
    struct offers offers;
    int epoll_fd;
    struct tsuga_ring_request *queue;
    struct tsuga_ring_result *results; /* cq_entries */
    _Atomic uint32_t head;
    _Atomic uint32_t tail;
    _Atomic uint32_t flags;
};

static void push(struct tsuga_ring *ring, const struct tsuga_ring_request *request)
{
    struct bench_ring *bench = (struct bench_ring *)ring;

    bench->queue[ring->queue_count++] = *request;
    ring->room_count--;
}

static void complete(struct bench_ring *bench, uint64_t user_data, int32_t result, uint32_t flags)
{
    uint32_t tail = atomic_load_explicit(&bench->tail, memory_order_relaxed);

    bench->results[tail % bench->ring.cq_entries] =
        (struct tsuga_ring_result){.user_data = user_data, .result = result, .flags = flags};
    atomic_store_explicit(&bench->tail, tail + 1, memory_order_release);
}

static struct waiting *waiting_at(struct bench_ring *bench, int fd)
{
    TSUGA_VERIFY(fd >= 0 && fd < (int)FDS_MAX);
    return &bench->waiting[fd];
}

/* The descriptor was checked when its stream began: nobody else sends. */
static void bring_message(struct bench_ring *bench, int fd)
{
    uint64_t user_data = bench->waiting[fd].receive;
    struct offers *offers = &bench->offers;

    if (user_data == 0)
        return;
    TSUGA_VERIFY(offers->head != offers->tail);
    complete(bench, user_data, ECHO_BYTES,
             TSUGA_RING_MORE | TSUGA_RING_BUFFER |
                 (uint32_t)offers->numbers[offers->head++ % offers->size]
                     << TSUGA_RING_BUFFER_SHIFT);
}

static bool cancel_waiting(struct bench_ring *bench, const struct tsuga_ring_request *request)
{
    for (unsigned i = 0; i < FDS_MAX; i++) {
        uint64_t *places[] = {&bench->waiting[i].receive, &bench->waiting[i].poll};

        for (unsigned k = 0; k < 2; k++) {
            if (*places[k] != request->offset)
                continue;
            *places[k] = 0;
            complete(bench, request->offset, -ECANCELED, 0);
            complete(bench, request->user_data, 0, 0);
            return true;
        }
    }
    return false;
}

static void cancel(struct bench_ring *bench, const struct tsuga_ring_request *request)
{
    if (cancel_waiting(bench, request))
        return;
    for (unsigned i = 0; i < WATCHES_MAX; i++) {
        if (bench->watches[i].fd < 0 || bench->watches[i].user_data != request->offset)
            continue;
        (void)epoll_ctl(bench->epoll_fd, EPOLL_CTL_DEL, bench->watches[i].fd, NULL);
        bench->watches[i].fd = -1;
        complete(bench, request->offset, -ECANCELED, 0);
        complete(bench, request->user_data, 0, 0);
        return;
    }
    complete(bench, request->user_data, -ENOENT, 0);
}

static void keep_watch(struct bench_ring *bench, const struct tsuga_ring_request *request)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    unsigned i = 0;

    while (bench->watches[i].fd >= 0)
        i++;
    TSUGA_VERIFY(i < WATCHES_MAX);
    bench->watches[i] = (struct watch){request->user_data, request->fd};
    event.data.u64 = request->user_data;
    TSUGA_VERIFY(epoll_ctl(bench->epoll_fd, EPOLL_CTL_ADD, request->fd, &event) == 0);
}

static void carry_out(struct bench_ring *bench, const struct tsuga_ring_request *request)
{
    if (request->kind == TSUGA_RING_NOP) { /* most of what is counted */
        complete(bench, request->user_data, 0, 0);
        return;
    }
    switch (request->kind) {
    case TSUGA_RING_SEND:
        complete(bench, request->user_data, (int32_t)request->length, 0);
        bring_message(bench, request->fd);
        return;
    case TSUGA_RING_RECV_MULTI:
        waiting_at(bench, request->fd)->receive = request->user_data;
        bring_message(bench, request->fd);
        return;
    case TSUGA_RING_POLL:
        waiting_at(bench, request->fd)->poll = request->user_data;
        return;
    case TSUGA_RING_WATCH:
        keep_watch(bench, request);
        return;
    case TSUGA_RING_CANCEL:
        cancel(bench, request);
        return;
    case TSUGA_RING_CLOSE:
        complete(bench, request->user_data, close(request->fd), 0);
        return;
    default:
        complete(bench, request->user_data, -EOPNOTSUPP, 0);
        return;
    }
}

/* Without a limit: the executor's clock may stand still meanwhile, and it would look again and
 * again. */
static void wait_for_watches(struct bench_ring *bench)
{
    struct epoll_event events[WATCHES_MAX];
    int count = epoll_wait(bench->epoll_fd, events, WATCHES_MAX, -1);

    for (int i = 0; i < count; i++)
        complete(bench, events[i].data.u64, (int32_t)events[i].events, TSUGA_RING_MORE);
}

static int enter(struct tsuga_ring *ring, uint32_t wait_count, uint64_t timeout_ns)
{
    struct bench_ring *bench = (struct bench_ring *)ring;
    uint32_t count = ring->queue_count;

    (void)timeout_ns;
    ring->enter_count++;
    ring->queue_count = 0;
    ring->room_count = ring->entries;
    for (uint32_t i = 0; i < count; i++)
        carry_out(bench, &bench->queue[i]);
    if (wait_count == 0 || tsuga_ring_has_results(ring))
        return 0;
    wait_for_watches(bench);
    return tsuga_ring_has_results(ring) ? 0 : -EINTR;
}

static uint32_t reap(struct tsuga_ring *ring, struct tsuga_ring_result *results, uint32_t count_max)
{
    struct bench_ring *bench = (struct bench_ring *)ring;
    uint32_t head = atomic_load_explicit(&bench->head, memory_order_relaxed);
    uint32_t count = 0;

    while (count < count_max && head != atomic_load_explicit(&bench->tail, memory_order_relaxed))
        results[count++] = bench->results[head++ % ring->cq_entries];
    atomic_store_explicit(&bench->head, head, memory_order_relaxed);
    return count;
}

static bool supports(const struct tsuga_ring *ring, enum tsuga_ring_kind kind)
{
    const uint64_t kinds = UINT64_C(1) << TSUGA_RING_NOP | UINT64_C(1) << TSUGA_RING_WATCH |
                           UINT64_C(1) << TSUGA_RING_CANCEL | UINT64_C(1) << TSUGA_RING_CLOSE |
                           UINT64_C(1) << TSUGA_RING_SEND | UINT64_C(1) << TSUGA_RING_POLL |
                           UINT64_C(1) << TSUGA_RING_RECV_MULTI |
                           UINT64_C(1) << TSUGA_RING_ACCEPT_MULTI; /* no stream goes without it */

    (void)ring;
    return (kinds >> kind & 1) != 0;
}

static int add_group(struct tsuga_ring *ring, struct tsuga_ring_group *group)
{
    struct offers *offers = &((struct bench_ring *)ring)->offers;

    if (offers->numbers != NULL)
        return -ENOSPC;
    *offers = (struct offers){.numbers = calloc(group->entries, sizeof(*offers->numbers)),
                              .size = group->entries};
    return offers->numbers != NULL ? 0 : -ENOMEM;
}

static void remove_group(struct tsuga_ring *ring, struct tsuga_ring_group *group)
{
    struct offers *offers = &((struct bench_ring *)ring)->offers;

    (void)group;
    free(offers->numbers);
    *offers = (struct offers){0};
}

static void offer(struct tsuga_ring *ring, struct tsuga_ring_group *group, void *buffer,
                  uint32_t bytes, uint16_t number)
{
    struct offers *offers = &((struct bench_ring *)ring)->offers;

    (void)group;
    (void)buffer;
    (void)bytes;
    offers->numbers[offers->tail++ % offers->size] = number;
}

static void destroy(struct tsuga_ring *ring)
{
    struct bench_ring *bench = (struct bench_ring *)ring;

    if (bench->epoll_fd >= 0)
        close(bench->epoll_fd);
    free(bench->results);
    free(bench->queue);
    free(bench);
}

/* Groups are whole, and nothing is ever left in the queue: the rest is never called. */
static const struct tsuga_ring_ops ops = {.push = push,
                                          .enter = enter,
                                          .reap = reap,
                                          .supports = supports,
                                          .add_group = add_group,
                                          .remove_group = remove_group,
                                          .offer = offer,
                                          .destroy = destroy};

int tsuga_bench_ring_create(void *context, const struct tsuga_ring_config *config,
                            struct tsuga_ring **out)
{
    struct bench_ring *bench = calloc(1, sizeof(*bench));

    (void)context;
    if (bench == NULL)
        return -ENOMEM;
    bench->queue = calloc(config->entries, sizeof(*bench->queue));
    bench->results = calloc(config->cq_entries, sizeof(*bench->results));
    bench->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (bench->queue == NULL || bench->results == NULL || bench->epoll_fd < 0) {
        destroy(&bench->ring);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < WATCHES_MAX; i++)
        bench->watches[i].fd = -1;
    bench->ring = (struct tsuga_ring){
        .ops = &ops,
        .room_count = config->entries,
        .entries = config->entries,
        .cq_entries = config->cq_entries,
        .news_head = &bench->head,
        .news_tail = &bench->tail,
        .news_flags = &bench->flags,
    };
    *out = &bench->ring;
    return 0;
}
