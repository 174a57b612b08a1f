/* Operations that need several blocks, with a heap that has room for some of them only: they are
 * refused, nothing of them is left, and what was there before goes on. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/needs.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

#define QUOTA_MAX (32u << 10)
#define LEASES    64u

/* Whatever comes of it, but for a shortage that is told as something else. */
static bool is_refused(struct tsuga_actor *self, struct tsuga_token op)
{
    int error = tsuga_op_error(op);

    CHECK(error == 0 || error == -ENOBUFS);
    if (error == 0)
        CHECK(tsuga_await(self, op).last);
    return error != 0;
}

static unsigned try_all(struct tsuga_actor *self, int fd)
{
    char name[200];
    char path[1500];
    struct tsuga_raw raw = {.opcode = 0};
    struct tsuga_token timeout = tsuga_timeout(self, TSUGA_FOREVER);
    unsigned refused = 0;
    siginfo_t info;

    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    memset(path, '/', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    refused += is_refused(self, tsuga_setxattr(self, path, name, path, 1000, 0));
    refused += is_refused(self, tsuga_getxattr(self, path, name, 1000));
    refused += is_refused(self, tsuga_fsetxattr(self, fd, name, path, 1000, 0));
    refused += is_refused(self, tsuga_renameat(self, fd, path, fd, path, 0));
    refused += is_refused(self, tsuga_linkat(self, fd, path, fd, path, 0));
    refused += is_refused(self, tsuga_symlinkat(self, path, fd, path));
    refused += is_refused(self, tsuga_splice(self, fd, fd, 10, 0));
    refused += is_refused(self, tsuga_list(self, fd, 1000));
    refused += is_refused(self, tsuga_ftruncate(self, fd, 10));
    refused += is_refused(self, tsuga_raw(self, &raw, (struct tsuga_lease){0}, 0));
    if (tsuga_has_operation(self, TSUGA_RING_WAITID))
        refused += is_refused(self, tsuga_waitid(self, P_ALL, 0, &info, WEXITED | WNOHANG));
    if (tsuga_op_error(timeout) == 0)
        refused += is_refused(self, tsuga_timeout_update(self, timeout, 1));
    if (tsuga_op_error(timeout) == 0)
        CHECK(tsuga_cancel_all(self) <= 1);
    return refused;
}

/* One block less each time. */
static void starve(struct tsuga_actor *self, void *argument)
{
    unsigned *refused = argument;
    struct tsuga_lease leases[LEASES];
    unsigned count = 0;
    int fd = tsuga_fixture_memory_file(100, 1);

    CHECK_INT(tsuga_fd_adopt(self, fd), 0);
    while (count < LEASES && tsuga_lease_make(self, 512, &leases[count]) == 0)
        count++;
    while (count > 0) {
        *refused += try_all(self, fd);
        CHECK_INT(tsuga_lease_release(self, leases[--count]), 0);
    }
    refused[1] += try_all(self, fd) == 0;
}

TEST(shortage, h11_of_blocks_refuses_an_operation_whole)
{
    struct tsuga_setup setup = {.config.features[TSUGA_FEATURE_WAITID] = TSUGA_DEFAULT};
    unsigned counts[2] = {0, 0}; /* operations refused, and heaps that had room in the end */

    for (unsigned quota = 4u << 10; quota <= QUOTA_MAX; quota *= 2) {
        setup.config.ioheap.quota = quota;
        setup.config.features[TSUGA_FEATURE_FTRUNCATE] =
            quota == QUOTA_MAX ? TSUGA_OFF : TSUGA_DEFAULT;
        (void)tsuga_world_run(&setup, starve, counts);
    }
    CHECK(counts[0] > 0);
    CHECK(counts[1] > 0);
}
