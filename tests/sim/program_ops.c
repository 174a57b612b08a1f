/* Operations of random programs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/sim/program.h"

#define MS          UINT64_C(1000000)
#define PIPE_STREAM 77u

/* Slots. */

static struct program_op *free_slot(struct program *program)
{
    for (unsigned i = 0; i < PROGRAM_OPS; i++) {
        if (program->ops[i].owner == NULL)
            return &program->ops[i];
    }
    return NULL;
}

static struct program_op *busy_slot(struct program *program)
{
    unsigned first = (unsigned)program_draw(program, PROGRAM_OPS);

    for (unsigned i = 0; i < PROGRAM_OPS; i++) {
        struct program_op *op = &program->ops[(first + i) % PROGRAM_OPS];

        if (op->owner != NULL)
            return op;
    }
    return NULL;
}

static struct program_lease *lease_of(struct program *program, struct tsuga_lease lease)
{
    for (unsigned i = 0; i < PROGRAM_LEASES && lease.value != 0; i++) {
        if (program->leases[i].lease.value == lease.value)
            return &program->leases[i];
    }
    return NULL;
}

static void release_slot(struct program_op *op)
{
    struct program *program = op->owner;
    struct program_lease *lease = lease_of(program, op->lease);

    if (lease != NULL)
        lease->use_count--;
    if (op->expects == PROGRAM_PIPED)
        program->is_piping[0] = false;
    op->owner = NULL;
}

/* Kinds. Each fills in an operation and its slot; false: not now. */

static bool want_nop(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    (void)program;
    (void)slot;
    op->kind = TSUGA_OP_NOP;
    return true;
}

static bool want_timeout(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    op->kind = TSUGA_OP_TIMEOUT;
    op->timeout_ns = 1 + program_draw(program, 20 * MS);
    if (program_draw(program, 4) > 0)
        return true;
    op->options |= TSUGA_OP_MULTI;
    slot->is_stream = true;
    slot->expects = PROGRAM_PERIODS;
    return true;
}

static bool want_open(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    unsigned file = (unsigned)program_draw(program, PROGRAM_FILES + 1);

    op->kind = TSUGA_OP_OPEN;
    op->fd = AT_FDCWD;
    op->flags = O_RDWR;
    snprintf(program->paper, PROGRAM_PART_BYTES, "/colony/file-%u", file);
    op->data = program->paper;
    slot->expects = PROGRAM_DESCRIPTOR;
    slot->stream = file;
    slot->is_file = file < PROGRAM_FILES;
    return true;
}

/* Somewhere in one of the files that are open. */
static bool choose_part(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    unsigned file = (unsigned)program_draw(program, PROGRAM_FILES);

    if (program->files[file] < 0)
        return false;
    op->fd = program->files[file];
    op->options |= TSUGA_OP_AT;
    op->offset = program_draw(program, PROGRAM_FILE_BYTES);
    op->bytes = 1 + program_draw(program, PROGRAM_PART_BYTES);
    slot->stream = file;
    slot->offset = op->offset;
    slot->bytes_max = op->bytes;
    return true;
}

static void use_lease(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    struct program_lease *lease = program_idle_lease(program);
    size_t bytes;

    if (lease == NULL || lease->is_shared)
        return; /* the kernel would write what others see */
    bytes = tsuga_lease_bytes(program->self, lease->lease);
    op->lease = lease->lease;
    op->bytes = op->bytes < bytes ? op->bytes : bytes;
    slot->bytes_max = op->bytes;
    slot->lease = lease->lease;
    lease->use_count++;
}

static bool want_read(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    struct program_lease *lease;

    if (!choose_part(program, op, slot))
        return false;
    op->kind = TSUGA_OP_READ;
    slot->expects = PROGRAM_CONTENT;
    if (program_draw(program, 3) == 0)
        use_lease(program, op, slot);
    else
        slot->is_copied = program_draw(program, 2) == 0;
    op->into = slot->is_copied ? slot->into : NULL;
    lease = lease_of(program, slot->lease);
    if (lease != NULL)
        lease->stream = 0; /* the kernel writes there */
    return true;
}

static bool want_write(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    if (!choose_part(program, op, slot))
        return false;
    if (op->offset + op->bytes > PROGRAM_FILE_BYTES)
        op->bytes = PROGRAM_FILE_BYTES - op->offset;
    op->kind = TSUGA_OP_WRITE;
    slot->expects = PROGRAM_COUNT;
    slot->bytes_max = op->bytes;
    sim_fill(program->paper, op->bytes, slot->stream, op->offset);
    op->data = program->paper;
    return true;
}

