#include "executor/timed.h"

#include <errno.h>
#include <string.h>

#include "executor/executor.h"

#define EXECUTOR_SHIFT 56u
#define SLOT_SHIFT     32u
#define SLOT_MASK      UINT64_C(0xffffff)
#define FETCHED        8     /* entries at once */
#define TRIMMED        2048u /* letters at once: below a millisecond */
#define LINKED_MAX     32u   /* entries that are free but for being unlinked */

_Static_assert((uint64_t)TSUGA_TIMED_CHUNK_SLOTS *TSUGA_TIMED_CHUNKS_MAX == SLOT_MASK + 1,
               "a slot fits the reference");

static struct tsuga_timed *at(const struct tsuga_timed_table *table, uint32_t slot)
{
    return &table->chunks[slot / TSUGA_TIMED_CHUNK_SLOTS][slot % TSUGA_TIMED_CHUNK_SLOTS];
}

static size_t directory_bytes(uint32_t chunk_count)
{
    return chunk_count * sizeof(struct tsuga_timed *);
}

static size_t free_bytes(uint32_t chunk_count)
{
    return (size_t)chunk_count * TSUGA_TIMED_CHUNK_SLOTS * sizeof(uint32_t);
}

void tsuga_timed_table_fini(struct tsuga_timed_table *table, const struct tsuga_memory *memory)
{
    for (uint32_t i = 0; i < table->chunk_count * TSUGA_TIMED_CHUNK_SLOTS; i++) {
        if (at(table, i)->letter != NULL)
            tsuga_letters_give(NULL, memory, at(table, i)->letter);
    }
    for (uint32_t i = 0; i < table->chunk_count; i++)
        tsuga_memory_free(memory, table->chunks[i],
                          TSUGA_TIMED_CHUNK_SLOTS * sizeof(struct tsuga_timed));
    tsuga_memory_free(memory, table->chunks, directory_bytes(table->chunk_count_max));
    tsuga_memory_free(memory, table->free, free_bytes(table->chunk_count_max));
}

static int grow_directory(struct tsuga_timed_table *table, const struct tsuga_memory *memory)
{
    uint32_t count_max = table->chunk_count_max == 0 ? 16 : table->chunk_count_max * 2;
    struct tsuga_timed **chunks = tsuga_memory_alloc(memory, directory_bytes(count_max));
    uint32_t *free = tsuga_memory_alloc(memory, free_bytes(count_max));

    if (chunks == NULL || free == NULL) {
        tsuga_memory_free(memory, chunks, directory_bytes(count_max));
        tsuga_memory_free(memory, free, free_bytes(count_max));
        return -ENOMEM;
    }
    /* It grows when no slot is free: the old array of those says nothing. */
    if (table->chunk_count > 0)
        memcpy(chunks, table->chunks, directory_bytes(table->chunk_count));
    tsuga_memory_free(memory, table->chunks, directory_bytes(table->chunk_count_max));
    tsuga_memory_free(memory, table->free, free_bytes(table->chunk_count_max));
    table->chunks = chunks;
    table->free = free;
    table->chunk_count_max = count_max;
    return 0;
}

static int grow(struct tsuga_timed_table *table, const struct tsuga_memory *memory)
{
    struct tsuga_timed *chunk;
    int error = 0;

    if (table->chunk_count == TSUGA_TIMED_CHUNKS_MAX)
        return -ENOMEM;
    if (table->chunk_count == table->chunk_count_max)
        error = grow_directory(table, memory);
    if (error != 0)
        return error;
    chunk = tsuga_memory_alloc_zeroed(memory, TSUGA_TIMED_CHUNK_SLOTS * sizeof(*chunk));
    if (chunk == NULL)
        return -ENOMEM;
    for (uint32_t i = TSUGA_TIMED_CHUNK_SLOTS; i-- > 0;) {
        chunk[i].slot = table->chunk_count * TSUGA_TIMED_CHUNK_SLOTS + i;
        chunk[i].generation = 1;
        table->free[table->free_count++] = chunk[i].slot;
    }
    table->chunks[table->chunk_count++] = chunk;
    return 0;
}

static uint32_t latest_of(const struct tsuga_actor *actor)
{
    return atomic_load_explicit(&actor->timers, memory_order_relaxed);
}

/* Pairs with may_be_adopted(): who finds none may take the actor over. */
static void set_latest(struct tsuga_actor *actor, uint32_t timers)
{
    atomic_store_explicit(&actor->timers, timers, memory_order_release);
}

