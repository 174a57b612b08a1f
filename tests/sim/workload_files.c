/* Each actor has a file: it writes to it, reads it again, and compares. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/workload.h"

#define ACTORS     4u
#define FILE_BYTES 8192u
#define PART_BYTES 1024u

struct owner {
    struct sim_run *run;
    uint64_t random;
    uint32_t number;
    char bytes[FILE_BYTES]; /* what the file must hold */
};

/* Writes a part; what a failed write has done nobody knows, so the part is written again. */
static bool write_part(struct tsuga_actor *self, struct owner *owner, int fd, size_t at,
                       size_t bytes)
{
    size_t done = 0;

    for (size_t i = 0; i < bytes; i++)
        owner->bytes[at + i] = (char)sim_random(&owner->random);
    while (done < bytes) {
        struct tsuga_completion wrote = tsuga_await(
            self, tsuga_write_at(self, fd, at + done, owner->bytes + at + done, bytes - done));

        REQUIRE(owner->run, wrote.result != -EFAULT); /* all of it is where the kernel looks */
        if (wrote.result > 0)
            done += (size_t)wrote.result;
        else if (owner->run->is_peaceful || wrote.result == -ECANCELED)
            return false;
    }
    return true;
}

static bool check_part(struct tsuga_actor *self, struct owner *owner, int fd, size_t at,
                       size_t bytes)
{
    struct tsuga_completion got = tsuga_await(self, tsuga_read_at(self, fd, at, bytes));

    REQUIRE(owner->run, got.result != -EFAULT);
    if (got.result < 0)
        return !owner->run->is_peaceful;
    REQUIRE(owner->run, memcmp(got.data, owner->bytes + at, got.bytes) == 0);
    return true;
}

static void own(struct tsuga_actor *self, void *argument)
{
    struct owner *owner = tsuga_state(self);
    struct sim_run *run = argument;
    char path[64];
    int fd;

    owner->run = run;
    owner->number = (uint32_t)tsuga_self(self).value;
    owner->random = owner->number;
    snprintf(path, sizeof(path), "/file-%u", owner->number);
    fd = tsuga_await(self, tsuga_open(self, path, O_RDWR | O_CREAT)).result;
    REQUIRE(run, fd >= 0 || !run->is_peaceful);
    if (fd < 0 || !write_part(self, owner, fd, 0, FILE_BYTES))
        return;
    while (!sim_is_over(run)) {
        size_t at = sim_random(&owner->random) % (FILE_BYTES - PART_BYTES);
        size_t bytes = 1 + sim_random(&owner->random) % PART_BYTES;

        if (!write_part(self, owner, fd, at, bytes) || !check_part(self, owner, fd, at, bytes))
            return;
        (void)tsuga_await(self, tsuga_timeout(self, 1 + sim_random(&owner->random) % 1000000));
    }
}

void sim_run_files(struct sim_run *run)
{
    struct tsuga_spawn_options options = {
        .body = own, .argument = run, .state_bytes = sizeof(struct owner), .name = "owner"};

    if (!sim_start(run))
        return;
    for (unsigned i = 0; i < ACTORS; i++)
        (void)sim_spawn(run, &options);
    sim_finish(run);
}
