/*
 * pools: allocators of one's own, and what goes through them. Runs by itself and checks itself.
 *
 * Buffers that the runtime makes are powers of two from 64 bytes on, one for each operation. That
 * is right for most programs. A program that knows more about its buffers (how small they are, that
 * they come and go together) can lay them out itself, and needs nothing but tsuga.h for that:
 *
 *   - A lease is memory that the kernel may use. tsuga_lease_make() makes a large one.
 *   - A slice is a lease of a part of it, and has a release callback. The runtime counts who uses
 *     the slice: references, messages, operations in flight, other slices. When nobody does, it
 *     calls back, once. So the allocator only has to know what is free; it never has to know what
 *     the kernel still holds.
 *   - A struct tsuga_pool is an allocator behind one function, take(). A read or receive that names
 *     a pool gets its buffer there. To write or send from a pool, take() a lease, fill it, start
 *     the operation, and release the reference at once: the operation has one of its own.
 *
 * pool_bump.h and pool_buddy.h are two such allocators. This program sends the same records through
 * both: to a file and back, over a connection with and without zero copy, gathered from several
 * parts. Then it ends its actor in the middle of a receive, and counts what has come back.
 *
 * What to take home:
 *
 *   - A completion's message holds its buffer until the next message is taken, so a pool must have
 *     room for two of the largest; see take() below for what to do when there is none.
 *   - tsuga_writev() and tsuga_readv() copy, wherever their vectors point. To gather parts without
 *     a copy, send them as a chain.
 *   - A slice is as large as it was made, however few bytes a read has brought: send `result` bytes
 *     of it, not all, as a plain tsuga_send_lease() would.
 *   - The books of an allocator outlive its blocks, and those may outlive the actor. Here main()
 *     owns them and frees them when the runtime has ended.
 *
 * Exit status: 0 all bytes were right and all space came back, 1 not so.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "examples/pool_buddy.h"
#include "examples/pool_bump.h"

#include <tsuga.h>

#define BUMP_BYTES       ((size_t)64 << 10)
#define BUDDY_BYTES      ((size_t)8 << 10)
#define RECORD_COUNT     500u
#define RECORD_BYTES_MAX 1500u
#define DEPTH            32u
#define HEAD_BYTES       ((size_t)24)
#define BODY_BYTES       ((size_t)700)

/* One run of one allocator. */
struct run {
    const char *name;
    struct tsuga_pool *pool;
    const struct tsuga_lease *whole;
    const size_t *live_count;
    int (*open)(struct run *run, struct tsuga_actor *self);
    struct tsuga_actor *self;
    struct tsuga_token ops[DEPTH]; /* in flight */
    size_t op_count;
    int fd;            /* a file */
    int out;           /* a connection, from here … */
    int in;            /* … to here */
    unsigned op_total; /* for the summary */
    unsigned full;     /* times that the pool had no room */
    unsigned zero_copy;
    unsigned copied;
    unsigned wrong;
    struct bump bump;
    struct buddy buddy;
};

static void expect(struct run *run, bool is_right, const char *what)
{
    if (is_right)
        return;
    fprintf(stderr, "pools: %s: %s\n", run->name, what);
    run->wrong++;
}

/* Records: their sizes and bytes follow from their numbers. Most are small. */

static size_t bytes_of(uint64_t number)
{
    size_t bytes = 1 + number * 7919 % RECORD_BYTES_MAX;

    return number % 4 == 0 ? bytes : 1 + bytes % 100;
}

static unsigned char byte_of(uint64_t number, size_t i)
{
    return (unsigned char)(number * 31 + i * 7 + i / 251);
}

static void fill(unsigned char *data, size_t bytes, uint64_t number)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = byte_of(number, i);
}

static bool is_record(const unsigned char *data, size_t bytes, uint64_t number)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] != byte_of(number, i))
            return false;
    }
    return true;
}

/* Operations in flight. */

/* Whatever is next: is it what its record's number, which is its tag, says? */
static struct tsuga_completion finish_one(struct run *run)
{
    struct tsuga_completion got =
        tsuga_await_any(run->self, run->ops, run->op_count, TSUGA_FOREVER);
    size_t place = 0;

