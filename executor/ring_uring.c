#include "executor/ring_uring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <time.h>

#include "executor/locked.h"
#include "executor/ring_ranges.h"
#include "executor/ring_slots.h"
#include "executor/ring_sqe.h"
#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/base/sanitize.h"

/* Newer than the header of liburing 2.3. */
#define TSUGA_URING_FEAT_RW_ATTR     (1u << 16) /* Linux 6.14 */
#define TSUGA_URING_FEAT_NO_IOWAIT   (1u << 17) /* Linux 6.15 */
#define TSUGA_URING_ENTER_NO_IOWAIT  (1u << 7)  /* Linux 6.15 */
#define TSUGA_URING_PBUF_RING_INC    (1u << 1)  /* Linux 6.12 */
#define TSUGA_URING_CQE_F_BUF_MORE   (1u << 4)  /* Linux 6.12 */
#define TSUGA_URING_PBUF_STATUS      26u        /* Linux 6.8 */
#define TSUGA_URING_RESTART_FIRST    512        /* ERESTARTSYS */
#define TSUGA_URING_RESTART_LAST     516        /* ERESTART_RESTARTBLOCK */
#define TSUGA_URING_ENTRIES_FLOOR    4u
#define TSUGA_URING_CQ_ENTRIES_FLOOR 8u

/* Locked memory of a ring that is gone is given back after 20 to 44 ms, later on a busy machine.
 * The first pause; each of the following is twice as long. */
#define TSUGA_URING_RETRY_COUNT_BOUNDED 3u
#define TSUGA_URING_RETRY_COUNT         6u
#define TSUGA_URING_RETRY_NS            (10 * TSUGA_NS_PER_MS)

/* The size of the kernel's signal set, which liburing passes although there is none. */
#define TSUGA_URING_SIGSET_BYTES 8u

/* What io_uring_register(2) takes; the header of liburing 2.3 has no place for the flags. */
struct group_registration {
    uint64_t address;
    uint32_t entries;
    uint16_t id;
    uint16_t flags;
    uint64_t reserved[3];
};

struct group_status {
    uint32_t id;   /* in */
    uint32_t head; /* out */
    uint32_t reserved[8];
};

struct uring {
    struct tsuga_ring ring;
    uint32_t sq_tail; /* ours; published by enter */
    uint32_t sq_mask;
    struct io_uring_sqe *sqes;
    uint32_t cq_head; /* ours; published by reap */
    uint32_t cq_mask;
    const struct io_uring_cqe *cqes;
    _Atomic uint32_t *sq_head_word; /* the kernel writes */
    _Atomic uint32_t *sq_tail_word; /* we write */
    _Atomic uint32_t *cq_head_word; /* we write */

    /* const after create */
    int enter_fd; /* a descriptor, or the index of a registered one */
    uint32_t enter_flags;
    uint64_t supported_kinds; /* one bit for each kind */
    bool has_files;           /* that are let go at once */
    const struct tsuga_memory *memory;
    struct io_uring mapping;
};

static_assert(sizeof(struct group_registration) == sizeof(struct io_uring_buf_reg),
              "a registration is what the kernel takes");
static_assert(sizeof(struct io_uring_cqe) == 16, "completions are not of the large kind");

/* The words are shared with the kernel, which uses plain 32-bit words with barriers. */
static_assert(sizeof(_Atomic uint32_t) == sizeof(unsigned), "the mapped words are read as atomics");

static struct uring *uring_of(struct tsuga_ring *ring)
{
    return (struct uring *)ring;
}

#ifdef TSUGA_HAS_ASAN
static void fail_if_poisoned(void *context, const void *base, size_t bytes)
{
    const struct tsuga_ring_request *request = context;
    char text[128];

    if (bytes == 0 || !tsuga_sanitize_is_poisoned(base, bytes))
        return;
    snprintf(text, sizeof(text), "no poison among the %zu bytes at %p of request %s", bytes, base,
             tsuga_ring_operations[request->kind].name);
    tsuga_base_fail(text, __FILE__, __LINE__, __func__);
}

/* The kernel's own accesses are invisible to AddressSanitizer. */
static void check_ranges(const struct tsuga_ring_request *request)
{
    tsuga_ring_ranges(request, fail_if_poisoned, (void *)request);
}
#else
static void check_ranges(const struct tsuga_ring_request *request)
{
    (void)request;
}
#endif

