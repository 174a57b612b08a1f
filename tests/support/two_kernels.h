/*
 * The same story told to two kernels: the real one, and the simulated one. A story makes requests
 * and notes what comes of them; at the end the notes must agree.
 *
 *     static void story(struct tsuga_teller *teller) { tsuga_note(teller, tsuga_tell(...)); }
 *
 *     TEST(fidelity, of_something) { tsuga_compare(story); }
 *
 * Owner: the test. Thread: the test's own.
 */
#ifndef TSUGA_TESTS_TWO_KERNELS_H
#define TSUGA_TESTS_TWO_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "executor/calls.h"
#include "executor/ring.h"

#define TSUGA_NOTES_MAX   256u
#define TSUGA_RESULTS_MAX 256u

struct tsuga_teller {
    struct tsuga_ring *ring;
    const struct tsuga_calls *calls;
    struct tsuga_kernel *simulated; /* NULL: the real one */
    int64_t notes[TSUGA_NOTES_MAX];
    uint32_t note_count;
    struct tsuga_ring_result results[TSUGA_RESULTS_MAX]; /* reaped, and not yet asked for */
    uint32_t result_count;
    char directory[64]; /* of the story's own */
};

typedef void tsuga_story_fn(struct tsuga_teller *teller);

/* Tells the story twice, and compares. */
void tsuga_compare(tsuga_story_fn *story);

void tsuga_note(struct tsuga_teller *teller, int64_t value);

/* Makes a request, and waits for a result of it: the next one. */
struct tsuga_ring_result tsuga_tell(struct tsuga_teller *teller, struct tsuga_ring_request request);

/* Makes a request, and does not wait. */
void tsuga_tell_only(struct tsuga_teller *teller, struct tsuga_ring_request request);

/* Waits for the next result of a request. */
struct tsuga_ring_result tsuga_hear(struct tsuga_teller *teller, uint64_t user_data);

/* Whether nothing comes of a request for a while. */
bool tsuga_is_quiet(struct tsuga_teller *teller, uint64_t user_data);

/* Two ends of a connection, by TCP or a Unix socket. */
void tsuga_connect_ends(struct tsuga_teller *teller, bool is_local, int ends[2]);

/* A listener, and its address. */
int tsuga_listen_somewhere(struct tsuga_teller *teller, bool is_local,
                           struct sockaddr_storage *address, socklen_t *bytes);

/* Bytes through a descriptor; the result. */
int32_t tsuga_tell_send(struct tsuga_teller *teller, int fd, const char *text);
void tsuga_tell_close(struct tsuga_teller *teller, int fd);

#endif