    while (place + 1 < run->op_count && !tsuga_token_equal(run->ops[place], got.op))
        place++;
    run->ops[place] = run->ops[--run->op_count];
    expect(run, got.result == (int)bytes_of(got.tag), "a result is not the record's size");
    if (got.data != NULL)
        expect(run, is_record(got.data, got.bytes, got.tag), "a record has other bytes");
    run->zero_copy += got.zero_copy;
    run->copied += got.copied;
    return got;
}

static void finish_all(struct run *run)
{
    while (run->op_count > 0)
        (void)finish_one(run);
}

/* The message at hand holds the buffer that it brought. Any other message takes its place. */
static void let_go(struct run *run)
{
    (void)tsuga_await(run->self, tsuga_nop(run->self));
}

/* When there is no room, something in flight will give some back. */
static int wait_for_room(struct run *run)
{
    run->full++;
    if (run->op_count > 0)
        (void)finish_one(run);
    if (run->op_count == 0)
        let_go(run);
    return *run->live_count > 0 && run->op_count == 0 ? -ENOBUFS : 0;
}

/* The pool as an allocator for what is written. */
static int take(struct run *run, size_t bytes, struct tsuga_lease *out)
{
    int error;

    while ((error = run->pool->take(run->pool, run->self, bytes, out)) == -ENOBUFS) {
        if (wait_for_room(run) < 0)
            break;
    }
    return error;
}

/* Submits; of a read that names the pool, the token may carry the pool's own answer. */
static struct tsuga_token submit(struct run *run, const struct tsuga_op *op)
{
    struct tsuga_token token;

    if (run->op_count == DEPTH)
        (void)finish_one(run);
    while (tsuga_op_error(token = tsuga_submit(run->self, op)) == -ENOBUFS) {
        if (wait_for_room(run) < 0)
            break;
    }
    expect(run, tsuga_op_error(token) == 0, "an operation was not submitted");
    if (tsuga_op_error(token) == 0)
        run->ops[run->op_count++] = token;
    run->op_total++;
    return token;
}

/* Submits a write or send of a record that is made in a block of the pool. */
static void put(struct run *run, uint64_t number, struct tsuga_op op)
{
    op.tag = number;
    op.bytes = bytes_of(number);
    if (take(run, op.bytes, &op.lease) < 0) {
        expect(run, false, "no room, and nothing that would make some");
        return;
    }
    fill(tsuga_lease_data(run->self, op.lease), op.bytes, number);
    (void)submit(run, &op);
    (void)tsuga_lease_release(run->self, op.lease); /* now it is the operation's alone */
}

/* What the records go through. */

static void through_file(struct run *run)
{
    struct tsuga_op op = {.kind = TSUGA_OP_WRITE, .options = TSUGA_OP_AT, .fd = run->fd};

    for (uint64_t number = 0; number < RECORD_COUNT; number++) {
        op.offset = number * RECORD_BYTES_MAX;
        put(run, number, op);
    }
    finish_all(run);

    op.kind = TSUGA_OP_READ;
    op.pool = run->pool;
    for (uint64_t number = 0; number < RECORD_COUNT; number++) {
        op.offset = number * RECORD_BYTES_MAX;
        op.tag = number;
        op.bytes = bytes_of(number);
        (void)submit(run, &op);
    }
    finish_all(run);
}

/* Receives a record into a block of the pool. What is returned is valid until the next message. */
static struct tsuga_completion receive(struct run *run, int fd, uint64_t number)
{
    struct tsuga_token token = submit(run, &(struct tsuga_op){.kind = TSUGA_OP_RECV,
                                                              .fd = fd,
                                                              .flags = MSG_WAITALL,
                                                              .bytes = bytes_of(number),
                                                              .pool = run->pool,
                                                              .tag = number});
    struct tsuga_completion got = {0};

    while (run->op_count > 0 && !tsuga_token_equal(got.op, token))
        got = finish_one(run);
    return got;
}

/* There and, from the block in which it arrived, back. Sends are not awaited one by one: a
 * zero-copy send ends when the peer has acknowledged its bytes, perhaps only with its next answer,
 * or 40 ms later. */
