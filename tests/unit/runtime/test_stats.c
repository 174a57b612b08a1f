/* Counters: they balance, and they are written as Prometheus reads them. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/support/world.h"

static void do_a_bit(struct tsuga_actor *self, void *argument)
{
    int fd = tsuga_fixture_memory_file(1000, 1);
    const struct tsuga_message *message;
    struct tsuga_stats stats;
    char into[100];

    (void)argument;
    CHECK_INT(tsuga_fd_adopt(self, fd), 0);
    CHECK_INT(tsuga_await(self, tsuga_read_into(self, fd, into, 100)).result, 100);
    CHECK_INT(tsuga_send(self, tsuga_self(self), 0, "abc", 4), 0);
    CHECK_INT(tsuga_receive(self, NULL, 0, &message), 0);
    CHECK_INT(tsuga_send(self, (struct tsuga_id){77}, 0, NULL, 0), -ESRCH);
    tsuga_stats_read(tsuga_runtime_of(self), &stats);
    CHECK_UINT(stats.executor_count, 1);
    CHECK_UINT(stats.actors_alive, 1);
    CHECK_UINT(stats.actors_spawned, 1);
    CHECK_UINT(stats.actors_ended, 0);
    CHECK_UINT(stats.messages_sent, 1);
    CHECK_UINT(stats.dead_letters, 1);
    CHECK_UINT(stats.ops_submitted, 1);
    CHECK_UINT(stats.ops_completions, 1);
    CHECK_UINT(stats.copied_bytes, 100);
    CHECK_UINT(stats.descriptors, 1);
    CHECK(stats.turns > 0);
}

TEST(stats, count_what_happened_and_balance_at_the_end)
{
    struct tsuga_stats stats = tsuga_world_run(NULL, do_a_bit, NULL);

    CHECK(stats.heaps.segment_bytes_max > 0);
    CHECK_UINT(stats.heaps.free_bytes, stats.heaps.segment_bytes);
    CHECK_UINT(stats.heaps.allocs[1], 1); /* the read's 128 bytes */
}

struct tally {
    unsigned help;
    unsigned type;
    unsigned values;
};

/* "name value" or "name{bytes=\"N\"} value", of the metric that the lines before announced. */
static void check_sample(const char *line, const char *name)
{
    size_t bytes = strlen(name);

    CHECK(strncmp(line, name, bytes) == 0);
    line += bytes;
    if (*line == '{') {
        CHECK(strncmp(line, "{bytes=\"", 8) == 0);
        line = strchr(line, '}') + 1;
    }
    CHECK(*line++ == ' ');
    CHECK(*line != '\0');
    while (*line != '\0')
        CHECK(isdigit((unsigned char)*line++));
}

static void check_line(const char *line, char *name, struct tally *tally)
{
    char type[16];

    if (strncmp(line, "# HELP ", 7) == 0) {
        CHECK_INT(sscanf(line, "# HELP %63s", name), 1);
        CHECK(strncmp(name, "tsuga_", 6) == 0);
        tally->help++;
    } else if (strncmp(line, "# TYPE ", 7) == 0) {
        char again[64];

        CHECK_INT(sscanf(line, "# TYPE %63s %15s", again, type), 2);
        CHECK_STR(again, name);
        CHECK(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0);
        tally->type++;
    } else {
        check_sample(line, name);
        tally->values++;
    }
}

TEST(stats, are_written_in_the_exposition_format)
{
    struct tally tally = {0};
    struct tsuga_run run;
    char name[64] = "";
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);

    CHECK(stream != NULL);
    tsuga_world_start(NULL, &run);
    CHECK_INT(tsuga_stats_write(run.runtime, stream), 0);
    CHECK_INT(fclose(stream), 0);
    tsuga_world_end(&run);
    CHECK(bytes > 0 && text[bytes - 1] == '\n');
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        check_line(line, name, &tally);
    CHECK_UINT(tally.help, tally.type);
    CHECK_UINT(tally.values, tally.help - 1 + TSUGA_CLASS_COUNT);
    /* Every counter of the struct but executor_count, and the heaps' classes. */
    CHECK_UINT(tally.help - 1, (offsetof(struct tsuga_stats, heaps) - 8) / 8);
    free(text);
}

TEST(stats, a_stream_that_fails_is_told)
{
    struct tsuga_run run;
    FILE *stream = fopen("/dev/full", "w");

    CHECK(stream != NULL);
    tsuga_world_start(NULL, &run);
    CHECK_INT(tsuga_stats_write(run.runtime, stream), -EIO);
    tsuga_world_end(&run);
    fclose(stream);
}
