/*
 * Memory that comes and goes while the kernel has it pinned. Actors read and write parts of their
 * files through leases as large as arenas, several at a time, and give them back; arenas that are
 * free for a millisecond are unpinned and given to the system, and others are pinned in their
 * place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/support.h"

#define ACTORS     3u
#define PIECES     4u
#define FILE_BYTES 65536u
#define PART_BYTES 4096u
#define KIB        1024u
#define PAUSE_NS   UINT64_C(4000000)

struct piece {
    struct tsuga_lease lease;
    struct tsuga_token token;
    size_t lease_offset;
    size_t bytes;
    uint64_t offset;
};

struct owner {
    struct sim_run *run;
    struct tsuga_actor *self;
    uint64_t random;
    uint64_t stream;
    int fd;
    struct piece pieces[PIECES];
    uint32_t count;
};

static char *place_of(const struct owner *owner, const struct piece *piece)
{
    return (char *)tsuga_lease_data(owner->self, piece->lease) + piece->lease_offset;
}

static void start(struct owner *owner, struct piece *piece, enum tsuga_op_kind kind)
{
    struct tsuga_op op = {.kind = kind,
                          .options = TSUGA_OP_AT,
                          .fd = owner->fd,
                          .lease = piece->lease,
                          .lease_offset = piece->lease_offset,
                          .bytes = piece->bytes,
                          .offset = piece->offset};

    piece->token = tsuga_submit(owner->self, &op);
}

/* False: the actor is being stopped. */
static bool finish(struct owner *owner, const struct piece *piece, bool is_read)
{
    struct tsuga_completion got = tsuga_await(owner->self, piece->token);

    if (!got.last)
        return false;
    REQUIRE(owner->run, got.result != -EFAULT); /* all of it is where the kernel looks */
    REQUIRE(owner->run, got.result >= 0 || !owner->run->is_peaceful);
    if (is_read && got.result > 0)
        REQUIRE(owner->run, sim_is_filled(place_of(owner, piece), (size_t)got.result, owner->stream,
                                          piece->offset));
    return got.result != -ECANCELED;
}

/* A lease of up to half an arena, and somewhere in it a part of the file. */
static bool make(struct owner *owner, struct piece *piece)
{
    size_t bytes_max = owner->run->config.ioheap.arena_size / 2;
    size_t bytes = PART_BYTES + sim_random(&owner->random) % (bytes_max - PART_BYTES);

    piece->bytes = 1 + sim_random(&owner->random) % PART_BYTES;
    piece->lease_offset = sim_random(&owner->random) % (bytes - piece->bytes);
    piece->offset = sim_random(&owner->random) % (FILE_BYTES - piece->bytes);
    return tsuga_lease_make(owner->self, bytes, &piece->lease) == 0;
}

static void take_pieces(struct owner *owner)
{
    uint32_t wanted = 1 + (uint32_t)(sim_random(&owner->random) % PIECES);

    owner->count = 0;
    while (owner->count < wanted && make(owner, &owner->pieces[owner->count]))
        owner->count++;
}

static bool use_pieces(struct owner *owner, enum tsuga_op_kind kind)
{
    bool goes_on = true;

    for (uint32_t i = 0; i < owner->count; i++)
        start(owner, &owner->pieces[i], kind);
    for (uint32_t i = 0; i < owner->count; i++)
        goes_on = finish(owner, &owner->pieces[i], kind == TSUGA_OP_READ) && goes_on;
    return goes_on;
}

/* Writes what is there already. */
static void fill_pieces(struct owner *owner)
{
    for (uint32_t i = 0; i < owner->count; i++)
        sim_fill(place_of(owner, &owner->pieces[i]), owner->pieces[i].bytes, owner->stream,
                 owner->pieces[i].offset);
}

static bool go_round(struct owner *owner)
{
    bool goes_on;

    take_pieces(owner);
    goes_on = use_pieces(owner, TSUGA_OP_READ);
    if (goes_on) {
        fill_pieces(owner);
        goes_on = use_pieces(owner, TSUGA_OP_WRITE);
    }
    for (uint32_t i = 0; goes_on && i < owner->count; i++)
        REQUIRE(owner->run, tsuga_lease_release(owner->self, owner->pieces[i].lease) == 0);
    return goes_on && tsuga_await(owner->self,
                                  tsuga_timeout(owner->self, sim_random(&owner->random) % PAUSE_NS))
                              .result != -ECANCELED;
}

static void own(struct tsuga_actor *self, void *argument)
{
    struct owner *owner = tsuga_state(self);
    char path[64];

    owner->run = argument;
    owner->self = self;
    owner->stream = sim_random(&owner->run->random) % ACTORS;
    owner->random = tsuga_self(self).value ^ owner->run->random;
    snprintf(path, sizeof(path), "/pinned-%u", (unsigned)owner->stream);
    owner->fd = tsuga_await(self, tsuga_open(self, path, O_RDWR)).result;
    REQUIRE(owner->run, owner->fd >= 0 || !owner->run->is_peaceful);
    while (owner->fd >= 0 && !sim_is_over(owner->run) && go_round(owner))
        continue;
}

static void put_files(struct sim_run *run)
{
    static char content[FILE_BYTES];
    char path[64];

    for (unsigned i = 0; i < ACTORS; i++) {
        sim_fill(content, sizeof(content), i, 0);
        snprintf(path, sizeof(path), "/pinned-%u", i);
        REQUIRE(run, tsuga_sim_put_file(run->sim, path, content, sizeof(content)) == 0);
    }
}

void sim_run_pinned(struct sim_run *run)
{
    struct tsuga_spawn_options options = {.body = own,
                                          .argument = run,
                                          .state_bytes = sizeof(struct owner),
                                          .name = "owner",
                                          .placement = TSUGA_PLACE_LEAST_LOADED};

    run->config.ioheap.arena_size = 64 * KIB << sim_random(&run->random) % 4;
    if (run->config.ioheap.registration == TSUGA_REGISTRATION_OFF)
        run->config.ioheap.registration = TSUGA_REGISTRATION_ALWAYS;
    run->config.ioheap.registration_slots = 2 + (uint32_t)(sim_random(&run->random) % 30);
    put_files(run);
    if (!sim_start(run))
        return;
    for (unsigned i = 0; i < ACTORS; i++)
        (void)sim_spawn(run, &options);
    sim_finish(run);
}