static void through_connection(struct run *run, uint32_t options)
{
    struct tsuga_op there = {.kind = TSUGA_OP_SEND, .options = options, .fd = run->out};
    struct tsuga_op back = {.kind = TSUGA_OP_SEND, .options = options, .fd = run->in};

    for (uint64_t number = 0; number < RECORD_COUNT; number++) {
        struct tsuga_completion got;

        put(run, number, there);
        got = receive(run, run->in, number);
        back.lease = got.lease;
        back.bytes = got.bytes;
        back.tag = number;
        expect(run, tsuga_lease_retain(run->self, back.lease) == 0, "no lease came");
        (void)submit(run, &back); /* which may take another message, and give this one back */
        (void)tsuga_lease_release(run->self, back.lease);
        (void)receive(run, run->out, number);
    }
    finish_all(run);
}

/* Two parts, from two blocks, become one message: as vectors, which are copied, and as a chain. */
static void gathered(struct run *run)
{
    struct tsuga_op chain[2] = {{.kind = TSUGA_OP_SEND, .fd = run->out, .bytes = HEAD_BYTES},
                                {.kind = TSUGA_OP_SEND, .fd = run->out, .bytes = BODY_BYTES}};
    struct tsuga_op receive = {.kind = TSUGA_OP_RECV,
                               .fd = run->in,
                               .flags = MSG_WAITALL,
                               .bytes = 2 * (HEAD_BYTES + BODY_BYTES),
                               .pool = run->pool};
    struct iovec vectors[2];
    struct tsuga_token tokens[2];
    struct tsuga_token written;
    struct tsuga_completion got;
    const unsigned char *data;

    for (size_t i = 0; i < 2; i++) {
        expect(run, take(run, chain[i].bytes, &chain[i].lease) == 0, "no room for a part");
        vectors[i].iov_base = tsuga_lease_data(run->self, chain[i].lease);
        vectors[i].iov_len = chain[i].bytes;
        fill(vectors[i].iov_base, vectors[i].iov_len, i);
    }
    written = tsuga_writev(run->self, run->out, vectors, 2);
    expect(run, tsuga_await(run->self, written).result == (int)(HEAD_BYTES + BODY_BYTES), "writev");
    expect(run, tsuga_submit_chain(run->self, chain, 2, 0, tokens) == 0, "a chain");
    for (size_t i = 0; i < 2; i++) {
        (void)tsuga_lease_release(run->self, chain[i].lease);
        expect(run, tsuga_await(run->self, tokens[i]).result == (int)chain[i].bytes, "a link");
    }
    got = tsuga_await(run->self, tsuga_submit(run->self, &receive));
    expect(run, got.result == (int)receive.bytes, "the parts did not all arrive");
    data = got.data;
    for (size_t at = 0; got.result == (int)receive.bytes && at < got.bytes; at += HEAD_BYTES) {
        expect(run, is_record(data + at, HEAD_BYTES, 0), "a head has other bytes");
        at += HEAD_BYTES;
        expect(run, is_record(data + at, BODY_BYTES, 1), "a body has other bytes");
        at += BODY_BYTES - HEAD_BYTES;
    }
    run->op_total += 4;
}

/* One block, step by step: it is back after its last use, and not before. */
static void step_by_step(struct run *run)
{
    struct tsuga_op op = {.kind = TSUGA_OP_RECV, .fd = run->in, .bytes = 100, .pool = run->pool};
    struct tsuga_completion got;
    struct tsuga_lease lease;
    struct tsuga_token token;

    let_go(run);
    expect(run, *run->live_count == 0, "something was left behind");
    token = tsuga_submit(run->self, &op);
    expect(run, *run->live_count == 1, "the receive has no block");
    (void)tsuga_await(run->self, tsuga_send_bytes(run->self, run->out, "0123456789", 10));
    got = tsuga_await(run->self, token);
    lease = got.lease;
    expect(run, tsuga_lease_retain(run->self, lease) == 0, "no lease came");
    let_go(run);
    expect(run, *run->live_count == 1, "the block went although it was retained");

    /* Ten bytes came, so ten are sent: the slice has a hundred. */
    op = (struct tsuga_op){.kind = TSUGA_OP_SEND,
                           .options = TSUGA_OP_ZERO_COPY,
                           .fd = run->out,
                           .lease = lease,
                           .bytes = (size_t)got.result};
    token = tsuga_submit(run->self, &op);
    (void)tsuga_lease_release(run->self, lease);
    expect(run, *run->live_count == 1, "the block went while it was being sent");
    expect(run, tsuga_await(run->self, token).result == 10, "the send fell short");
    let_go(run);
    expect(run, *run->live_count == 0, "the block did not come back");
    (void)tsuga_await(run->self, tsuga_recv(run->self, run->in, 64));
    run->op_total += 4;
}