/* Into the actor's list. */
static void tie(struct tsuga_timed_table *table, struct tsuga_actor *actor,
                struct tsuga_timed *timed)
{
    timed->owner = actor->slot;
    timed->older = latest_of(actor);
    timed->newer = 0;
    if (timed->older != 0)
        at(table, timed->older - 1)->newer = timed->slot + 1;
    set_latest(actor, timed->slot + 1);
}

static void untie(struct tsuga_timed_table *table, struct tsuga_actor *actor,
                  const struct tsuga_timed *timed)
{
    if (timed->newer != 0)
        at(table, timed->newer - 1)->older = timed->older;
    else
        set_latest(actor, timed->older);
    if (timed->older != 0)
        at(table, timed->older - 1)->newer = timed->newer;
}

/* The entry leaves the wheel and its actor. */
static void unlink_one(struct tsuga_executor *executor, struct tsuga_timed *timed)
{
    (void)tsuga_timers_cancel(&executor->timers, &timed->alarm.timer);
    untie(&executor->timed, tsuga_actor_table_at(&executor->shared->table, timed->owner), timed);
}

void tsuga_timed_settle(struct tsuga_executor *executor)
{
    struct tsuga_timed_table *table = &executor->timed;

    for (; table->linked_count > 0; table->linked_count--)
        unlink_one(executor, at(table, table->free[table->free_count - table->linked_count]));
}

bool tsuga_timed_has_any(struct tsuga_executor *executor, const struct tsuga_seat *seat)
{
    tsuga_timed_settle(executor);
    return latest_of(&seat->actor) != 0;
}

/* The entry is armed no more, and what is in it beside the links is free. Its neighbours in the two
 * lists are cache lines that nobody has touched for long: several entries are unlinked one after
 * the other, so that the misses of many are under way at the same time. */
static void disarm(struct tsuga_executor *executor, struct tsuga_timed *timed)
{
    struct tsuga_timed_table *table = &executor->timed;

    timed->is_armed = false;
    /* A slot whose generation would wrap is retired: a reference could come to mean another. */
    if (++timed->generation == UINT32_MAX) {
        unlink_one(executor, timed);
        return;
    }
    table->free[table->free_count++] = timed->slot;
    if (++table->linked_count == LINKED_MAX)
        tsuga_timed_settle(executor);
}

/* Nothing is sent. A small letter waits for the next use, and is not even looked at. */
static void cancel(struct tsuga_executor *executor, struct tsuga_timed *timed)
{
    if (!timed->is_small) {
        tsuga_letters_give(&executor->letters, executor->shared->memory, timed->letter);
        timed->letter = NULL;
    }
    disarm(executor, timed);
}

/* After a million cancels in any order the next free entries lie anywhere: they are on their way
 * into the cache before it is their turn, and the letters of the nearer ones. Several at once: a
 * prefetch waits for the page tables, which then happens side by side, while the look at the clock
 * of each arming would wait for each. Those freed last are in the cache. */
static struct tsuga_timed *take_next(struct tsuga_timed_table *table)
{
    if (table->free_count % FETCHED == 0 && table->free_count >= 2 * FETCHED &&
        table->linked_count == 0) {
        const uint32_t *next = table->free + table->free_count;

        for (int i = 1; i <= FETCHED; i++) {
            __builtin_prefetch(at(table, next[-i])->letter, 1);
            __builtin_prefetch(at(table, next[-i - FETCHED]), 1);
        }
    }
    table->free_count--;
    if (table->free_count < table->free_low)
        table->free_low = table->free_count;
    return at(table, table->free[table->free_count]);
}

static int take(struct tsuga_executor *executor, struct tsuga_timed **out)
{
    struct tsuga_timed_table *table = &executor->timed;
    int error = table->free_count == 0 ? grow(table, executor->shared->memory) : 0;

    if (error != 0)
        return error;
    *out = take_next(table);
    if (table->linked_count > 0) {
        table->linked_count--;
        unlink_one(executor, *out);
    }
    return 0;
}

bool tsuga_timed_trim(struct tsuga_executor *executor)
{
    struct tsuga_timed_table *table = &executor->timed;
    uint32_t end;

    if (table->bare_count > table->free_low)
        table->bare_count = table->free_low;
    end = table->bare_count + TRIMMED;
    if (end > table->free_low)
        end = table->free_low;
    for (; table->bare_count < end; table->bare_count++) {
        struct tsuga_timed *timed = at(table, table->free[table->bare_count]);

        if (timed->letter != NULL)
            tsuga_letters_give(NULL, executor->shared->memory, timed->letter);
        timed->letter = NULL;
    }
    table->free_low = table->free_count;
    return table->bare_count < table->free_low;
}