static void push(struct tsuga_ring *ring, const struct tsuga_ring_request *request)
{
    struct uring *uring = uring_of(ring);
    struct io_uring_sqe *sqe = &uring->sqes[uring->sq_tail & uring->sq_mask];

    TSUGA_ASSERT(request->kind < TSUGA_RING_KIND_COUNT);
    check_ranges(request);
    tsuga_ring_sqe_fill(sqe, request);
    uring->sq_tail++;
    ring->room_count--;
    ring->queue_count++;
}

/* How far has the kernel come with the submission queue? */
static void update_room(struct uring *uring)
{
    /* Acquire pairs with the kernel's release: it has read the entries that we will overwrite. */
    uint32_t head = atomic_load_explicit(uring->sq_head_word, memory_order_acquire);

    uring->ring.queue_count = uring->sq_tail - head;
    uring->ring.room_count = uring->ring.entries - uring->ring.queue_count;
    TSUGA_ASSERT(uring->ring.queue_count <= uring->ring.entries);
}

static bool has_results(const struct uring *uring, uint32_t count)
{
    /* Acquire pairs with the kernel's release of the tail. */
    return atomic_load_explicit(uring->ring.news_tail, memory_order_acquire) - uring->cq_head >=
           count;
}

/* One system call. The number of submitted requests, or the error of the wait. */
static int call(const struct uring *uring, uint32_t submit_count, uint32_t wait_count,
                uint64_t timeout_ns, uint32_t flags)
{
    struct __kernel_timespec limit = {(int64_t)(timeout_ns / TSUGA_NS_PER_S),
                                      (long long)(timeout_ns % TSUGA_NS_PER_S)};
    struct io_uring_getevents_arg argument = {.ts = (uintptr_t)&limit};

    /* Without a limit the longer argument is left out: the kernel has less to copy. */
    if (wait_count == 0 || timeout_ns == TSUGA_FOREVER)
        return io_uring_enter2((unsigned)uring->enter_fd, submit_count, wait_count, flags, NULL,
                               TSUGA_URING_SIGSET_BYTES);
    return io_uring_enter2((unsigned)uring->enter_fd, submit_count, wait_count,
                           flags | IORING_ENTER_EXT_ARG, (void *)&argument, sizeof(argument));
}

/* As many rounds of deferred work as the kernel makes by itself after a submission. */
#define DEFERRED_ROUNDS 2u

/* Submits without a look for deferred work, which costs the kernel a seventh of a NOP; that comes
 * behind if there is some after all. */
static int submit_quietly(const struct uring *uring)
{
    int submitted =
        call(uring, uring->ring.queue_count, 0, 0, uring->enter_flags & ~IORING_ENTER_GETEVENTS);

    for (uint32_t i = 0; i < DEFERRED_ROUNDS && tsuga_ring_wants_enter(&uring->ring); i++)
        (void)call(uring, 0, 0, 0, uring->enter_flags);
    return submitted;
}

static bool may_be_quiet(const struct tsuga_ring *ring, uint32_t wait_count)
{
    return wait_count == 0 && ring->queue_count > 0 && ring->is_quiet &&
           !tsuga_ring_wants_enter(ring);
}

static int enter(struct tsuga_ring *ring, uint32_t wait_count, uint64_t timeout_ns)
{
    struct uring *uring = uring_of(ring);
    int submitted;

    TSUGA_ASSERT(ring->room_count + ring->queue_count == ring->entries);
    ring->enter_count++;
    if ((atomic_load_explicit(ring->news_flags, memory_order_relaxed) & IORING_SQ_CQ_OVERFLOW) != 0)
        ring->overflow_count++;
    /* Release: the kernel's acquire of the tail finds the entries filled. */
    atomic_store_explicit(uring->sq_tail_word, uring->sq_tail, memory_order_release);
    /* A timer that has already run out would cost the kernel 4 us. */
    submitted = may_be_quiet(ring, wait_count)
                    ? submit_quietly(uring)
                    : call(uring, ring->queue_count, timeout_ns == 0 ? 0 : wait_count, timeout_ns,
                           uring->enter_flags);
    update_room(uring);
    if (ring->queue_count > 0) {
        /* A submission cut short returns before deferred work has run, without which there would
         * be no results whose reaping makes room. */
        (void)call(uring, 0, 0, 0, uring->enter_flags);
        return submitted < 0 ? submitted : -EAGAIN;
    }
    if (submitted < 0)
        return submitted;
    if (has_results(uring, wait_count))
        return 0;
    /* The kernel tells how the wait ended only if it submitted nothing and no result is there. */
    return timeout_ns == 0 ? -ETIME : -EINTR;
}

