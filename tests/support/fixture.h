/*
 * Things to do I/O on: bytes that can be recognised, files, pipes, sockets. Failures fail the test.
 *
 * Byte i of a content is decided by its seed and by i alone, so that a part of it is known by its
 * offset, and so that a byte of another content, or at another place, is told apart.
 *
 * Thread: any.
 */
#ifndef TSUGA_TESTS_FIXTURE_H
#define TSUGA_TESTS_FIXTURE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* The content's bytes from `offset` on. */
void tsuga_content_fill(void *data, size_t bytes, uint64_t seed, size_t offset);

/* Fails the test unless these are the content's bytes from `offset` on. */
void tsuga_content_check(const void *data, size_t bytes, uint64_t seed, size_t offset);

/* A file in memory with that much of a content. Owner: the caller closes it. */
int tsuga_fixture_memory_file(size_t bytes, uint64_t seed);

/* A path below /tmp that nobody has. Owner: the caller unlinks what it makes there. */
struct tsuga_path {
    char text[64];
};
struct tsuga_path tsuga_fixture_path(void);

/* A file at a new path. */
struct tsuga_path tsuga_fixture_file(size_t bytes, uint64_t seed);

void tsuga_fixture_pipe(int ends[2]);
void tsuga_fixture_sockets(int ends[2]);

/* A TCP socket that listens at a free port of 127.0.0.1, which is written to `address`. */
int tsuga_fixture_listener(struct sockaddr_in *address);

/* Writes all, and reads exactly so much, with plain calls. */
void tsuga_fixture_write(int fd, const void *data, size_t bytes);
void tsuga_fixture_read(int fd, void *data, size_t bytes);

void tsuga_fixture_close(const int *fds, size_t count);

#endif
