#include "runtime/config.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define GIB (KIB * MIB)
#define TIB (KIB * GIB)
#define DAY UINT64_C(86400000) /* in ms */

/* Where a field is, and how large. */
#define AT(field)                                                                                  \
    .offset = offsetof(struct tsuga_config, field),                                                \
    .bytes = sizeof(((struct tsuga_config *)NULL)->field)

#define NUMBER(section_, name_, min_, max_, fallback_)                                             \
    {                                                                                              \
        .section = #section_, .name = #name_, .type = TSUGA_CONFIG_NUMBER, AT(section_.name_),     \
        .min = (min_), .max = (max_), .fallback = (fallback_)                                      \
    }
#define POWER(section_, name_, min_, max_, fallback_)                                              \
    {                                                                                              \
        .section = #section_, .name = #name_, .type = TSUGA_CONFIG_NUMBER,                         \
        .shape = TSUGA_CONFIG_POWER_OF_TWO, AT(section_.name_), .min = (min_), .max = (max_),      \
        .fallback = (fallback_)                                                                    \
    }
#define SIZE(section_, name_, shape_, min_, max_, fallback_)                                       \
    {                                                                                              \
        .section = #section_, .name = #name_, .type = TSUGA_CONFIG_SIZE, .shape = (shape_),        \
        AT(section_.name_), .min = (min_), .max = (max_), .fallback = (fallback_)                  \
    }
#define WORD(section_, name_, type_, max_, fallback_)                                              \
    {                                                                                              \
        .section = #section_, .name = #name_, .type = (type_), AT(section_.name_), .min = 1,       \
        .max = (max_), .fallback = (fallback_)                                                     \
    }
#define TOGGLE(section_, name_, fallback_)                                                         \
    WORD(section_, name_, TSUGA_CONFIG_TOGGLE, TSUGA_ON, fallback_)
#define CLASSES(section_, name_)                                                                   \
    {                                                                                              \
        .section = #section_, .name = #name_, .type = TSUGA_CONFIG_CLASSES, AT(section_.name_),    \
        .min = UINT64_C(1) << TSUGA_CLASS_MIN, .max = CLASSES_ALL                                  \
    }
#define FEATURE(name_, index_)                                                                     \
    {                                                                                              \
        .section = "features", .name = #name_, .type = TSUGA_CONFIG_FEATURE, AT(features[index_]), \
        .min = TSUGA_OFF, .max = TSUGA_ON, .fallback = TSUGA_ON                                    \
    }

/* All bits from the lowest class to the highest. */
#define CLASSES_ALL (((UINT64_C(1) << TSUGA_CLASS_COUNT) - 1) << TSUGA_CLASS_MIN)