static bool want_stat(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    (void)slot;
    op->kind = TSUGA_OP_STATX;
    op->fd = AT_FDCWD;
    op->data = program_draw(program, 2) == 0 ? "/colony" : "/nowhere/at/all";
    op->mode = STATX_BASIC_STATS;
    op->into = program->paper; /* nobody looks at it */
    return true;
}

static bool want_sync(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    if (!choose_part(program, op, slot))
        return false;
    op->kind = TSUGA_OP_FSYNC;
    op->options = 0;
    return true;
}

static bool want_pipe_read(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    if (program->pipe[0] < 0 || program->is_piping[0])
        return false;
    program->is_piping[0] = true;
    op->kind = TSUGA_OP_READ;
    op->fd = program->pipe[0];
    op->bytes = 1 + program_draw(program, PROGRAM_PART_BYTES);
    slot->expects = PROGRAM_PIPED;
    if (program_draw(program, 2) == 0)
        return true;
    op->bytes = 0;
    op->options |= TSUGA_OP_MULTI;
    slot->is_stream = true;
    return true;
}

static bool want_poll(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    if (program->pipe[0] < 0)
        return false;
    op->kind = TSUGA_OP_POLL;
    op->fd = program->pipe[0];
    op->flags = POLLIN;
    slot->expects = PROGRAM_COUNT;
    slot->bytes_max = INT32_MAX;
    if (program_draw(program, 2) == 0)
        return true;
    op->options |= TSUGA_OP_MULTI;
    slot->is_stream = true;
    return true;
}

static void run_job(void *argument)
{
    struct colony *colony = argument;

    colony->hopes++;
}

static bool want_job(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    (void)slot;
    op->kind = TSUGA_OP_BLOCKING;
    op->run = run_job;
    op->argument = program->colony;
    return true;
}

static bool want_cancel(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    struct program_op *target = busy_slot(program);

    (void)slot;
    if (target == NULL)
        return false;
    op->kind = TSUGA_OP_CANCEL;
    op->target = target->token;
    return true;
}

static bool want_futex(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    struct program_lease *lease = program_idle_lease(program);

    if (lease == NULL || tsuga_lease_bytes(program->self, lease->lease) < sizeof(uint32_t))
        return false;
    op->kind = program_draw(program, 2) == 0 ? TSUGA_OP_FUTEX_WAIT : TSUGA_OP_FUTEX_WAKE;
    op->lease = lease->lease;
    memcpy(&op->offset, tsuga_lease_data(program->self, lease->lease), sizeof(uint32_t));
    op->timeout_ns = 1 + program_draw(program, 20 * MS);
    slot->lease = lease->lease;
    slot->expects = PROGRAM_COUNT;
    slot->bytes_max = INT32_MAX;
    lease->use_count++;
    return true;
}

static bool want_list(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    (void)program;
    op->kind = TSUGA_OP_LIST;
    op->fd = 0; /* not a directory of the world */
    op->bytes = 512;
    slot->expects = PROGRAM_COUNT;
    return true;
}

/* Names of the actor's own, which nobody else uses. */
static const char *own_name(struct program *program, size_t at)
{
    snprintf(program->paper + at, PROGRAM_PART_BYTES / 2, "/colony/own-%x-%u",
             (unsigned)tsuga_self(program->self).value, (unsigned)program_draw(program, 3));
    return program->paper + at;
}

static bool want_name(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    static const enum tsuga_op_kind choices[] = {TSUGA_OP_MKDIR, TSUGA_OP_UNLINK, TSUGA_OP_RENAME,
                                                 TSUGA_OP_LINK, TSUGA_OP_SYMLINK};

    (void)slot;
    op->kind = choices[program_draw(program, 5)];
    op->fd = AT_FDCWD;
    op->fd2 = AT_FDCWD;
    op->mode = 0700;
    op->data = own_name(program, 0);
    op->path = own_name(program, PROGRAM_PART_BYTES / 2);
    if (op->kind == TSUGA_OP_UNLINK)
        op->flags = program_draw(program, 2) == 0 ? AT_REMOVEDIR : 0;
    if (op->kind == TSUGA_OP_LINK && program_draw(program, 2) == 0)
        op->data = "/colony/file-0";
    return true;
}

