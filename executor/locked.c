#include "executor/locked.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/bits.h"

#define PAGE_BYTES      4096u
#define SQE_BYTES       64u
#define CQE_BYTES       16u
#define INDEX_BYTES     4u
#define RING_HEAD_BYTES 320u /* what the two queues share, in front of them */

static bool may_lock_all(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};

    return syscall(SYS_capget, &header, sets) == 0 &&
           (sets[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
}

void tsuga_locked_init(struct tsuga_locked *locked)
{
    struct rlimit limit;

    locked->is_unlimited = locked->is_unlimited || may_lock_all();
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_MEMLOCK, &limit); /* what cannot be had is done without */
}

uint64_t tsuga_locked_limit(const struct tsuga_locked *locked)
{
    struct rlimit limit;

    if (locked->is_unlimited || getrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
        limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

bool tsuga_locked_has_room(const struct tsuga_locked *locked, uint64_t bytes)
{
    uint64_t taken = atomic_load_explicit(&locked->arenas_bytes, memory_order_relaxed);

    return taken + bytes <= tsuga_locked_limit(locked) / 2;
}

bool tsuga_locked_take(struct tsuga_locked *locked, uint64_t bytes)
{
    uint64_t before = atomic_fetch_add_explicit(&locked->arenas_bytes, bytes, memory_order_relaxed);

    if (before + bytes <= tsuga_locked_limit(locked) / 2)
        return true;
    tsuga_locked_give(locked, bytes);
    return false;
}

void tsuga_locked_give(struct tsuga_locked *locked, uint64_t bytes)
{
    tsuga_locked_sub(&locked->arenas_bytes, bytes);
}

uint64_t tsuga_locked_ring_share(const struct tsuga_locked *locked, uint32_t ring_count)
{
    return tsuga_locked_limit(locked) / 2 / ring_count;
}

uint64_t tsuga_locked_ring_bytes(uint32_t entries, uint32_t cq_entries)
{
    uint64_t queues = RING_HEAD_BYTES + (uint64_t)cq_entries * CQE_BYTES + entries * INDEX_BYTES;

    return tsuga_bits_round_up(queues, PAGE_BYTES) +
           tsuga_bits_round_up((uint64_t)entries * SQE_BYTES, PAGE_BYTES);
}