static struct tsuga_id receiver_of(const struct tsuga_letter *letter)
{
    return (struct tsuga_id){(uint64_t)(uintptr_t)letter->attachment};
}

/* Periods that have passed unseen are not made up for. */
static void arm_again(struct tsuga_executor *executor, struct tsuga_timed *timed)
{
    struct tsuga_timed_period period;
    void *place = timed->letter->payload + timed->letter->payload_bytes;
    uint64_t now_ns = tsuga_executor_now_ns(executor);
    uint64_t late_ns;

    memcpy(&period, place, sizeof(period));
    late_ns = now_ns - period.due_ns;
    /* In 584 years: it stays what it is, and never comes again. */
    if (period.period_ns > TSUGA_FOREVER - 1 - now_ns)
        return;
    period.due_ns += (late_ns / period.period_ns + 1) * period.period_ns;
    memcpy(place, &period, sizeof(period));
    tsuga_timers_arm(&executor->timers, &timed->alarm.timer, period.due_ns);
}

static void send_copy(struct tsuga_executor *executor, const struct tsuga_letter *letter)
{
    struct tsuga_letter *copy = tsuga_executor_write(executor->shared, executor, letter->head.tag,
                                                     letter->payload, letter->payload_bytes);

    if (copy == NULL) {
        tsuga_executor_lose_letter(executor->shared, executor, receiver_of(letter), letter,
                                   -ENOMEM);
        return;
    }
    copy->from = letter->from;
    (void)tsuga_executor_dispatch(executor, receiver_of(letter), copy);
}

static void ring_again(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_timed *timed = TSUGA_CONTAINER_OF(alarm, struct tsuga_timed, alarm);

    TSUGA_ASSERT(timed->is_armed);
    send_copy(executor, timed->letter);
    arm_again(executor, timed);
}

static void ring_once(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_timed *timed = TSUGA_CONTAINER_OF(alarm, struct tsuga_timed, alarm);
    struct tsuga_letter *letter = timed->letter;

    TSUGA_ASSERT(timed->is_armed);
    timed->letter = NULL;
    disarm(executor, timed);
    tsuga_timed_settle(executor);
    (void)tsuga_executor_dispatch(executor, receiver_of(letter), letter);
}

static int check(const struct tsuga_mail *mail)
{
    return mail == NULL ? -EINVAL : tsuga_letters_check(mail->data, mail->bytes);
}

static struct tsuga_timer_ref reference_to(const struct tsuga_executor *executor,
                                           const struct tsuga_timed *timed)
{
    return (struct tsuga_timer_ref){(uint64_t)(executor->index + 1) << EXECUTOR_SHIFT |
                                    (uint64_t)timed->slot << SLOT_SHIFT | timed->generation};
}

/* An entry for a letter, armed for a time of the clock; TSUGA_FOREVER never comes. */
static int arm(struct tsuga_seat *seat, struct tsuga_letter *letter, uint64_t due_ns,
               void (*ring)(struct tsuga_executor *executor, struct tsuga_alarm *alarm),
               struct tsuga_timer_ref *out)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_timed *timed;
    int error = take(executor, &timed);

    if (error != 0) {
        tsuga_executor_discard(executor, &letter->head);
        return error;
    }
    if (timed->letter != NULL) /* the caller's is another */
        tsuga_letters_give(&executor->letters, executor->shared->memory, timed->letter);
    letter->from = tsuga_actor_id(&seat->actor);
    timed->letter = letter;
    timed->is_small = letter->alloc_bytes == TSUGA_LETTER_BYTES_MIN;
    timed->is_armed = true;
    timed->alarm.ring = ring;
    tie(&executor->timed, &seat->actor, timed);
    if (due_ns != TSUGA_FOREVER)
        tsuga_timers_arm(&executor->timers, &timed->alarm.timer, due_ns);
    if (out != NULL)
        *out = reference_to(executor, timed);
    return 0;
}

/* So much later; a time that 64 bits cannot tell is TSUGA_FOREVER. */
static uint64_t time_after(struct tsuga_executor *executor, uint64_t delay_ns)
{
    uint64_t now_ns = tsuga_clock_now_ns(&executor->shared->clock);

    return delay_ns > TSUGA_FOREVER - 1 - now_ns ? TSUGA_FOREVER : now_ns + delay_ns;
}

int tsuga_timed_arm(struct tsuga_seat *seat, struct tsuga_letter *letter, struct tsuga_id to,
                    uint64_t delay_ns, struct tsuga_timer_ref *out)
{
    uint64_t due_ns = time_after(tsuga_seat_home(seat), delay_ns);

    letter->attachment = (void *)(uintptr_t)to.value;
    return arm(seat, letter, due_ns, ring_once, out);
}

