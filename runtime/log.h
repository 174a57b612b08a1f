/*
 * The log of one runtime: one line a call, to the writer that the program configured or to stderr.
 *
 * A line is at most TSUGA_LOG_LINE_BYTES_MAX - 1 bytes; a longer one ends in "...". Bytes that
 * would break the line or move a terminal's cursor are shown as '?', because values come from
 * outside.
 *
 * Owner: the runtime. Thread: any, one call at a time behind a lock; the level is const once
 * threads share the log. The writer must not log.
 */
#ifndef TSUGA_RUNTIME_LOG_H
#define TSUGA_RUNTIME_LOG_H

#include <pthread.h>

#include <tsuga.h>

#define TSUGA_LOG_LINE_BYTES_MAX 1024u

struct tsuga_log {
    /* const once shared */
    enum tsuga_log_level level;
    tsuga_log_fn *write;
    void *context;

    /* any thread */
    pthread_mutex_t lock;
};

/* level   TSUGA_LOG_DEFAULT means warn.
 * write   NULL means stderr, with the prefix "tsuga: ". */
void tsuga_log_init(struct tsuga_log *log, enum tsuga_log_level level, tsuga_log_fn *write,
                    void *context);

void tsuga_log_fini(struct tsuga_log *log);

/* Writes one line when `level` is at least as severe as the log's level. */
void tsuga_log_printf(struct tsuga_log *log, enum tsuga_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a finished line, in the shape of a callback: `log` is a struct tsuga_log. */
void tsuga_log_report(void *log, enum tsuga_log_level level, const char *line);

#endif
