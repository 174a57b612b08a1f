/* Leases and messages of random programs. */
#include <errno.h>
#include <string.h>

#include "tests/sim/program.h"

#define LEASE_BYTES_MAX 2048u

static struct program_lease *free_place(struct program *program)
{
    for (unsigned i = 0; i < PROGRAM_LEASES; i++) {
        if (program->leases[i].lease.value == 0)
            return &program->leases[i];
    }
    return NULL;
}

struct program_lease *program_idle_lease(struct program *program)
{
    unsigned first = (unsigned)program_draw(program, PROGRAM_LEASES);

    for (unsigned i = 0; i < PROGRAM_LEASES; i++) {
        struct program_lease *lease = &program->leases[(first + i) % PROGRAM_LEASES];

        if (lease->lease.value != 0 && lease->use_count == 0)
            return lease;
    }
    return NULL;
}

static void check(struct program *program, const struct program_lease *lease)
{
    const char *data = tsuga_lease_data(program->self, lease->lease);
    size_t bytes = tsuga_lease_bytes(program->self, lease->lease);

    REQUIRE(program->colony->run, data != NULL);
    if (lease->stream != 0)
        REQUIRE(program->colony->run, sim_is_filled(data, bytes, lease->stream, 0));
}

static void write_to(struct program *program, struct program_lease *lease)
{
    lease->stream = 1000 + ++program->colony->lease_streams;
    sim_fill(tsuga_lease_data(program->self, lease->lease),
             tsuga_lease_bytes(program->self, lease->lease), lease->stream, 0);
}

static void make(struct program *program)
{
    struct program_lease *lease = free_place(program);

    if (lease == NULL)
        return;
    *lease = (struct program_lease){0};
    if (tsuga_lease_make(program->self, 1 + program_draw(program, LEASE_BYTES_MAX),
                         &lease->lease) != 0)
        lease->lease.value = 0;
    else
        write_to(program, lease);
}

/* Others may have it, too: then it becomes a copy. */
static void rewrite(struct program *program, struct program_lease *lease)
{
    struct tsuga_lease writable;

    if (tsuga_lease_writable(program->self, lease->lease, &writable) != 0)
        return;
    lease->lease = writable;
    lease->is_shared = false;
    check(program, lease);
    write_to(program, lease);
}

/* The whole is given back at once; the slice keeps it. */
static void slice(struct program *program, struct program_lease *lease)
{
    struct tsuga_slice part = {.bytes = tsuga_lease_bytes(program->self, lease->lease)};
    struct tsuga_lease made;

    if (tsuga_lease_slice(program->self, lease->lease, &part, &made) != 0)
        return;
    REQUIRE(program->colony->run, tsuga_lease_release(program->self, lease->lease) == 0);
    lease->lease = made;
    check(program, lease);
}

static void release(struct program *program, struct program_lease *lease)
{
    REQUIRE(program->colony->run, tsuga_lease_release(program->self, lease->lease) == 0);
    lease->lease.value = 0;
}

void program_handle_lease(struct program *program)
{
    struct program_lease *lease = program_idle_lease(program);

    if (lease == NULL) {
        make(program);
        return;
    }
    check(program, lease);
    switch (program_draw(program, 5)) {
    case 0:
        rewrite(program, lease);
        return;
    case 1:
        slice(program, lease);
        return;
    case 2:
        release(program, lease);
        return;
    default:
        make(program);
        return;
    }
}

/* Messages: each has its number, and perhaps a lease whose pattern it names. */

struct saying {
    uint64_t number;
    uint64_t stream; /* of the lease; 0: none */
};

void program_say(struct program *program)
{
    unsigned place = (unsigned)program_draw(program, PROGRAM_ACTORS);
    struct tsuga_id to = program->colony->ids[place];
    struct program_lease *lease = program_idle_lease(program);
    struct saying saying;
    int error;

    if (to.value == 0)
        return;
    if (program->sent_to[place] != to.value)
        program->sent[place] = 0;
    program->sent_to[place] = to.value;
    saying = (struct saying){.number = ++program->sent[place]};
    if (lease != NULL && lease->stream != 0 && program_draw(program, 2) == 0) {
        saying.stream = lease->stream;
        lease->is_shared = true;
        error = tsuga_send_with_lease(program->self, to, 0, &saying, sizeof(saying), lease->lease);
    } else {
        error = tsuga_send(program->self, to, 0, &saying, sizeof(saying));
    }
    REQUIRE(program->colony->run, error <= 0);
}

/* The numbers of one sender rise; what did not arrive was refused. */
static void check_order(struct program *program, struct tsuga_id from, uint64_t number)
{
    struct program_sender *sender = &program->senders[from.value % PROGRAM_SENDERS];

    if (sender->id != from.value)
        *sender = (struct program_sender){.id = from.value};
    REQUIRE(program->colony->run, number > sender->number);
    sender->number = number;
}

static void take_lease(struct program *program, const struct tsuga_message *message,
                       uint64_t stream)
{
    struct program_lease *lease = free_place(program);

    if (lease == NULL)
        return; /* it goes with the message */
    *lease = (struct program_lease){.stream = stream, .is_shared = true};
    if (tsuga_message_lease(program->self, message, &lease->lease) != 0)
        lease->lease.value = 0;
    else
        check(program, lease);
}

void program_hear(struct program *program, const struct tsuga_message *message)
{
    struct saying saying;

    if (program_hear_tie(program, message))
        return;
    REQUIRE(program->colony->run, tsuga_message_bytes(message) == sizeof(saying));
    memcpy(&saying, tsuga_message_data(message), sizeof(saying));
    check_order(program, tsuga_message_from(message), saying.number);
    if (saying.stream != 0)
        take_lease(program, message, saying.stream);
}
