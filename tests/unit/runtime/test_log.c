#include "runtime/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"

#define WRITERS          4
#define LINES_PER_WRITER 500u

struct sink {
    unsigned count;
    enum tsuga_log_level level;
    char line[2 * TSUGA_LOG_LINE_BYTES_MAX];
};

static void keep(void *context, enum tsuga_log_level level, const char *line)
{
    struct sink *sink = context;

    sink->count++;
    sink->level = level;
    snprintf(sink->line, sizeof(sink->line), "%s", line);
}

TEST(log, keeps_what_is_less_severe_than_its_level_to_itself)
{
    struct sink sink = {0};
    struct tsuga_log log;

    tsuga_log_init(&log, TSUGA_LOG_DEFAULT, keep, &sink);
    tsuga_log_printf(&log, TSUGA_LOG_INFO, "not this");
    CHECK_UINT(sink.count, 0);
    tsuga_log_printf(&log, TSUGA_LOG_WARN, "%s %d", "this", 1);
    CHECK_UINT(sink.count, 1);
    CHECK_UINT(sink.level, TSUGA_LOG_WARN);
    CHECK_STR(sink.line, "this 1");
    tsuga_log_report(&log, TSUGA_LOG_ERROR, "100 % sure");
    CHECK_STR(sink.line, "100 % sure");
    tsuga_log_fini(&log);
}

TEST(log, is_silent_when_off)
{
    struct sink sink = {0};
    struct tsuga_log log;

    tsuga_log_init(&log, TSUGA_LOG_OFF, keep, &sink);
    tsuga_log_printf(&log, TSUGA_LOG_ERROR, "not this");
    CHECK_UINT(sink.count, 0);
    tsuga_log_fini(&log);
}

TEST(log, writes_one_printable_line_of_limited_length)
{
    struct sink sink = {0};
    struct tsuga_log log;
    char text[3000];

    tsuga_log_init(&log, TSUGA_LOG_WARN, keep, &sink);
    tsuga_log_printf(&log, TSUGA_LOG_WARN, "a\nb\tc\x1b[31m d\x7f \xc3\xa9");
    CHECK_STR(sink.line, "a?b?c?[31m d? \xc3\xa9");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    tsuga_log_printf(&log, TSUGA_LOG_WARN, "%s", text);
    CHECK_UINT(strlen(sink.line), TSUGA_LOG_LINE_BYTES_MAX - 1);
    CHECK_STR(sink.line + TSUGA_LOG_LINE_BYTES_MAX - 5, "x...");
    tsuga_log_fini(&log);
}

/* The sink is plain memory: without the lock the lines mix and ThreadSanitizer speaks up. */
static void *write_lines(void *context)
{
    for (unsigned i = 0; i < LINES_PER_WRITER; i++)
        tsuga_log_printf(context, TSUGA_LOG_WARN, "%u", i);
    return NULL;
}

TEST(log, calls_the_writer_one_at_a_time)
{
    struct sink sink = {0};
    struct tsuga_log log;
    pthread_t writers[WRITERS];

    tsuga_log_init(&log, TSUGA_LOG_WARN, keep, &sink);
    for (unsigned i = 0; i < WRITERS; i++)
        CHECK_INT(pthread_create(&writers[i], NULL, write_lines, &log), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        CHECK_INT(pthread_join(writers[i], NULL), 0);
    CHECK_UINT(sink.count, WRITERS * LINES_PER_WRITER);
    tsuga_log_fini(&log);
}