static bool want_attribute(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    bool is_reading = program_draw(program, 2) == 0;

    op->kind = is_reading ? TSUGA_OP_GET_XATTR : TSUGA_OP_SET_XATTR;
    op->path = "/colony/file-0";
    op->name = program_draw(program, 2) == 0 ? "user.one" : "user.two";
    op->data = program->paper;
    op->bytes = 1 + program_draw(program, 100);
    slot->expects = is_reading ? PROGRAM_COUNT : PROGRAM_NOTHING;
    return true;
}

static bool want_range(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    static const enum tsuga_op_kind choices[] = {TSUGA_OP_SYNC_RANGE, TSUGA_OP_ADVISE,
                                                 TSUGA_OP_ALLOCATE};

    if (!choose_part(program, op, slot))
        return false;
    op->kind = choices[program_draw(program, 3)];
    op->options = 0;
    op->flags = op->kind == TSUGA_OP_ALLOCATE ? 1 : 0; /* which keeps the size */
    return true;
}

typedef bool want_fn(struct program *program, struct tsuga_op *op, struct program_op *slot);

static want_fn *const wants[] = {
    want_nop,  want_timeout,   want_open,  want_read,      want_write, want_stat,
    want_sync, want_poll,      want_job,   want_list,      want_read,  want_write,
    want_name, want_attribute, want_range, want_pipe_read, want_futex, want_cancel,
};

#define WANT_COUNT (sizeof(wants) / sizeof(wants[0]))

static bool want(struct program *program, struct tsuga_op *op, struct program_op *slot)
{
    *op = (struct tsuga_op){.tag = 0};
    *slot = (struct program_op){.owner = NULL};
    if (!wants[program_draw(program, WANT_COUNT)](program, op, slot))
        return false;
    slot->owner = program;
    op->context = slot;
    if (program_draw(program, 8) == 0)
        op->options |= TSUGA_OP_ASYNC;
    if (program_draw(program, 8) == 0)
        op->options |= TSUGA_OP_NOWAIT;
    if (program_draw(program, 6) == 0 && op->timeout_ns == 0 && !slot->is_stream)
        op->timeout_ns = 1 + program_draw(program, 5 * MS);
    return true;
}

/* Starting. */

static void start_one(struct program *program)
{
    struct program_op *slot = free_slot(program);
    struct tsuga_op op;

    if (slot == NULL || !want(program, &op, slot))
        return;
    slot->token = tsuga_submit(program->self, &op);
    if (tsuga_op_error(slot->token) != 0)
        release_slot(slot);
}

static bool is_chainable(const struct tsuga_op *op)
{
    return op->kind != TSUGA_OP_CANCEL && op->kind != TSUGA_OP_BLOCKING &&
           op->kind != TSUGA_OP_LIST && (op->options & TSUGA_OP_MULTI) == 0;
}

static void start_chain(struct program *program)
{
    struct tsuga_op ops[PROGRAM_CHAIN_MAX];
    struct program_op *slots[PROGRAM_CHAIN_MAX];
    struct tsuga_token tokens[PROGRAM_CHAIN_MAX];
    size_t wanted = 2 + program_draw(program, PROGRAM_CHAIN_MAX - 1);
    size_t count = 0;
    int error;

    for (unsigned tries = 0; tries < 4 * PROGRAM_CHAIN_MAX && count < wanted; tries++) {
        struct program_op *slot = free_slot(program);

        program->paper = program->scratch[count];
        if (slot == NULL || !want(program, &ops[count], slot))
            continue;
        if (!is_chainable(&ops[count])) {
            release_slot(slot);
            continue;
        }
        if (program_draw(program, 3) == 0)
            ops[count].options |= TSUGA_OP_HARD;
        slots[count++] = slot;
    }
    error = count > 0 ? tsuga_submit_chain(program->self, ops, count,
                                           program_draw(program, 2) * 3 * MS, tokens)
                      : 0;
    for (size_t i = 0; i < count; i++) {
        slots[i]->token = tokens[i];
        if (error != 0)
            release_slot(slots[i]);
    }
}

static void open_pipe(struct program *program)
{
    if (program->pipe[0] >= 0 || tsuga_pipe(program->self, program->pipe, O_NONBLOCK) != 0)
        return;
    program->piped_in = 0;
    program->piped_out = 0;
}

/* Waits for it: what is in the pipe stays in order. */
static void write_pipe(struct program *program)
{
    size_t bytes = 1 + program_draw(program, PROGRAM_PART_BYTES);
    struct tsuga_completion got;

    if (program->pipe[1] < 0 || program->is_piping[1])
        return;
    sim_fill(program->paper, bytes, PIPE_STREAM, program->piped_in);
    program->is_piping[1] = true;
    got = tsuga_await(program->self,
                      tsuga_write(program->self, program->pipe[1], program->paper, bytes));
    if (got.last || got.op.value == 0)
        program->is_piping[1] = false;
    if (got.result > 0)
        program->piped_in += (uint64_t)got.result;
}

