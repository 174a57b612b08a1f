/*
 * What a thread does with its time, for others to ask: whether it computes, waits for something, or
 * is not let run by those it shares the processors with.
 *
 * Owner: whoever has it, and fills it in on the thread that it is about. Thread: any, as long as
 * that thread lives.
 */
#ifndef TSUGA_BASE_THREAD_METER_H
#define TSUGA_BASE_THREAD_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct tsuga_thread_meter {
    clockid_t clock;
    pid_t id;
};

/* Of the calling thread. */
void tsuga_thread_meter_init(struct tsuga_thread_meter *meter);

/* Processor time that the thread has had so far; 0 when that is not known. */
uint64_t tsuga_thread_meter_ns(const struct tsuga_thread_meter *meter);

/* Whether it waits in the kernel for something: it neither runs nor would if it was let. True when
 * that is not known, as without /proc. Source: proc_pid_stat(5), the third field. */
bool tsuga_thread_meter_is_blocked(const struct tsuga_thread_meter *meter);

#endif
