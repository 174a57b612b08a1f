#include "tests/sim/support.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* The eight bytes at a multiple of eight of a stream. */
static uint64_t word_at(uint64_t stream, uint64_t offset)
{
    uint64_t state = stream * UINT64_C(0x2545f4914f6cdd1d) + offset / 8;

    return sim_random(&state);
}

/* How many bytes from an offset on lie in one word, and which they are. */
static size_t part_at(uint64_t stream, uint64_t offset, size_t left, uint64_t *out)
{
    size_t bytes = 8 - offset % 8;

    *out = word_at(stream, offset) >> offset % 8 * 8;
    return bytes < left ? bytes : left;
}

void sim_fill(char *out, size_t bytes, uint64_t stream, uint64_t offset)
{
    uint64_t word;

    for (size_t done = 0; done < bytes;) {
        size_t part = part_at(stream, offset + done, bytes - done, &word);

        memcpy(out + done, &word, part);
        done += part;
    }
}

bool sim_is_filled(const char *bytes, size_t count, uint64_t stream, uint64_t offset)
{
    uint64_t there = 0;
    uint64_t word;

    for (size_t done = 0; done < count;) {
        size_t part = part_at(stream, offset + done, count - done, &word);

        memcpy(&there, bytes + done, part);
        if (((there ^ word) << (64 - 8 * part)) != 0)
            return false;
        done += part;
    }
    return true;
}

static struct sim_address local_address(uint16_t port)
{
    struct sim_address address = {.bytes = sizeof(struct sockaddr_un)};
    struct sockaddr_un *name = (void *)&address.storage;

    name->sun_family = AF_UNIX;
    snprintf(name->sun_path, sizeof(name->sun_path), "/socket-%u", port);
    return address;
}

struct sim_address sim_choose_address(struct sim_run *run, uint16_t port)
{
    struct sim_address address = {.bytes = sizeof(struct sockaddr_in)};
    struct sockaddr_in *four = (void *)&address.storage;
    struct sockaddr_in6 *six = (void *)&address.storage;

    switch (sim_random(&run->random) % 3) {
    case 0:
        return local_address(port);
    case 1:
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    default:
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        six->sin6_addr = in6addr_loopback;
        address.bytes = sizeof(*six);
        return address;
    }
}

static int open_socket(struct tsuga_actor *self, const struct sim_address *address)
{
    return tsuga_await(self, tsuga_socket(self, address->storage.ss_family, SOCK_STREAM, 0)).result;
}

void sim_close(struct tsuga_actor *self, int fd)
{
    struct tsuga_token token = tsuga_close(self, fd);

    while (tsuga_op_error(token) == -ENOMEM || tsuga_op_error(token) == -ENOBUFS) {
        if (tsuga_yield(self) == -ECANCELED)
            return; /* its end closes it */
        token = tsuga_close(self, fd);
    }
    tsuga_forget(self, token);
}

static int close_after(struct tsuga_actor *self, int fd, int error)
{
    sim_close(self, fd);
    return error;
}

int sim_listen(struct tsuga_actor *self, const struct sim_address *address, int backlog)
{
    const struct sockaddr *name = (const void *)&address->storage;
    int fd = open_socket(self, address);
    int error;

    if (fd < 0)
        return fd;
    error = tsuga_await(self, tsuga_bind(self, fd, name, address->bytes)).result;
    if (error == 0)
        error = tsuga_await(self, tsuga_listen(self, fd, backlog)).result;
    return error == 0 ? fd : close_after(self, fd, error);
}

int sim_connect(struct tsuga_actor *self, const struct sim_address *address)
{
    const struct sockaddr *name = (const void *)&address->storage;
    int fd = open_socket(self, address);
    int error;

    if (fd < 0)
        return fd;
    error = tsuga_await(self, tsuga_connect(self, fd, name, address->bytes)).result;
    return error == 0 ? fd : close_after(self, fd, error);
}

static uint32_t choose_options(uint64_t *random)
{
    static const uint32_t options[] = {0, TSUGA_OP_ZERO_COPY, TSUGA_OP_ZERO_COPY | TSUGA_OP_EARLY,
                                       TSUGA_OP_ASYNC};

    return options[sim_random(random) % 4];
}

/* Of an early result the last one counts, too: then the buffer is free. */
static int32_t await_send(struct tsuga_actor *self, const struct tsuga_op *op)
{
    struct tsuga_token token = tsuga_submit(self, op);
    struct tsuga_completion sent = tsuga_await(self, token);
    int32_t result = sent.result;

    while (sent.more) {
        sent = tsuga_await(self, token);
        if (sent.result < 0)
            return sent.result;
    }
    return result;
}

int32_t sim_send(struct tsuga_actor *self, int fd, const char *bytes, size_t count,
                 uint64_t *random)
{
    struct tsuga_op op = {.kind = TSUGA_OP_SEND,
                          .options = choose_options(random),
                          .fd = fd,
                          .data = bytes,
                          .bytes = count};

    return await_send(self, &op);
}

int32_t sim_send_on(struct tsuga_actor *self, int fd, struct tsuga_lease lease, uint64_t *random)
{
    struct tsuga_op op = {.kind = TSUGA_OP_SEND,
                          .options = choose_options(random),
                          .fd = fd,
                          .lease = lease,
                          .bytes = tsuga_lease_bytes(self, lease)};

    return await_send(self, &op);
}

int sim_receive_fd(struct tsuga_actor *self)
{
    struct tsuga_select select = {.user_only = true};
    const struct tsuga_message *message;
    int fd;

    if (tsuga_receive(self, &select, TSUGA_FOREVER, &message) != 0)
        return -1;
    memcpy(&fd, tsuga_message_data(message), sizeof(fd));
    return fd;
}

void sim_pass_fd(struct tsuga_actor *self, int fd, const struct tsuga_spawn_options *options)
{
    struct tsuga_id id;

    if (tsuga_spawn(tsuga_runtime_of(self), options, &id) != 0) {
        sim_close(self, fd);
        return;
    }
    if (tsuga_fd_give(self, fd, id) != 0) {
        sim_close(self, fd);
        fd = -1;
    }
    if (tsuga_send(self, id, 0, &fd, sizeof(fd)) != 0)
        (void)tsuga_actor_stop(tsuga_runtime_of(self), id);
}