const struct tsuga_config_key tsuga_config_keys[TSUGA_CONFIG_KEY_COUNT] = {
    NUMBER(executor, threads, 1, 256, 0),
    POWER(executor, ring_entries, 1, 32768, 256),
    POWER(executor, cq_entries, 1, 65536, 0),
    NUMBER(executor, ops_max, 1, 65536, 0),
    NUMBER(executor, time_slice_us, 1, 60000000, 200),
    NUMBER(executor, slice_messages, 1, 1000000, 256),
    NUMBER(executor, watchdog_us, 1000, 3600000000, 100000),
    NUMBER(executor, io_workers_bounded, 1, 4096, 4),
    NUMBER(executor, io_workers_unbounded, 1, 4096, 16),
    NUMBER(executor, blocking_threads, 1, 256, 4),
    NUMBER(executor, blocking_queue, 1, 1 << 24, 65536),
    TOGGLE(executor, pin, TSUGA_OFF),
    TOGGLE(executor, steal, TSUGA_ON),
    NUMBER(actor, stop_ms, 1, DAY, 5000),
    NUMBER(actor, death_ms, 1, DAY, 5000),
    NUMBER(actor, shutdown_ms, 1, DAY, 10000),
    SIZE(ioheap, reserve, TSUGA_CONFIG_ANY, 64 * KIB, 64 * TIB, 64 * GIB),
    SIZE(ioheap, arena_size, TSUGA_CONFIG_POWER_OF_TWO, 64 * KIB, GIB, 2 * MIB),
    SIZE(ioheap, segment_min, TSUGA_CONFIG_POWER_OF_TWO, 512, GIB, 0),
    SIZE(ioheap, quota, TSUGA_CONFIG_ANY, 0, 64 * TIB, 0),
    CLASSES(ioheap, size_classes),
    NUMBER(ioheap, decay_ms, 1, DAY, 1000),
    TOGGLE(ioheap, guard, TSUGA_OFF),
    TOGGLE(ioheap, huge_pages, TSUGA_ON),
    WORD(ioheap, registration, TSUGA_CONFIG_REGISTRATION, TSUGA_REGISTRATION_OFF,
         TSUGA_REGISTRATION_AUTO),
    NUMBER(ioheap, registration_slots, 1, 16384, 4096),
    NUMBER(mailbox, capacity, 0, 1u << 31, 0),
    WORD(mailbox, full, TSUGA_CONFIG_FULL, TSUGA_FULL_DROP, TSUGA_FULL_FAIL),
    CLASSES(receive, group_sizes),
    POWER(receive, group_buffers, 1, 32768, 64),
    SIZE(receive, lent_max, TSUGA_CONFIG_ANY, 64, 64 * TIB, 1 * MIB),
    WORD(receive, sizer, TSUGA_CONFIG_SIZING, TSUGA_SIZING_FIXED, TSUGA_SIZING_ADAPTIVE),
    SIZE(receive, sizer_min, TSUGA_CONFIG_ANY, 1, 2 * MIB, 4 * KIB),
    SIZE(receive, sizer_max, TSUGA_CONFIG_ANY, 1, 2 * MIB, 64 * KIB),
    SIZE(send, zero_copy_min, TSUGA_CONFIG_ANY, 0, GIB, 0),
    SIZE(stack, size, TSUGA_CONFIG_WHOLE_PAGES, 16 * KIB, 64 * MIB, 64 * KIB),
    NUMBER(stack, pool, 1, 1u << 20, 64),
    NUMBER(stack, count_max, 1, 1u << 20, 16384),
    FEATURE(defer_taskrun, TSUGA_FEATURE_DEFER_TASKRUN),
    FEATURE(registered_ring, TSUGA_FEATURE_REGISTERED_RING),
    FEATURE(no_iowait, TSUGA_FEATURE_NO_IOWAIT),
    FEATURE(bind_listen, TSUGA_FEATURE_BIND_LISTEN),
    FEATURE(ftruncate, TSUGA_FEATURE_FTRUNCATE),
    FEATURE(futex, TSUGA_FEATURE_FUTEX),
    FEATURE(waitid, TSUGA_FEATURE_WAITID),
    FEATURE(guard_install, TSUGA_FEATURE_GUARD_INSTALL),
    FEATURE(buffer_ring, TSUGA_FEATURE_BUFFER_RING),
    FEATURE(buffer_ring_incremental, TSUGA_FEATURE_BUFFER_RING_INCREMENTAL),
    FEATURE(multishot, TSUGA_FEATURE_MULTISHOT),
    FEATURE(read_multishot, TSUGA_FEATURE_READ_MULTISHOT),
    FEATURE(send_zero_copy, TSUGA_FEATURE_SEND_ZERO_COPY),
    FEATURE(registered_buffers, TSUGA_FEATURE_REGISTERED_BUFFERS),
    FEATURE(vectors_fixed, TSUGA_FEATURE_VECTORS_FIXED),
    FEATURE(registered_files, TSUGA_FEATURE_REGISTERED_FILES),
    WORD(log, level, TSUGA_CONFIG_LEVEL, TSUGA_LOG_DEBUG, TSUGA_LOG_WARN),
};