/* A letter for the next entry: the one that it has kept, if that is large enough. */
static struct tsuga_letter *take_letter(struct tsuga_executor *executor, size_t payload_bytes)
{
    const struct tsuga_timed_table *table = &executor->timed;

    if (table->free_count > 0 && tsuga_letters_is_small(payload_bytes)) {
        struct tsuga_timed *timed = at(table, table->free[table->free_count - 1]);
        struct tsuga_letter *letter = timed->letter;

        timed->letter = NULL;
        if (letter != NULL)
            return letter;
    }
    return tsuga_letters_take(&executor->letters, executor->shared->memory, payload_bytes);
}

/* The mail as a letter, with room for so much more behind its payload. */
static struct tsuga_letter *write(struct tsuga_executor *executor, const struct tsuga_mail *mail,
                                  size_t more_bytes)
{
    struct tsuga_letter *letter = take_letter(executor, mail->bytes + more_bytes);

    if (letter == NULL)
        return NULL;
    letter->head.tag = mail->tag;
    letter->head.lane = TSUGA_LANE_USER;
    letter->head.type = TSUGA_TYPE_USER;
    letter->head.flags = TSUGA_MESSAGE_ADMITTED;
    letter->payload_bytes = (uint32_t)mail->bytes;
    letter->attachment = (void *)(uintptr_t)mail->to.value;
    if (mail->bytes > 0)
        memcpy(letter->payload, mail->data, mail->bytes);
    return letter;
}

int tsuga_send_after(struct tsuga_actor *self, const struct tsuga_mail *mail, uint64_t delay_ns,
                     struct tsuga_timer_ref *out)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_letter *letter;
    int error = check(mail);

    if (error != 0)
        return error;
    letter = write(executor, mail, 0);
    if (letter == NULL)
        return -ENOMEM;
    return arm(seat, letter, time_after(executor, delay_ns), ring_once, out);
}

int tsuga_send_every(struct tsuga_actor *self, const struct tsuga_mail *mail, uint64_t period_ns,
                     struct tsuga_timer_ref *out)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_timed_period period = {time_after(executor, period_ns), period_ns};
    struct tsuga_letter *letter;
    int error = period_ns == 0 ? -EINVAL : check(mail);

    if (error != 0)
        return error;
    letter = write(executor, mail, sizeof(period));
    if (letter == NULL)
        return -ENOMEM;
    memcpy(letter->payload + mail->bytes, &period, sizeof(period));
    return arm(seat, letter, period.due_ns, ring_again, out);
}

/* An actor has moved only with nothing armed: a reference to another executor is spent. */
static int find(struct tsuga_seat *seat, struct tsuga_timer_ref timer, struct tsuga_timed **out)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    uint32_t executor_number = (uint32_t)(timer.value >> EXECUTOR_SHIFT);
    uint32_t slot = (uint32_t)(timer.value >> SLOT_SHIFT & SLOT_MASK);
    uint32_t generation = (uint32_t)timer.value;
    struct tsuga_timed *timed;

    if (executor_number == 0 || executor_number > executor->shared->executor_count ||
        generation == 0)
        return -EINVAL;
    if (executor_number != executor->index + 1)
        return -ENOENT;
    if (slot >= executor->timed.chunk_count * TSUGA_TIMED_CHUNK_SLOTS)
        return -EINVAL;
    timed = at(&executor->timed, slot);
    if (generation > timed->generation)
        return -EINVAL;
    if (generation < timed->generation || !timed->is_armed)
        return -ENOENT;
    *out = timed;
    return timed->owner == seat->actor.slot ? 0 : -EINVAL;
}

void tsuga_timed_begin(struct tsuga_seat *seat, struct tsuga_timer_ref timer, uint64_t delay_ns)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    uint64_t due_ns = time_after(executor, delay_ns);
    struct tsuga_timed *timed;

    if (due_ns != TSUGA_FOREVER && find(seat, timer, &timed) == 0)
        tsuga_timers_arm(&executor->timers, &timed->alarm.timer, due_ns);
}

int tsuga_timer_cancel(struct tsuga_actor *self, struct tsuga_timer_ref timer)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_timed *timed;
    int error = find(seat, timer, &timed);

    if (error == 0)
        cancel(executor, timed);
    return error;
}

void tsuga_timed_end(struct tsuga_seat *seat)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);

    tsuga_timed_settle(executor);
    while (latest_of(&seat->actor) != 0) {
        cancel(executor, at(&executor->timed, latest_of(&seat->actor) - 1));
        tsuga_timed_settle(executor);
    }
}