static int32_t result_of(const struct io_uring_cqe *cqe)
{
    /* Codes of the kernel's inside: the worker pool answers so when it is told to cancel. */
    if (cqe->res <= -TSUGA_URING_RESTART_FIRST && cqe->res >= -TSUGA_URING_RESTART_LAST)
        return -ECANCELED;
    return cqe->res;
}

static uint32_t flag_if(const struct io_uring_cqe *cqe, uint32_t theirs, uint32_t ours)
{
    return (cqe->flags & theirs) != 0 ? ours : 0;
}

static uint32_t flags_of(const struct io_uring_cqe *cqe)
{
    if (cqe->flags == 0)
        return 0;
    return flag_if(cqe, IORING_CQE_F_MORE, TSUGA_RING_MORE) |
           flag_if(cqe, IORING_CQE_F_NOTIF, TSUGA_RING_NOTIF) |
           flag_if(cqe, IORING_CQE_F_BUFFER, TSUGA_RING_BUFFER) |
           flag_if(cqe, TSUGA_URING_CQE_F_BUF_MORE, TSUGA_RING_BUFFER_MORE) |
           cqe->flags >> IORING_CQE_BUFFER_SHIFT << TSUGA_RING_BUFFER_SHIFT;
}

static uint32_t reap(struct tsuga_ring *ring, struct tsuga_ring_result *results, uint32_t count_max)
{
    struct uring *uring = uring_of(ring);
    /* Acquire pairs with the kernel's release: the entries before the tail are written. */
    uint32_t tail = atomic_load_explicit(ring->news_tail, memory_order_acquire);
    uint32_t count = tail - uring->cq_head;

    if (count > count_max)
        count = count_max;
    for (uint32_t i = 0; i < count; i++) {
        const struct io_uring_cqe *cqe = &uring->cqes[(uring->cq_head + i) & uring->cq_mask];

        results[i] = (struct tsuga_ring_result){cqe->user_data, result_of(cqe), flags_of(cqe)};
    }
    uring->cq_head += count;
    /* Release: the entries have been copied before the kernel may overwrite them. */
    atomic_store_explicit(uring->cq_head_word, uring->cq_head, memory_order_release);
    return count;
}

static bool supports(const struct tsuga_ring *ring, enum tsuga_ring_kind kind)
{
    return (((const struct uring *)ring)->supported_kinds >> kind & 1) != 0;
}

static void destroy(struct tsuga_ring *ring)
{
    struct uring *uring = uring_of(ring);

    io_uring_queue_exit(&uring->mapping);
    tsuga_memory_free(uring->memory, uring, sizeof(*uring));
}

static struct io_uring_buf_ring *offers_of(const struct tsuga_ring_group *group)
{
    return group->memory;
}

static int add_group(struct tsuga_ring *ring, struct tsuga_ring_group *group)
{
    struct group_registration registration = {
        .address = (uintptr_t)group->memory,
        .entries = group->entries,
        .id = group->id,
        .flags = group->is_incremental ? TSUGA_URING_PBUF_RING_INC : 0,
    };

    group->tail = 0;
    offers_of(group)->tail = 0;
    return io_uring_register((unsigned)uring_of(ring)->mapping.ring_fd, IORING_REGISTER_PBUF_RING,
                             &registration, 1);
}

static void remove_group(struct tsuga_ring *ring, struct tsuga_ring_group *group)
{
    int error = io_uring_unregister_buf_ring(&uring_of(ring)->mapping, group->id);

    TSUGA_VERIFY(error == 0); /* else the kernel keeps the buffers that are on offer */
}

