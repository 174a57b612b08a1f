#include "executor/timed.h"

#include <errno.h>
#include <string.h>

#include "executor/executor.h"

#define EXECUTOR_SHIFT 56u
#define SLOT_SHIFT     32u
#define SLOT_MASK      UINT64_C(0xffffff)

_Static_assert((uint64_t)TSUGA_TIMED_CHUNK_SLOTS *TSUGA_TIMED_CHUNKS_MAX == SLOT_MASK + 1,
               "a slot fits the reference");

void tsuga_timed_table_fini(struct tsuga_timed_table *table, const struct tsuga_memory *memory)
{
    for (uint32_t i = 0; i < table->chunk_count; i++)
        tsuga_memory_free(memory, table->chunks[i],
                          TSUGA_TIMED_CHUNK_SLOTS * sizeof(struct tsuga_timed));
    tsuga_memory_free(memory, table->chunks, table->chunk_count_max * sizeof(struct tsuga_timed *));
}

static int grow_directory(struct tsuga_timed_table *table, const struct tsuga_memory *memory)
{
    uint32_t count_max = table->chunk_count_max == 0 ? 16 : table->chunk_count_max * 2;
    size_t old_bytes = table->chunk_count_max * sizeof(struct tsuga_timed *);
    struct tsuga_timed **larger =
        tsuga_memory_alloc(memory, count_max * sizeof(struct tsuga_timed *));

    if (larger == NULL)
        return -ENOMEM;
    if (old_bytes > 0)
        memcpy(larger, table->chunks, old_bytes);
    tsuga_memory_free(memory, table->chunks, old_bytes);
    table->chunks = larger;
    table->chunk_count_max = count_max;
    return 0;
}

static void put_free(struct tsuga_timed_table *table, struct tsuga_timed *timed)
{
    timed->next_free = table->free;
    table->free = timed;
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
        chunk[i].bond.slot = (table->chunk_count * TSUGA_TIMED_CHUNK_SLOTS + i) & SLOT_MASK;
        chunk[i].bond.generation = 1;
        put_free(table, &chunk[i]);
    }
    table->chunks[table->chunk_count++] = chunk;
    return 0;
}

static int take(struct tsuga_executor *executor, struct tsuga_timed **out)
{
    struct tsuga_timed_table *table = &executor->timed;
    int error = table->free == NULL ? grow(table, executor->shared->memory) : 0;

    if (error != 0)
        return error;
    *out = table->free;
    table->free = table->free->next_free;
    return 0;
}

/* The entry leaves the wheel and its actor; its letter is the caller's. */
static struct tsuga_letter *disarm(struct tsuga_executor *executor, struct tsuga_actor *actor,
                                   struct tsuga_timed *timed)
{
    struct tsuga_letter *letter = timed->letter;

    (void)tsuga_timers_cancel(&executor->timers, &timed->alarm.timer);
    tsuga_bond_untie(&timed->bond);
    timed->bond.kind = TSUGA_BOND_NONE;
    actor->timer_count--;
    /* A slot whose generation would wrap is retired: a reference could come to mean another. */
    if (++timed->bond.generation != UINT32_MAX)
        put_free(&executor->timed, timed);
    return letter;
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
    uint64_t late_ns;

    memcpy(&period, place, sizeof(period));
    late_ns = executor->now_ns - period.due_ns;
    /* In 584 years: it stays what it is, and never comes again. */
    if (period.period_ns > TSUGA_FOREVER - 1 - executor->now_ns)
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

    send_copy(executor, timed->letter);
    arm_again(executor, timed);
}

static void ring_once(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_timed *timed = TSUGA_CONTAINER_OF(alarm, struct tsuga_timed, alarm);
    struct tsuga_letter *letter = timed->letter;
    struct tsuga_actor *actor = tsuga_actor_table_find(&executor->shared->table, letter->from);

    (void)disarm(executor, actor, timed);
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
                                    (uint64_t)timed->bond.slot << SLOT_SHIFT |
                                    timed->bond.generation};
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
    letter->from = tsuga_actor_id(&seat->actor);
    timed->letter = letter;
    timed->bond.kind = TSUGA_BOND_TIMER;
    timed->alarm.ring = ring;
    tsuga_bond_tie(&seat->actor.bonds, &timed->bond);
    seat->actor.timer_count++;
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

int tsuga_send_after(struct tsuga_actor *self, const struct tsuga_mail *mail, uint64_t delay_ns,
                     struct tsuga_timer_ref *out)
{
    struct tsuga_seat *seat = tsuga_seat_of(self);
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_letter *letter;
    int error = check(mail);

    if (error != 0)
        return error;
    letter = tsuga_executor_write(executor->shared, executor, mail->tag, mail->data, mail->bytes);
    if (letter == NULL)
        return -ENOMEM;
    letter->head.flags |= TSUGA_MESSAGE_ADMITTED;
    return tsuga_timed_arm(seat, letter, mail->to, delay_ns, out);
}

/* The letter that the copies are made from, with the period behind its payload. */
static struct tsuga_letter *write_repeated(struct tsuga_executor *executor,
                                           const struct tsuga_mail *mail,
                                           struct tsuga_timed_period period)
{
    struct tsuga_letter *letter = tsuga_letters_take(&executor->letters, executor->shared->memory,
                                                     mail->bytes + sizeof(period));

    if (letter == NULL)
        return NULL;
    letter->head.tag = mail->tag;
    letter->head.type = TSUGA_TYPE_USER;
    letter->head.flags = 0;
    letter->payload_bytes = (uint32_t)mail->bytes;
    letter->attachment = (void *)(uintptr_t)mail->to.value;
    if (mail->bytes > 0)
        memcpy(letter->payload, mail->data, mail->bytes);
    memcpy(letter->payload + mail->bytes, &period, sizeof(period));
    return letter;
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
    letter = write_repeated(executor, mail, period);
    if (letter == NULL)
        return -ENOMEM;
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
    timed = &executor->timed.chunks[slot / TSUGA_TIMED_CHUNK_SLOTS][slot % TSUGA_TIMED_CHUNK_SLOTS];
    if (generation > timed->bond.generation)
        return -EINVAL;
    if (generation < timed->bond.generation || timed->bond.kind == TSUGA_BOND_NONE)
        return -ENOENT;
    *out = timed;
    return tsuga_id_equal(timed->letter->from, tsuga_actor_id(&seat->actor)) ? 0 : -EINVAL;
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
        tsuga_executor_discard(executor, &disarm(executor, &seat->actor, timed)->head);
    return error;
}

void tsuga_timed_end(struct tsuga_seat *seat)
{
    struct tsuga_executor *executor = tsuga_seat_home(seat);
    struct tsuga_bond *bond = seat->actor.bonds;

    while (seat->actor.timer_count > 0) {
        struct tsuga_bond *next = bond->next;

        if (bond->kind == TSUGA_BOND_TIMER) {
            struct tsuga_timed *timed = TSUGA_CONTAINER_OF(bond, struct tsuga_timed, bond);

            tsuga_executor_discard(executor, &disarm(executor, &seat->actor, timed)->head);
        }
        bond = next;
    }
}
