#include "tests/support/fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

#define TEMPLATE "/tmp/tsuga-test-"

static unsigned char byte_at(uint64_t seed, size_t offset)
{
    uint64_t mixed =
        (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + offset * UINT64_C(0xbf58476d1ce4e5b9);

    return (unsigned char)(mixed >> 37);
}

void tsuga_content_fill(void *data, size_t bytes, uint64_t seed, size_t offset)
{
    unsigned char *at = data;

    for (size_t i = 0; i < bytes; i++)
        at[i] = byte_at(seed, offset + i);
}

void tsuga_content_check(const void *data, size_t bytes, uint64_t seed, size_t offset)
{
    const unsigned char *at = data;

    CHECK(data != NULL || bytes == 0);
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != byte_at(seed, offset + i))
            tsuga_test_fail(__FILE__, __LINE__,
                            "byte %zu of content %" PRIu64 " (%zu bytes from %zu) is %#x",
                            offset + i, seed, bytes, offset, at[i]);
    }
}

static void fill_file(int fd, size_t bytes, uint64_t seed)
{
    void *content = malloc(bytes + 1);

    CHECK(content != NULL);
    tsuga_content_fill(content, bytes, seed, 0);
    tsuga_fixture_write(fd, content, bytes);
    CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
    free(content);
}

int tsuga_fixture_memory_file(size_t bytes, uint64_t seed)
{
    int fd = memfd_create("tsuga-test", MFD_CLOEXEC);

    CHECK(fd >= 0);
    fill_file(fd, bytes, seed);
    return fd;
}

struct tsuga_path tsuga_fixture_path(void)
{
    struct tsuga_path path = tsuga_fixture_file(0, 0);

    CHECK_INT(unlink(path.text), 0);
    return path;
}

struct tsuga_path tsuga_fixture_file(size_t bytes, uint64_t seed)
{
    struct tsuga_path path = {TEMPLATE};
    int fd;

    memset(path.text + strlen(path.text), 'X', 6); /* what mkostemp(3) replaces */
    fd = mkostemp(path.text, O_CLOEXEC);
    CHECK(fd >= 0);
    fill_file(fd, bytes, seed);
    close(fd);
    return path;
}

void tsuga_fixture_pipe(int ends[2])
{
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
}

void tsuga_fixture_sockets(int ends[2])
{
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

int tsuga_fixture_listener(struct sockaddr_in *address)
{
    socklen_t bytes = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_INT(bind(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    CHECK_INT(listen(fd, 64), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)address, &bytes), 0);
    return fd;
}

void tsuga_fixture_write(int fd, const void *data, size_t bytes)
{
    const char *at = data;

    while (bytes > 0) {
        ssize_t written = write(fd, at, bytes);

        CHECK(written > 0);
        at += written;
        bytes -= (size_t)written;
    }
}

void tsuga_fixture_read(int fd, void *data, size_t bytes)
{
    char *at = data;

    while (bytes > 0) {
        ssize_t got = read(fd, at, bytes);

        CHECK(got > 0);
        at += got;
        bytes -= (size_t)got;
    }
}

void tsuga_fixture_close(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK_INT(close(fds[i]), 0);
}
