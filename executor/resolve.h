/*
 * Names of hosts and services to addresses, by getaddrinfo(3) on a thread of the pool. Private to
 * executor/.
 *
 * Question and answer lie in one block of the actor's I/O heap: the thread reads the one from there
 * and then writes the other over it, so that it touches nothing that could go before it has ended.
 *
 * Owner: of the block, the operation. Thread: packing, the actor's executor's; the rest, any.
 */
#ifndef TSUGA_EXECUTOR_RESOLVE_H
#define TSUGA_EXECUTOR_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "executor/calls.h"
#include "runtime/base/assert.h"

#include <tsuga.h>

#define TSUGA_RESOLVE_BYTES 4096u

/* Write a question into a block of TSUGA_RESOLVE_BYTES.
 * Errors: -EINVAL it asks for nothing; -ENAMETOOLONG. */
TSUGA_NODISCARD int tsuga_resolve_pack(const struct tsuga_question *question, void *block);

/* Put the answer in its place: the bytes of an array of struct tsuga_resolved, or -errno. */
int32_t tsuga_resolve_answer(const struct tsuga_calls *calls, void *block);

/* An EAI_* code, and errno as the call has left it, as what users see. */
int tsuga_resolve_error(int code, int system_error);

#endif
