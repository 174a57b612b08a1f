#include "executor/timers.h"

#include "runtime/base/bits.h"

#define SLOT_MASK (TSUGA_TIMER_SLOTS - 1)

/* The last tick of 64-bit nanoseconds, in 584 years, stands for never. */
#define TICK_MAX (UINT64_MAX >> TSUGA_TIMER_TICK_SHIFT)

_Static_assert(TSUGA_TIMER_TICK_SHIFT + TSUGA_TIMER_LEVELS * TSUGA_TIMER_SLOT_SHIFT >= 64,
               "every tick has a level");

static unsigned shift_of(unsigned level)
{
    return level * TSUGA_TIMER_SLOT_SHIFT;
}

static unsigned digit_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> shift_of(level)) & SLOT_MASK;
}

/* The highest digit in which the two differ; they do differ. */
static unsigned level_of(uint64_t tick, uint64_t wheel)
{
    return tsuga_bits_log2_floor(tick ^ wheel) / TSUGA_TIMER_SLOT_SHIFT;
}

void tsuga_timers_init(struct tsuga_timers *timers, uint64_t now_ns)
{
    timers->tick = now_ns >> TSUGA_TIMER_TICK_SHIFT;
    for (unsigned level = 0; level < TSUGA_TIMER_LEVELS; level++) {
        timers->busy[level] = 0;
        for (unsigned slot = 0; slot < TSUGA_TIMER_SLOTS; slot++)
            tsuga_list_init(&timers->slots[level][slot]);
    }
}

static void insert(struct tsuga_timers *timers, struct tsuga_timer *timer)
{
    unsigned level = level_of(timer->tick, timers->tick);
    unsigned slot = digit_of(timer->tick, level);

    timers->busy[level] |= UINT64_C(1) << slot;
    tsuga_list_push_back(&timers->slots[level][slot], &timer->link);
}

void tsuga_timers_arm(struct tsuga_timers *timers, struct tsuga_timer *timer, uint64_t deadline_ns)
{
    uint64_t tick = deadline_ns >> TSUGA_TIMER_TICK_SHIFT;

    TSUGA_ASSERT(timer->tick == 0);
    /* Rounded up, unless that leaves the wheel; a tick of the past, or the present one, is the
     * next. */
    if ((tick << TSUGA_TIMER_TICK_SHIFT) != deadline_ns && tick < TICK_MAX)
        tick++;
    timer->tick = tick > timers->tick ? tick : timers->tick + 1;
    insert(timers, timer);
}

bool tsuga_timers_cancel(struct tsuga_timers *timers, struct tsuga_timer *timer)
{
    struct tsuga_list_node *next = timer->link.next;
    bool is_alone = next == timer->link.prev; /* known without a look at the list */
    unsigned level;

    if (timer->tick == 0)
        return false;
    tsuga_list_remove(&timer->link);
    /* A list that has become empty is its slot's. A timer in the list that is being fired is in no
     * slot any more, and the bit it would clear is clear. */
    if (is_alone && timer->tick > timers->tick) {
        level = level_of(timer->tick, timers->tick);
        if (next == &timers->slots[level][digit_of(timer->tick, level)])
            timers->busy[level] &= ~(UINT64_C(1) << digit_of(timer->tick, level));
    }
    timer->tick = 0;
    return true;
}

/* Everything of a slot into a list of the caller's. */
static void take_slot(struct tsuga_timers *timers, unsigned level, unsigned slot,
                      struct tsuga_list_node *out)
{
    struct tsuga_list_node *node;

    timers->busy[level] &= ~(UINT64_C(1) << slot);
    while ((node = tsuga_list_pop_front(&timers->slots[level][slot])) != NULL)
        tsuga_list_push_back(out, node);
}

static struct tsuga_timer *timer_of(struct tsuga_list_node *node)
{
    return TSUGA_CONTAINER_OF(node, struct tsuga_timer, link);
}

/* The wheel has reached `tick`: slots that begin with it move down, highest level first. */
static void cascade(struct tsuga_timers *timers, struct tsuga_list_node *due)
{
    struct tsuga_list_node moving;
    struct tsuga_list_node *node;

    for (unsigned level = TSUGA_TIMER_LEVELS - 1; level > 0; level--) {
        unsigned slot = digit_of(timers->tick, level);

        if ((timers->tick & ((UINT64_C(1) << shift_of(level)) - 1)) != 0 ||
            (timers->busy[level] >> slot & 1) == 0)
            continue;
        tsuga_list_init(&moving);
        take_slot(timers, level, slot, &moving);
        while ((node = tsuga_list_pop_front(&moving)) != NULL) {
            if (timer_of(node)->tick == timers->tick)
                tsuga_list_push_back(due, node);
            else
                insert(timers, timer_of(node));
        }
    }
    take_slot(timers, 0, digit_of(timers->tick, 0), due);
}

/* The next tick at which something is due or moves down; UINT64_MAX: none. */
static uint64_t next_tick(const struct tsuga_timers *timers)
{
    for (unsigned level = 0; level < TSUGA_TIMER_LEVELS; level++) {
        unsigned digit = digit_of(timers->tick, level);
        /* Busy slots of a level lie beyond the wheel's digit: else they had moved down. */
        uint64_t ahead = digit == SLOT_MASK ? 0 : timers->busy[level] >> (digit + 1);
        uint64_t base;

        if (ahead == 0)
            continue;
        base = timers->tick >> shift_of(level);
        return (base + 1 + tsuga_bits_lowest(ahead)) << shift_of(level);
    }
    return UINT64_MAX;
}

void tsuga_timers_expire(struct tsuga_timers *timers, uint64_t now_ns, tsuga_timer_fn *fire,
                         void *context)
{
    uint64_t now_tick = now_ns >> TSUGA_TIMER_TICK_SHIFT;
    struct tsuga_list_node due;
    struct tsuga_list_node *node;
    uint64_t tick;

    while ((tick = next_tick(timers)) <= now_tick) {
        timers->tick = tick;
        tsuga_list_init(&due);
        cascade(timers, &due);
        while ((node = tsuga_list_pop_front(&due)) != NULL) {
            timer_of(node)->tick = 0;
            fire(timer_of(node), context);
        }
    }
    if (now_tick > timers->tick)
        timers->tick = now_tick;
}

uint64_t tsuga_timers_next_ns(const struct tsuga_timers *timers)
{
    uint64_t tick = next_tick(timers);

    return tick >= TICK_MAX ? UINT64_MAX : tick << TSUGA_TIMER_TICK_SHIFT;
}