static void offer(struct tsuga_ring *ring, struct tsuga_ring_group *group, void *buffer,
                  uint32_t bytes, uint16_t number)
{
    struct io_uring_buf *entry = &offers_of(group)->bufs[group->tail & (group->entries - 1)];

    (void)ring;
    /* Not the whole struct: the queue's tail lies in the first entry's spare field. */
    entry->addr = (uintptr_t)buffer;
    entry->len = bytes;
    entry->bid = number;
    group->tail++;
    /* Release: the kernel's acquire of the tail finds the entry filled. */
    atomic_store_explicit((_Atomic uint16_t *)&offers_of(group)->tail, group->tail,
                          memory_order_release);
}

static uint16_t used(struct tsuga_ring *ring, const struct tsuga_ring_group *group)
{
    struct group_status status = {.id = group->id};
    int error = io_uring_register((unsigned)uring_of(ring)->mapping.ring_fd,
                                  TSUGA_URING_PBUF_STATUS, &status, 1);

    TSUGA_VERIFY(error == 0); /* every kernel that has incremental groups tells */
    return (uint16_t)status.head;
}

static bool is_linked(const struct io_uring_sqe *sqe)
{
    return (sqe->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)) != 0;
}

static void sever(struct tsuga_ring *ring, uint64_t mark)
{
    struct uring *uring = uring_of(ring);
    uint32_t at = uring->sq_tail - ring->queue_count;
    bool is_cut;

    if (ring->queue_count == ring->entries)
        return; /* nothing was submitted: the entry before the first is the last */
    is_cut = is_linked(&uring->sqes[(at - 1) & uring->sq_mask]);
    for (; is_cut && at != uring->sq_tail; at++) {
        struct io_uring_sqe *sqe = &uring->sqes[at & uring->sq_mask];

        is_cut = is_linked(sqe);
        *sqe = (struct io_uring_sqe){
            .opcode = IORING_OP_NOP, .fd = -1, .user_data = sqe->user_data | mark};
    }
}

static int add_slots(struct tsuga_ring *ring, uint32_t count)
{
    return tsuga_ring_slots_add(uring_of(ring)->mapping.ring_fd, count);
}

static int fill_slots(struct tsuga_ring *ring, uint32_t first, const struct tsuga_ring_slot *slots,
                      uint32_t count)
{
    return tsuga_ring_slots_fill(uring_of(ring)->mapping.ring_fd, first, slots, count);
}

static int add_files(struct tsuga_ring *ring, uint32_t count)
{
    struct uring *uring = uring_of(ring);

    if (!uring->has_files)
        return -EINVAL;
    return tsuga_ring_files_add(uring->mapping.ring_fd, count);
}

static int set_file(struct tsuga_ring *ring, uint32_t place, int fd)
{
    return tsuga_ring_files_set(uring_of(ring)->mapping.ring_fd, place, fd);
}

static const struct tsuga_ring_ops ops = {
    .push = push,
    .enter = enter,
    .reap = reap,
    .supports = supports,
    .add_group = add_group,
    .remove_group = remove_group,
    .offer = offer,
    .used = used,
    .sever = sever,
    .add_slots = add_slots,
    .fill_slots = fill_slots,
    .add_files = add_files,
    .set_file = set_file,
    .destroy = destroy,
};

static bool may_use(const struct tsuga_ring_config *config, enum tsuga_feature feature)
{
    return config->features[feature] != TSUGA_OFF;
}

static int set_up_with(struct uring *uring, uint32_t flags, uint32_t entries, uint32_t cq_entries)
{
    struct io_uring_params params = {
        .flags = flags | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                 IORING_SETUP_CLAMP,
        .cq_entries = cq_entries,
    };

    int error = io_uring_queue_init_params(entries, &uring->mapping, &params);

    /* The mapping is shared memory: a child of fork(2) must not even be able to touch it. */
    if (error == 0)
        (void)io_uring_ring_dontfork(&uring->mapping);
    return error;
}

/* Without the task-run flag nobody would learn that deferred work waits, so both rungs ask for it.
 * A kernel that knows neither is as good as one without io_uring. */
static int set_up_sized(struct uring *uring, bool may_defer, uint32_t entries, uint32_t cq_entries)
{
    int error = -EINVAL;

    if (may_defer)
        error = set_up_with(uring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, entries,
                            cq_entries);
    if (error == -EINVAL)
        error = set_up_with(uring, IORING_SETUP_COOP_TASKRUN, entries, cq_entries);
    return error == -EINVAL ? -ENOSYS : error;
}