void program_start(struct program *program)
{
    program->paper = program->scratch[0];
    switch (program_draw(program, 8)) {
    case 0:
        start_chain(program);
        return;
    case 1:
        open_pipe(program);
        return;
    case 2:
        write_pipe(program);
        return;
    default:
        start_one(program);
        return;
    }
}

/* Meddling with what is in flight. A forgotten operation's slot is free at once: nothing of it will
 * ever come. */

static void forget(struct program *program, struct program_op *op)
{
    /* What was in the pipe may be gone with it, and a lease is the kernel's for a while. */
    if (op->expects == PROGRAM_PIPED || op->lease.value != 0 || op->is_copied)
        return;
    if (tsuga_forget(program->self, op->token) == 0)
        release_slot(op);
}

void program_meddle(struct program *program)
{
    struct program_op *op = busy_slot(program);

    if (op == NULL)
        return;
    switch (program_draw(program, 6)) {
    case 0:
        forget(program, op);
        return;
    case 1:
        if (op->is_stream)
            (void)tsuga_stream_pause(program->self, op->token);
        return;
    case 2:
    case 3:
        if (op->is_stream)
            (void)tsuga_stream_resume(program->self, op->token);
        return;
    case 4:
        if (program_draw(program, 4) == 0)
            (void)tsuga_cancel_all(program->self);
        return;
    default:
        if (program->pipe[0] >= 0)
            (void)tsuga_cancel_fd(program->self, program->pipe[0]);
        return;
    }
}

/* Completions. */

static void keep_descriptor(struct program *program, const struct program_op *op, int fd)
{
    if (fd < 0)
        return;
    if (!op->is_file || program->files[op->stream] >= 0)
        sim_close(program->self, fd);
    else
        program->files[op->stream] = fd;
}

static void check_content(struct program *program, struct program_op *op,
                          const struct tsuga_completion *got)
{
    struct sim_run *run = program->colony->run;
    const char *data = op->is_copied ? op->into : got->data;

    if (got->result < 0)
        return;
    REQUIRE(run, (uint64_t)got->result <= op->bytes_max);
    REQUIRE(run, data != NULL);
    REQUIRE(run, sim_is_filled(data, (size_t)got->result, op->stream, op->offset));
}

static void check_piped(struct program *program, const struct tsuga_completion *got)
{
    struct sim_run *run = program->colony->run;

    if (got->result <= 0)
        return;
    REQUIRE(run, sim_is_filled(got->data, (size_t)got->result, PIPE_STREAM, program->piped_out));
    program->piped_out += (uint64_t)got->result;
}

void program_take(struct program *program, const struct tsuga_completion *got)
{
    struct program_op *op = got->context;
    struct sim_run *run = program->colony->run;

    if (op == NULL)
        return; /* one that was awaited where it was started */
    REQUIRE(run, op->owner == program);
    REQUIRE(run, tsuga_token_equal(op->token, got->op));
    REQUIRE(run, got->last != got->more);
    REQUIRE(run, op->is_stream || got->last);
    REQUIRE(run, got->result != -EFAULT); /* what is not registered is not used so */
    if (op->expects == PROGRAM_DESCRIPTOR)
        keep_descriptor(program, op, got->result);
    else if (op->expects == PROGRAM_CONTENT)
        check_content(program, op, got);
    else if (op->expects == PROGRAM_PIPED)
        check_piped(program, got);
    else if (op->expects == PROGRAM_PERIODS)
        REQUIRE(run, got->last || got->result > 0);
    else if (op->expects == PROGRAM_NOTHING)
        REQUIRE(run, got->result <= 0);
    if (got->last)
        release_slot(op);
}

bool program_await(struct program *program)
{
    struct tsuga_token tokens[PROGRAM_OPS];
    struct tsuga_completion got;
    size_t count = 0;

    for (unsigned i = 0; i < PROGRAM_OPS; i++) {
        if (program->ops[i].owner != NULL)
            tokens[count++] = program->ops[i].token;
    }
    if (count == 0)
        return tsuga_yield(program->self) != -ECANCELED;
    got = tsuga_await_any(program->self, tokens, count, program_draw(program, 10 * MS));
    if (got.op.value != 0)
        program_take(program, &got);
    return got.op.value != 0 || got.result != -ECANCELED;
}
