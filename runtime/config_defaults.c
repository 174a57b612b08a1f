#include "runtime/config_defaults.h"

#include <sched.h>
#include <unistd.h>

#include "runtime/base/bits.h"
#include "runtime/config_value.h"

#define THREADS_MAX     256u
#define OPS_MAX_DEFAULT 32768u
#define CQ_ENTRIES_MIN  4096u
#define CQ_ENTRIES_MAX  65536u
#define SEGMENT_MIN     UINT64_C(512)
#define GROUP_SIZES     (4u << 10 | 64u << 10)
#define CLASSES_ALL     (((UINT64_C(1) << TSUGA_CLASS_COUNT) - 1) << TSUGA_CLASS_MIN)

/* One executor per processor that this process may use. */
static uint32_t thread_count(void)
{
    cpu_set_t allowed;
    long count;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
        count = CPU_COUNT(&allowed);
    else
        count = sysconf(_SC_NPROCESSORS_ONLN);
    if (count < 1)
        return 1;
    return count > (long)THREADS_MAX ? THREADS_MAX : (uint32_t)count;
}

/* Operations are credited against the completion queue. */
static uint32_t ops_max_for(const struct tsuga_config *config)
{
    uint32_t cq_entries = config->executor.cq_entries;

    return cq_entries == 0 || cq_entries > OPS_MAX_DEFAULT ? OPS_MAX_DEFAULT : cq_entries;
}

/* Room for two results of each operation, and for what one full submission completes at once. */
static uint32_t cq_entries_for(const struct tsuga_config *config)
{
    uint64_t entries = tsuga_bits_power_of_two_ceil(2 * (uint64_t)config->executor.ops_max);

    if (entries < 2 * (uint64_t)config->executor.ring_entries)
        entries = 2 * (uint64_t)config->executor.ring_entries;
    if (entries < CQ_ENTRIES_MIN)
        return CQ_ENTRIES_MIN;
    return entries > CQ_ENTRIES_MAX ? CQ_ENTRIES_MAX : (uint32_t)entries;
}

/* Guard pages take half of an arena that is one segment. */
uint64_t tsuga_config_segment_max(const struct tsuga_config *config)
{
    return config->ioheap.arena_size >> (config->ioheap.guard == TSUGA_ON ? 1 : 0);
}

static uint64_t segment_min_for(const struct tsuga_config *config)
{
    uint64_t least = config->ioheap.arena_size / TSUGA_CONFIG_SEGMENTS_PER_ARENA;

    return least > SEGMENT_MIN ? least : SEGMENT_MIN;
}

/* Every class that fits into a segment. */
static uint32_t size_classes_for(const struct tsuga_config *config)
{
    return (uint32_t)(CLASSES_ALL & (2 * tsuga_config_segment_max(config) - 1));
}

static void fill_derived(struct tsuga_config *config)
{
    if (config->executor.threads == 0)
        config->executor.threads = thread_count();
    if (config->executor.ops_max == 0)
        config->executor.ops_max = ops_max_for(config);
    if (config->executor.cq_entries == 0)
        config->executor.cq_entries = cq_entries_for(config);
    if (config->ioheap.segment_min == 0)
        config->ioheap.segment_min = segment_min_for(config);
    if (config->ioheap.size_classes == 0)
        config->ioheap.size_classes = size_classes_for(config);
    if (config->receive.group_sizes == 0)
        config->receive.group_sizes = GROUP_SIZES & size_classes_for(config);
    if (config->signals == TSUGA_DEFAULT)
        config->signals = TSUGA_OFF;
}

void tsuga_config_fill_defaults(struct tsuga_config *config)
{
    for (const struct tsuga_config_key *key = tsuga_config_keys;
         key < tsuga_config_keys + TSUGA_CONFIG_KEY_COUNT; key++)
        if (tsuga_config_get(config, key) == 0)
            tsuga_config_set(config, key, key->fallback);
    fill_derived(config);
}