/* Halves the queue that takes more memory; false when neither can shrink. */
static bool halve(uint32_t *entries, uint32_t *cq_entries)
{
    bool is_cq_larger =
        *cq_entries * sizeof(struct io_uring_cqe) >= *entries * sizeof(struct io_uring_sqe);

    if (is_cq_larger && *cq_entries > TSUGA_URING_CQ_ENTRIES_FLOOR) {
        *cq_entries /= 2;
        return true;
    }
    if (*entries > TSUGA_URING_ENTRIES_FLOOR) {
        *entries /= 2;
        return true;
    }
    return false;
}

/* The bound is a wish: the smallest ring may take more. */
static void fit(uint64_t bytes_max, uint32_t *entries, uint32_t *cq_entries)
{
    while (bytes_max != 0 && tsuga_locked_ring_bytes(*entries, *cq_entries) > bytes_max &&
           halve(entries, cq_entries))
        continue;
}

/* Tries so many times more when memory is short, with longer and longer pauses. */
static int set_up_patiently(struct uring *uring, bool may_defer, uint32_t entries,
                            uint32_t cq_entries, uint32_t retry_count)
{
    struct timespec pause = {0, TSUGA_URING_RETRY_NS};
    int error = set_up_sized(uring, may_defer, entries, cq_entries);

    for (uint32_t i = 0; error == -ENOMEM && i < retry_count; i++) {
        nanosleep(&pause, NULL);
        pause.tv_nsec *= 2;
        error = set_up_sized(uring, may_defer, entries, cq_entries);
    }
    return error;
}

/* A ring that keeps within its bound waits for what is coming back before it takes less. */
static int set_up(struct uring *uring, const struct tsuga_ring_config *config)
{
    bool may_defer = may_use(config, TSUGA_FEATURE_DEFER_TASKRUN);
    uint32_t retry_count = config->locked_bytes_max != 0 ? TSUGA_URING_RETRY_COUNT_BOUNDED : 0;
    uint32_t entries = config->entries;
    uint32_t cq_entries = config->cq_entries;
    int error;

    fit(config->locked_bytes_max, &entries, &cq_entries);
    error = set_up_patiently(uring, may_defer, entries, cq_entries, retry_count);
    while (error == -ENOMEM && halve(&entries, &cq_entries))
        error = set_up_sized(uring, may_defer, entries, cq_entries);
    if (error == -ENOMEM)
        error = set_up_patiently(uring, may_defer, entries, cq_entries, TSUGA_URING_RETRY_COUNT);
    return error;
}

/* Forgets what the configuration forbids, so that its fallback is used. */
#define KIND(name) (UINT64_C(1) << TSUGA_RING_##name)

#define KINDS_FIXED                                                                                \
    (KIND(READ_FIXED) | KIND(WRITE_FIXED) | KIND(READV_FIXED) | KIND(WRITEV_FIXED) |               \
     KIND(SEND_ZC_FIXED))

/* The kinds that go with a feature which the configuration can turn off. */
static const struct {
    enum tsuga_feature feature;
    uint64_t kinds;
} optional[] = {
    {TSUGA_FEATURE_BIND_LISTEN, KIND(BIND) | KIND(LISTEN)},
    {TSUGA_FEATURE_MULTISHOT,
     KIND(ACCEPT_MULTI) | KIND(RECV_MULTI) | KIND(RECVMSG_MULTI) | KIND(READ_MULTI)},
    {TSUGA_FEATURE_READ_MULTISHOT, KIND(READ_MULTI)},
    {TSUGA_FEATURE_FTRUNCATE, KIND(TRUNCATE)},
    {TSUGA_FEATURE_FUTEX, KIND(FUTEX_WAIT) | KIND(FUTEX_WAKE)},
    {TSUGA_FEATURE_WAITID, KIND(WAITID)},
    {TSUGA_FEATURE_REGISTERED_BUFFERS, KINDS_FIXED},
    {TSUGA_FEATURE_VECTORS_FIXED, KIND(READV_FIXED) | KIND(WRITEV_FIXED)},
    {TSUGA_FEATURE_SEND_ZERO_COPY, KIND(SEND_ZC) | KIND(SEND_ZC_FIXED)},
};

