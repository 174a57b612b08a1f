#include "tests/support/meddling.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

struct tsuga_meddling tsuga_meddling;

/* Stands before liburing's. Cut short, it returns as the kernel does: without running what is
 * deferred, and with the number of requests that it took. */
int io_uring_enter2(unsigned fd, unsigned submit_count, unsigned wait_count, unsigned flags,
                    sigset_t *argument, size_t argument_bytes)
{
    struct tsuga_meddling *meddling = &tsuga_meddling;
    bool is_cut = meddling->call_count > 0 && submit_count > meddling->submit_count;
    long result;

    if (is_cut) {
        meddling->call_count--;
        if (meddling->error != 0)
            return meddling->error;
        flags &= ~IORING_ENTER_GETEVENTS;
        submit_count = meddling->submit_count;
        wait_count = 0;
    }
    result =
        syscall(SYS_io_uring_enter, fd, submit_count, wait_count, flags, argument, argument_bytes);
    return result < 0 ? -errno : (int)result;
}
