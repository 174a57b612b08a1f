#include "tests/stress/support_tally.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[TSUGA_OP_KIND_COUNT] = {
    [TSUGA_OP_NOP] = "nop",
    [TSUGA_OP_OPEN] = "open",
    [TSUGA_OP_CLOSE] = "close",
    [TSUGA_OP_READ] = "read",
    [TSUGA_OP_WRITE] = "write",
    [TSUGA_OP_READV] = "readv",
    [TSUGA_OP_WRITEV] = "writev",
    [TSUGA_OP_FSYNC] = "fsync",
    [TSUGA_OP_STATX] = "statx",
    [TSUGA_OP_SOCKET] = "socket",
    [TSUGA_OP_BIND] = "bind",
    [TSUGA_OP_LISTEN] = "listen",
    [TSUGA_OP_ACCEPT] = "accept",
    [TSUGA_OP_CONNECT] = "connect",
    [TSUGA_OP_RECV] = "recv",
    [TSUGA_OP_SEND] = "send",
    [TSUGA_OP_RECVMSG] = "recvmsg",
    [TSUGA_OP_SENDMSG] = "sendmsg",
    [TSUGA_OP_SHUTDOWN] = "shutdown",
    [TSUGA_OP_POLL] = "poll",
    [TSUGA_OP_TIMEOUT] = "timeout",
    [TSUGA_OP_CANCEL] = "cancel",
    [TSUGA_OP_BLOCKING] = "blocking",
    [TSUGA_OP_SYNC_RANGE] = "syncrange",
    [TSUGA_OP_ALLOCATE] = "allocate",
    [TSUGA_OP_TRUNCATE] = "truncate",
    [TSUGA_OP_ADVISE] = "advise",
    [TSUGA_OP_SPLICE] = "splice",
    [TSUGA_OP_TEE] = "tee",
    [TSUGA_OP_RENAME] = "rename",
    [TSUGA_OP_LINK] = "link",
    [TSUGA_OP_UNLINK] = "unlink",
    [TSUGA_OP_MKDIR] = "mkdir",
    [TSUGA_OP_SYMLINK] = "symlink",
    [TSUGA_OP_GET_XATTR] = "getxattr",
    [TSUGA_OP_SET_XATTR] = "setxattr",
    [TSUGA_OP_LIST] = "list",
    [TSUGA_OP_RESOLVE] = "resolve",
    [TSUGA_OP_UPDATE] = "update",
    [TSUGA_OP_RAW] = "raw",
    [TSUGA_OP_FUTEX_WAIT] = "futexwait",
    [TSUGA_OP_FUTEX_WAKE] = "futexwake",
    [TSUGA_OP_WAITID] = "waitid",
};

static const char *const state_names[STRESS_STATES] = {
    [STRESS_QUEUED] = "queued", [STRESS_SUBMITTED] = "submitted", [STRESS_COMPLETED] = "completed",
    [STRESS_TAKEN] = "taken",   [STRESS_WAITING] = "waiting",
};

static const char *const way_names[STRESS_WAYS] = {
    [STRESS_STOPPED] = "stopped", [STRESS_SUICIDE] = "stopped by itself", [STRESS_EXIT] = "exit",
    [STRESS_RETURN] = "return",   [STRESS_GRACEFUL] = "graceful",         [STRESS_NOW] = "now",
    [STRESS_LINKED] = "linked",
};

bool stress_tally_is_possible(const struct stress_tally *tally, enum tsuga_op_kind kind,
                              enum stress_state state)
{
    bool is_missing =
        (kind == TSUGA_OP_WAITID || kind == TSUGA_OP_FUTEX_WAIT || kind == TSUGA_OP_FUTEX_WAKE) &&
        !atomic_load_explicit(&tally->has_waits, memory_order_relaxed);
    bool is_plain = (kind == TSUGA_OP_BIND || kind == TSUGA_OP_LISTEN) &&
                    !atomic_load_explicit(&tally->has_bind_operation, memory_order_relaxed);

    if (is_missing)
        return false;
    if (state == STRESS_WAITING)
        return kind != TSUGA_OP_CLOSE && kind != TSUGA_OP_CANCEL; /* they never wait for room */
    return !is_plain || state == STRESS_COMPLETED || state == STRESS_TAKEN;
}

static uint64_t value(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static bool print_cell(const struct stress_tally *tally, enum tsuga_op_kind kind,
                       enum stress_state state)
{
    uint64_t count = value(&tally->stops[kind][state]);

    if (!stress_tally_is_possible(tally, kind, state)) {
        printf(" %10s", "-");
        return true;
    }
    printf(" %10" PRIu64, count);
    return count > 0;
}

static bool print_kind(const struct stress_tally *tally, enum tsuga_op_kind kind)
{
    bool is_complete =
        value(&tally->started[kind]) > 0 || !stress_tally_is_possible(tally, kind, STRESS_TAKEN);

    printf("%-9s %10" PRIu64 " %10" PRIu64, kind_names[kind], value(&tally->started[kind]),
           value(&tally->taken[kind]));
    for (unsigned state = 0; state < STRESS_STATES; state++)
        is_complete &= print_cell(tally, kind, (enum stress_state)state);
    printf("%s\n", is_complete ? "" : "   <- zero");
    return is_complete;
}

bool stress_tally_print(const struct stress_tally *tally)
{
    bool is_complete = value(&tally->bytes) > 0;

    printf("%-9s %10s %10s   stopped when the operation was\n%-9s %10s %10s", "operation",
           "started", "received", "", "", "");
    for (unsigned state = 0; state < STRESS_STATES; state++)
        printf(" %10s", state_names[state]);
    printf("\n");
    for (unsigned kind = 0; kind < TSUGA_OP_KIND_COUNT; kind++)
        is_complete &= print_kind(tally, (enum tsuga_op_kind)kind);
    for (unsigned way = 0; way < STRESS_WAYS; way++) {
        printf("%s%s: %" PRIu64, way == 0 ? "actors ended: " : ", ", way_names[way],
               value(&tally->ways[way]));
        is_complete &= value(&tally->ways[way]) > 0;
    }
    printf("\n%" PRIu64 " rounds, %" PRIu64 " actors, %" PRIu64 " supervisors, %" PRIu64
           " bytes compared, %" PRIu64 " operations on registered memory\n",
           value(&tally->rounds), value(&tally->actors), value(&tally->supervisors),
           value(&tally->bytes), value(&tally->fixed));
    is_complete &= value(&tally->supervisors) > 0;
    is_complete &= value(&tally->fixed) > 0 || !tally->has_registered;
    return is_complete;
}

uint64_t stress_random(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static unsigned char content(uint64_t seed, uint64_t offset)
{
    return (unsigned char)((seed * 31 + offset) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

void stress_fill(void *data, size_t bytes, uint64_t seed, uint64_t offset)
{
    for (size_t i = 0; i < bytes; i++)
        ((unsigned char *)data)[i] = content(seed, offset + i);
}

void stress_compare(struct stress_tally *tally, const void *data, size_t bytes, uint64_t seed,
                    uint64_t offset)
{
    for (size_t i = 0; i < bytes; i++)
        STRESS_REQUIRE(((const unsigned char *)data)[i] == content(seed, offset + i));
    stress_count(&tally->bytes, bytes);
}

_Noreturn void stress_fail(const char *file, int line, const char *what)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: does not hold: %s (errno %s)\n", file, line, what, strerror(errno));
    abort();
}