static int probe(struct uring *uring, const struct tsuga_ring_config *config)
{
    struct io_uring_probe *known = io_uring_get_probe_ring(&uring->mapping);

    if (known == NULL)
        return -ENOMEM;
    for (uint32_t kind = 0; kind < TSUGA_RING_KIND_COUNT; kind++)
        if (io_uring_opcode_supported(known, tsuga_ring_operations[kind].opcode))
            uring->supported_kinds |= UINT64_C(1) << kind;
    io_uring_free_probe(known);
    for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
        if (!may_use(config, optional[i].feature))
            uring->supported_kinds &= ~optional[i].kinds;
    return 0;
}

/* What makes enter cheaper; each of it can be missing. */
static void speed_up(struct uring *uring, const struct tsuga_ring_config *config)
{
    /* Every enter also runs deferred work: no completion appears otherwise. */
    uring->enter_flags = IORING_ENTER_GETEVENTS;
    uring->enter_fd = uring->mapping.ring_fd;
    if (may_use(config, TSUGA_FEATURE_REGISTERED_RING) &&
        io_uring_register_ring_fd(&uring->mapping) == 1) {
        uring->enter_fd = uring->mapping.enter_ring_fd;
        uring->enter_flags |= IORING_ENTER_REGISTERED_RING;
    }
    uring->has_files = may_use(config, TSUGA_FEATURE_REGISTERED_FILES) &&
                       (uring->mapping.features & TSUGA_URING_FEAT_RW_ATTR) != 0;
    if (may_use(config, TSUGA_FEATURE_NO_IOWAIT) &&
        (uring->mapping.features & TSUGA_URING_FEAT_NO_IOWAIT) != 0)
        uring->enter_flags |= TSUGA_URING_ENTER_NO_IOWAIT;
}

static void attach_words(struct uring *uring)
{
    const struct io_uring_sq *sq = &uring->mapping.sq;
    const struct io_uring_cq *cq = &uring->mapping.cq;

    uring->sqes = sq->sqes;
    uring->sq_mask = sq->ring_mask;
    uring->sq_head_word = (_Atomic uint32_t *)sq->khead;
    uring->sq_tail_word = (_Atomic uint32_t *)sq->ktail;
    uring->cqes = cq->cqes;
    uring->cq_mask = cq->ring_mask;
    uring->cq_head_word = (_Atomic uint32_t *)cq->khead;
    for (uint32_t i = 0; i < sq->ring_entries; i++)
        sq->array[i] = i;
    uring->ring = (struct tsuga_ring){
        .ops = &ops,
        .room_count = sq->ring_entries,
        .is_deferred = (uring->mapping.flags & IORING_SETUP_DEFER_TASKRUN) != 0,
        .entries = sq->ring_entries,
        .cq_entries = cq->ring_entries,
        .news_head = uring->cq_head_word,
        .news_tail = (_Atomic uint32_t *)cq->ktail,
        .news_flags = (_Atomic uint32_t *)sq->kflags,
        .news_mask = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW,
    };
}

static int equip(struct uring *uring, const struct tsuga_ring_config *config)
{
    /* Of this thread: 500 blocked splices without a cap were 500 kernel threads. */
    unsigned workers[] = {config->io_workers_bounded, config->io_workers_unbounded};
    int error = io_uring_register_iowq_max_workers(&uring->mapping, workers);

    if (error == 0)
        error = probe(uring, config);
    if (error != 0)
        return error;
    speed_up(uring, config);
    attach_words(uring);
    return 0;
}

int tsuga_ring_uring_create(void *context, const struct tsuga_ring_config *config,
                            struct tsuga_ring **out)
{
    const struct tsuga_memory *memory = context;
    struct uring *uring = tsuga_memory_alloc_zeroed(memory, sizeof(*uring));
    int error;

    if (uring == NULL)
        return -ENOMEM;
    uring->memory = memory;
    error = set_up(uring, config);
    if (error != 0)
        goto free_uring;
    error = equip(uring, config);
    if (error != 0)
        goto exit_queue;
    *out = &uring->ring;
    return 0;

exit_queue:
    io_uring_queue_exit(&uring->mapping);
free_uring:
    tsuga_memory_free(memory, uring, sizeof(*uring));
    return error;
}