/* A connection from this actor to itself. Returns 0 or -errno. */
static int connect_ends(struct run *run)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t bytes = sizeof(address);
    struct tsuga_actor *self = run->self;
    int on = 1;
    int listener = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
    int error = listener < 0 ? listener : 0;

    /* Small messages do not wait for company. What is accepted inherits that. */
    if (error == 0 && setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        error = -errno;
    if (error == 0)
        error = tsuga_await(self, tsuga_bind(self, listener, any, bytes)).result;
    if (error == 0)
        error = tsuga_await(self, tsuga_listen(self, listener, 1)).result;
    if (error == 0 && getsockname(listener, any, &bytes) < 0)
        error = -errno;
    run->out = tsuga_await(self, tsuga_socket(self, AF_INET, SOCK_STREAM, 0)).result;
    if (error == 0)
        error = tsuga_await(self, tsuga_connect(self, run->out, any, bytes)).result;
    if (error == 0 && setsockopt(run->out, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        error = -errno;
    if (error == 0)
        run->in = error = tsuga_await(self, tsuga_accept(self, listener)).result;
    return error < 0 ? error : 0;
}

static void body(struct tsuga_actor *self, void *argument)
{
    struct run *run = argument;
    int error;

    run->self = self;
    error = run->open(run, self);
    if (error == 0)
        error = connect_ends(run);
    if (error < 0)
        tsuga_exit(self, error);
    through_file(run);
    through_connection(run, 0);
    through_connection(run, TSUGA_OP_ZERO_COPY);
    gathered(run);
    step_by_step(run);

    /* The actor ends while the kernel has a block, and the whole is given back before its part. */
    (void)submit(run, &(struct tsuga_op){
                          .kind = TSUGA_OP_RECV, .fd = run->in, .bytes = 1000, .pool = run->pool});
    (void)tsuga_lease_release(self, *run->whole);
}

static int open_bump(struct run *run, struct tsuga_actor *self)
{
    return bump_open(&run->bump, self, BUMP_BYTES);
}

static int open_buddy(struct run *run, struct tsuga_actor *self)
{
    return buddy_open(&run->buddy, self);
}

static void execute(struct run *run)
{
    FILE *file = tmpfile();
    int error = file == NULL ? -errno : 0;

    if (error == 0) {
        run->fd = fileno(file);
        error = tsuga_run(NULL, body, run);
        (void)fclose(file);
    }
    expect(run, error == 0, strerror(-error));
    expect(run, *run->live_count == 0, "not every block came back");
    printf("%-5s  %u operations, %zu blocks not back; waited for room %u times; "
           "%u zero-copy sends, %u of them copied by the kernel; %s\n",
           run->name, run->op_total, *run->live_count, run->full, run->zero_copy, run->copied,
           run->wrong == 0 ? "all right" : "WRONG");
}

int main(void)
{
    struct run bump = {.name = "bump", .open = open_bump};
    struct run buddy = {.name = "buddy", .open = open_buddy};
    int error = buddy_init(&buddy.buddy, BUDDY_BYTES);

    if (error < 0) {
        fprintf(stderr, "pools: %s\n", strerror(-error));
        return 1;
    }
    bump.pool = &bump.bump.pool;
    bump.whole = &bump.bump.whole;
    bump.live_count = &bump.bump.live_count;
    execute(&bump);

    buddy.pool = &buddy.buddy.pool;
    buddy.whole = &buddy.buddy.whole;
    buddy.live_count = &buddy.buddy.live_count;
    execute(&buddy);
    expect(&buddy, buddy_is_whole(&buddy.buddy), "the blocks did not join again");
    buddy_fini(&buddy.buddy);
    return bump.wrong + buddy.wrong == 0 ? 0 : 1;
}
