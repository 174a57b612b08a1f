/*
 * Rules of the I/O heap that a test may turn off, to see the damage that each one prevents. A test
 * that cannot fail proves nothing. In release builds the rules cannot be turned off.
 *
 * Thread: any.
 */
#ifndef TSUGA_IOHEAP_RULES_H
#define TSUGA_IOHEAP_RULES_H

#include <stdbool.h>
#include <stdint.h>

enum tsuga_ioheap_rule {
    TSUGA_RULE_FRONTMOST = 1 << 0,  /* off: a free span of the exact size is preferred */
    TSUGA_RULE_MERGE = 1 << 1,      /* off: spans given back stay apart */
    TSUGA_RULE_FREED_ONCE = 1 << 2, /* off: a block that was freed can be freed again */
    TSUGA_RULE_CLEAR = 1 << 3,      /* off: a segment keeps the bytes of its last heap */
    TSUGA_RULE_WITHDRAW = 1 << 4,   /* off: an arena is purged although a ring has it */
};

#ifdef TSUGA_DEEP_CHECKS
static inline bool tsuga_rules_keep(uint8_t rules_off, enum tsuga_ioheap_rule rule)
{
    return (rules_off & rule) == 0;
}
#else
static inline bool tsuga_rules_keep(uint8_t rules_off, enum tsuga_ioheap_rule rule)
{
    (void)rules_off;
    (void)rule;
    return true;
}
#endif

#endif
