#include "runtime/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/test.h"

/* file, mailbox.dead_letter, mailbox.context, log.write, log.context, signals */
#define FIELDS_WITHOUT_KEY_BYTES (5 * sizeof(void *) + sizeof(enum tsuga_toggle))
#define HOLES_BYTES              12u

/* What the resolver said, and how often. */
struct said {
    unsigned count;
    char line[TSUGA_LOG_LINE_BYTES_MAX];
};

static void keep(void *context, enum tsuga_log_level level, const char *line)
{
    struct said *said = context;

    CHECK_UINT(level, TSUGA_LOG_ERROR);
    said->count++;
    snprintf(said->line, sizeof(said->line), "%s", line);
}

static int resolve(const struct tsuga_config *user, struct tsuga_config *out, struct said *said)
{
    struct tsuga_log log;
    int error;

    *said = (struct said){0};
    tsuga_log_init(&log, TSUGA_LOG_WARN, keep, said);
    error = tsuga_config_resolve(user, out, &log);
    tsuga_log_fini(&log);
    return error;
}

/* An INI file without a place on the disk; lives until the test's process ends. */
static const char *file_of(const char *text, size_t bytes)
{
    static char path[64];
    int fd = memfd_create("ini", 0);

    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, bytes), (ssize_t)bytes);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return path;
}

static int resolve_ini(const char *text, struct tsuga_config *out, struct said *said)
{
    struct tsuga_config user = {.file = file_of(text, strlen(text))};

    return resolve(&user, out, said);
}

/* Refused with exactly one line, which holds every word of `expected`. The line is preceded by the
 * file's name, whose number changes. */
static void check_refused(const char *ini, const char *expected)
{
    struct tsuga_config out;
    struct said said;

    CHECK_INT(resolve_ini(ini, &out, &said), -EINVAL);
    CHECK_UINT(said.count, 1);
    if (strstr(said.line, expected) == NULL)
        tsuga_test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", said.line, expected);
}

static uint64_t get(const struct tsuga_config *config, const struct tsuga_config_key *key)
{
    uint64_t value = 0;

    memcpy(&value, (const char *)config + key->offset, key->bytes);
    return value;
}

static void set(struct tsuga_config *config, const struct tsuga_config_key *key, uint64_t value)
{
    memcpy((char *)config + key->offset, &value, key->bytes);
}

/* For every key a value that is not the default and agrees with the defaults of all others, and
 * with these values of others. */
struct sample {
    const char *section;
    const char *name;
    const char *text;
    uint64_t value;
};

static const struct sample samples[] = {
    {"executor", "threads", "123", 123},
    {"executor", "ring_entries", "64", 64},
    {"executor", "cq_entries", "1024", 1024},
    {"executor", "ops_max", "1000", 1000},
    {"executor", "time_slice_us", "1", 1},
    {"executor", "slice_messages", "7", 7},
    {"executor", "watchdog_us", "3600000000", 3600000000},
    {"executor", "io_workers_bounded", "1", 1},
    {"executor", "io_workers_unbounded", "2", 2},
    {"executor", "blocking_threads", "256", 256},
    {"executor", "blocking_queue", "1", 1},
    {"executor", "pin", "on", TSUGA_ON},
    {"executor", "steal", "off", TSUGA_OFF},
    {"actor", "stop_ms", "1", 1},
    {"actor", "death_ms", "86400000", 86400000},
    {"actor", "shutdown_ms", "2", 2},
    {"ioheap", "reserve", "3g", UINT64_C(3) << 30},
    {"ioheap", "arena_size", "8M", 8 << 20},
    {"ioheap", "segment_min", "64k", 64 << 10},
    {"ioheap", "quota", "1000000", 1000000},
    {"ioheap", "size_classes", "64,\t4K , 1M", 64 | 4096 | 1 << 20},
    {"ioheap", "decay_ms", "10", 10},
    {"ioheap", "guard", "on", TSUGA_ON},
    {"ioheap", "huge_pages", "off", TSUGA_OFF},
    {"ioheap", "registration", "always", TSUGA_REGISTRATION_ALWAYS},
    {"ioheap", "registration_slots", "100", 100},
    {"mailbox", "capacity", "2147483648", UINT64_C(1) << 31},
    {"mailbox", "full", "block", TSUGA_FULL_BLOCK},
    {"receive", "group_sizes", "1K, 1M", 1024 | 1 << 20},
    {"receive", "group_buffers", "128", 128},
    {"receive", "lent_max", "64K", 64 << 10},
    {"receive", "sizer", "fixed", TSUGA_SIZING_FIXED},
    {"receive", "sizer_min", "100", 100},
    {"receive", "sizer_max", "2M", 2 << 20},
    {"send", "zero_copy_min", "32K", 32 << 10},
    {"stack", "size", "20480", 20480},
    {"stack", "pool", "1", 1},
    {"stack", "count_max", "100", 100},
    {"features", "defer_taskrun", "off", TSUGA_OFF},
    {"features", "registered_ring", "off", TSUGA_OFF},
    {"features", "no_iowait", "off", TSUGA_OFF},
    {"features", "bind_listen", "off", TSUGA_OFF},
    {"features", "ftruncate", "off", TSUGA_OFF},
    {"features", "futex", "off", TSUGA_OFF},
    {"features", "waitid", "off", TSUGA_OFF},
    {"features", "guard_install", "off", TSUGA_OFF},
    {"features", "buffer_ring", "off", TSUGA_OFF},
    {"features", "buffer_ring_incremental", "off", TSUGA_OFF},
    {"features", "multishot", "off", TSUGA_OFF},
    {"features", "read_multishot", "off", TSUGA_OFF},
    {"features", "send_zero_copy", "off", TSUGA_OFF},
    {"features", "registered_buffers", "off", TSUGA_OFF},
    {"features", "vectors_fixed", "off", TSUGA_OFF},
    {"features", "registered_files", "off", TSUGA_OFF},
    {"log", "level", "debug", TSUGA_LOG_DEBUG},
};

#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

static const struct sample *sample_of(const struct tsuga_config_key *key)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        if (strcmp(samples[i].section, key->section) == 0 &&
            strcmp(samples[i].name, key->name) == 0)
            return &samples[i];
    tsuga_test_fail(__FILE__, __LINE__, "no sample of %s.%s", key->section, key->name);
}

static void set_variable(const char *section, const char *name, const char *value)
{
    char variable[64];

    snprintf(variable, sizeof(variable), "TSUGA_%s_%s", section, name);
    for (char *c = variable; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    CHECK_INT(value != NULL ? setenv(variable, value, 1) : unsetenv(variable), 0);
}

/* Whatever the caller's environment configures would change what these tests see. */
static void clear_environment(void)
{
    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++)
        set_variable(tsuga_config_keys[i].section, tsuga_config_keys[i].name, NULL);
}

TEST(config, table_has_each_field_once)
{
    bool is_taken[sizeof(struct tsuga_config)] = {false};
    size_t bytes = 0;

    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++) {
        const struct tsuga_config_key *key = &tsuga_config_keys[i];

        CHECK(key->section != NULL);
        CHECK(key->bytes == 4 || key->bytes == 8);
        CHECK(!is_taken[key->offset]);
        CHECK(key->min <= key->max);
        is_taken[key->offset] = true;
        bytes += key->bytes;
    }
    /* Whoever adds a field without a key, or a hole, has to come here. */
    CHECK_UINT(bytes + FIELDS_WITHOUT_KEY_BYTES + HOLES_BYTES, sizeof(struct tsuga_config));
    CHECK_UINT(SAMPLE_COUNT, TSUGA_CONFIG_KEY_COUNT);
}

TEST(config, defaults_leave_no_field_open)
{
    struct tsuga_config out;
    struct said said;

    clear_environment();
    CHECK_INT(resolve(NULL, &out, &said), 0);
    CHECK_UINT(said.count, 0);
    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++) {
        const struct tsuga_config_key *key = &tsuga_config_keys[i];
        bool may_be_zero = strcmp(key->name, "quota") == 0 || strcmp(key->name, "capacity") == 0 ||
                           strcmp(key->name, "zero_copy_min") == 0;

        CHECK(may_be_zero || get(&out, key) != 0);
        CHECK(key->fallback == 0 || get(&out, key) == key->fallback);
    }
    CHECK_UINT(out.ioheap.size_classes, 0x3fffc0);
    CHECK_UINT(out.executor.cq_entries, 65536);
    CHECK_UINT(out.signals, TSUGA_OFF);
    CHECK_PTR(out.file, NULL);
}

TEST(config, every_key_can_be_set_in_the_struct)
{
    clear_environment();
    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++) {
        const struct tsuga_config_key *key = &tsuga_config_keys[i];
        struct tsuga_config user = {0};
        struct tsuga_config out;
        struct said said;

        set(&user, key, sample_of(key)->value);
        CHECK_INT(resolve(&user, &out, &said), 0);
        CHECK_UINT(get(&out, key), sample_of(key)->value);
    }
}

TEST(config, every_key_can_be_set_in_the_file)
{
    clear_environment();
    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++) {
        const struct tsuga_config_key *key = &tsuga_config_keys[i];
        struct tsuga_config out;
        struct said said;
        char ini[128];

        snprintf(ini, sizeof(ini), "[%s]\n%s = %s\n", key->section, key->name,
                 sample_of(key)->text);
        CHECK_INT(resolve_ini(ini, &out, &said), 0);
        CHECK_UINT(get(&out, key), sample_of(key)->value);
    }
}

TEST(config, every_key_can_be_set_in_the_environment)
{
    clear_environment();
    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++) {
        const struct tsuga_config_key *key = &tsuga_config_keys[i];
        struct tsuga_config out;
        struct said said;

        set_variable(key->section, key->name, sample_of(key)->text);
        CHECK_INT(resolve(NULL, &out, &said), 0);
        CHECK_UINT(get(&out, key), sample_of(key)->value);
        set_variable(key->section, key->name, NULL);
    }
}

TEST(config, environment_beats_file_beats_struct)
{
    static const char ini[] = "[executor]\ntime_slice_us = 22\nslice_messages = 22\n";
    struct tsuga_config user = {.executor = {.time_slice_us = 11, .watchdog_us = 1100}};
    struct tsuga_config out;
    struct said said;

    clear_environment();
    user.executor.slice_messages = 11;
    user.file = file_of(ini, sizeof(ini) - 1);
    set_variable("executor", "slice_messages", "33");
    CHECK_INT(resolve(&user, &out, &said), 0);
    CHECK_UINT(out.executor.watchdog_us, 1100);
    CHECK_UINT(out.executor.time_slice_us, 22);
    CHECK_UINT(out.executor.slice_messages, 33);
    CHECK_UINT(out.executor.blocking_threads, 4);
    CHECK_UINT(out.executor.blocking_queue, 65536);
}

TEST(config, resolved_configuration_resolves_to_itself)
{
    struct tsuga_config user = {.signals = TSUGA_ON};
    struct tsuga_config once;
    struct tsuga_config twice;
    struct said said;

    clear_environment();
    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i += 2)
        set(&user, &tsuga_config_keys[i], sample_of(&tsuga_config_keys[i])->value);
    CHECK_INT(resolve(&user, &once, &said), 0);
    CHECK_INT(resolve(&once, &twice, &said), 0);
    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++)
        CHECK_UINT(get(&twice, &tsuga_config_keys[i]), get(&once, &tsuga_config_keys[i]));
    CHECK_UINT(twice.signals, TSUGA_ON);
}

TEST(config, defaults_follow_from_what_is_set)
{
    struct tsuga_config out;
    struct said said;

    clear_environment();
    CHECK_INT(resolve_ini("[executor]\nops_max = 3000", &out, &said), 0);
    CHECK_UINT(out.executor.cq_entries, 8192);
    CHECK_INT(resolve_ini("[executor]\nops_max = 1", &out, &said), 0);
    CHECK_UINT(out.executor.cq_entries, 4096);
    CHECK_INT(resolve_ini("[executor]\nops_max = 1\nring_entries = 32768", &out, &said), 0);
    CHECK_UINT(out.executor.cq_entries, 65536);
    CHECK_INT(resolve_ini("[executor]\ncq_entries = 1024", &out, &said), 0);
    CHECK_UINT(out.executor.ops_max, 1024);
    CHECK_INT(resolve_ini("[ioheap]\narena_size = 64K", &out, &said), 0);
    CHECK_UINT(out.ioheap.size_classes, 0x1ffc0);
    CHECK_UINT(out.ioheap.segment_min, 512);
    CHECK_INT(resolve_ini("[ioheap]\nguard = on", &out, &said), 0);
    CHECK_UINT(out.ioheap.size_classes, 0x1fffc0);
    CHECK_INT(resolve_ini("[ioheap]\narena_size = 1G", &out, &said), 0);
    CHECK_UINT(out.ioheap.size_classes, 0x3fffc0);
    CHECK_UINT(out.ioheap.segment_min, 32768);
}

TEST(config, file_may_hold_comments_blanks_and_a_byte_order_mark)
{
    static const char ini[] =
        "\xef\xbb\xbf[executor] ; of threads\r\n"
        "; a comment\n"
        "  # another one, as long as a comment may be: ----------------------"
        "---------------------------------------------------------------------"
        "---------------------------------------------------------------------"
        "-----------------------------------------------------\n"
        "\n"
        "threads=2\n"
        "\ttime_slice_us : 10 ; a comment behind\n"
        "    slice_messages = 5\n"
        "[log]\n"
        "[mailbox]\n"
        "capacity = 0";
    struct tsuga_config user = {.file = file_of(ini, sizeof(ini) - 1)};
    struct tsuga_config out;
    struct said said;

    clear_environment();
    user.mailbox.capacity = 5;
    CHECK_INT(resolve(&user, &out, &said), 0);
    CHECK_UINT(out.executor.threads, 2);
    CHECK_UINT(out.executor.time_slice_us, 10);
    CHECK_UINT(out.executor.slice_messages, 5);
    CHECK_UINT(out.mailbox.capacity, 0);
}

/* Every way to get the list of size classes wrong has its own words. */
TEST(config, h08_refuses_bad_size_classes)
{
    clear_environment();
    check_refused("[ioheap]\nsize_classes = 64, 96", ":2: [ioheap] size_classes = 64, 96: "
                                                     "\"96\" is not a power of two");
    check_refused("[ioheap]\nsize_classes = 128, 64", "\"64\" is not ascending");
    check_refused("[ioheap]\nsize_classes = 64, 64", "\"64\" is not ascending");
    check_refused("[ioheap]\nsize_classes = 0", "\"0\" is zero");
    check_refused("[ioheap]\nsize_classes = 64, 4M", "\"4M\" is larger than 2M");
    check_refused("[ioheap]\nsize_classes = 32, 64", "\"32\" is smaller than 64");
    check_refused("[ioheap]\nsize_classes = 64, , 128", "\"\" is not a size");
    check_refused("[ioheap]\nsize_classes = 64,", "\"\" is not a size");
    check_refused("[ioheap]\nsize_classes = 64 128", "\"64 128\" is not a size");
    check_refused("[ioheap]\nsize_classes =", "\"\" is not a size");
    check_refused("[ioheap]\nsize_classes = 18014398509481985K", "is not a size");
    check_refused("[ioheap]\nsize_classes = 64, 2M\narena_size = 1M",
                  ":2: [ioheap] size_classes = 2M: larger than the arena; at most arena_size, "
                  "which is 1M");
}

TEST(config, refuses_bad_numbers)
{
    static const char allowed[] =
        ":2: [executor] ring_entries = %s: a power of two from 1 to 32768";
    static const char *const values[] = {
        "0",    "4294967296", "3",  "-1",     "+4",
        "0x10", "64 ",        "4K", "65536",  "many",
        "4.0",  "1e2",        "",   "1 2",    "99999999999999999999",
        "auto", "\xc3\xa9",   "4,", "\"256\""};

    clear_environment();
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct tsuga_config out = {.signals = TSUGA_ON};
        struct said said;
        char expected[128];

        if (strcmp(values[i], "64 ") != 0) {
            char ini[128];

            snprintf(ini, sizeof(ini), "[executor]\nring_entries = %s\n", values[i]);
            snprintf(expected, sizeof(expected), allowed, values[i]);
            check_refused(ini, expected);
        }
        set_variable("executor", "ring_entries", values[i]);
        CHECK_INT(resolve(NULL, &out, &said), -EINVAL);
        snprintf(expected, sizeof(expected),
                 "TSUGA_EXECUTOR_RING_ENTRIES = %s: a power of two from 1 to 32768", values[i]);
        CHECK_STR(said.line, expected);
        CHECK_UINT(out.signals, TSUGA_ON);
    }
}

TEST(config, refuses_bad_sizes_and_words)
{
    clear_environment();
    check_refused("[ioheap]\narena_size = 3M", "a power of two from 64K to 1G");
    check_refused("[ioheap]\narena_size = 2G", "a power of two from 64K to 1G");
    check_refused("[ioheap]\nreserve = 64T", "a number from 64K to 65536G");
    check_refused("[ioheap]\nreserve = 64KB", "a number from 64K to 65536G");
    check_refused("[ioheap]\nreserve = 99999999999G", "a number from 64K to 65536G");
    check_refused("[stack]\nsize = 17000", "a multiple of 4K from 16K to 64M");
    check_refused("[executor]\nsteal = yes", "[executor] steal = yes: on, off or auto");
    check_refused("[features]\nno_iowait = on", "[features] no_iowait = on: auto or off");
    check_refused("[mailbox]\nfull = Drop", "fail, block or drop");
    check_refused("[log]\nlevel = 3", "off, error, warn, info or debug");
}

TEST(config, refuses_bad_fields_of_the_struct)
{
    struct tsuga_config out;
    struct said said;

    clear_environment();
    CHECK_INT(resolve(&(struct tsuga_config){.executor.ring_entries = 3}, &out, &said), -EINVAL);
    CHECK_STR(said.line, "config.executor.ring_entries = 3: a power of two from 1 to 32768");
    CHECK_INT(resolve(&(struct tsuga_config){.ioheap.size_classes = 0x60}, &out, &said), -EINVAL);
    CHECK_STR(said.line,
              "config.ioheap.size_classes = 0x60: a list of powers of two from 64 to 2M, "
              "ascending");
    CHECK_INT(resolve(&(struct tsuga_config){.ioheap.size_classes = 1u << 22}, &out, &said),
              -EINVAL);
    CHECK_INT(resolve(&(struct tsuga_config){.executor.pin = (enum tsuga_toggle)3}, &out, &said),
              -EINVAL);
    CHECK_STR(said.line, "config.executor.pin = 3: on, off or auto");
    CHECK_INT(resolve(&(struct tsuga_config){.signals = (enum tsuga_toggle)3}, &out, &said),
              -EINVAL);
    CHECK_STR(said.line, "config.signals = 3: default, off or on");
    CHECK_INT(resolve(&(struct tsuga_config){.log.level = (enum tsuga_log_level)9}, &out, &said),
              -EINVAL);
}

TEST(config, refuses_unknown_keys_and_sections)
{
    struct tsuga_config out;
    struct said said;

    clear_environment();
    check_refused("[actor]\nstop = 1",
                  ":2: [actor] stop = 1: no such key; [actor] has stop_ms death_ms shutdown_ms");
    check_refused("[actors]\nstop_ms = 1", ":1: [actors]: no such section; there are executor "
                                           "actor ioheap mailbox receive send stack features log");
    check_refused("\n\n[empty]\n", ":3: [empty]: no such section");
    check_refused("threads = 1", ":1: [] threads = 1: no such section");
    check_refused("[log]\nthreads = 1", "[log] threads = 1: no such key; [log] has level");
    check_refused("[executor]\nTHREADS = 1", "no such key");
    CHECK_INT(setenv("TSUGA_ACTOR_STOP", "1", 1), 0);
    CHECK_INT(resolve(NULL, &out, &said), -EINVAL);
    CHECK_STR(said.line,
              "TSUGA_ACTOR_STOP=1: no such key; [actor] has stop_ms death_ms shutdown_ms");
    unsetenv("TSUGA_ACTOR_STOP");
    CHECK_INT(setenv("TSUGA_OTHER_TOOL", "1", 1), 0);
    CHECK_INT(resolve(NULL, &out, &said), 0);
}

TEST(config, refuses_keys_that_appear_twice)
{
    clear_environment();
    check_refused("[executor]\nthreads = 1\n[log]\n[executor]\nthreads = 1",
                  ":5: [executor] threads = 1: set in line 2 already");
    check_refused("[executor]\nthreads = 1\n   threads = 2", ":3: [executor] threads = 2: set in");
}

TEST(config, refuses_lines_that_are_none)
{
    char ini[400] = "[executor]\nthreads = 4";

    clear_environment();
    check_refused("[executor]\n\nthreads\n", ":3: neither [section] nor key = value nor a comment");
    check_refused("[executor\nthreads = 1\n", ":1: neither");
    check_refused("[executor]\nthreads ; = 1\n", ":2: neither");
    check_refused("\xef\xbbx", ": not a text file");
    memset(ini + strlen(ini), ' ', 200);
    check_refused(ini, ":2: the line is longer than 197 bytes");
}

TEST(config, refuses_nul_bytes)
{
    static const char ini[] = "[executor]\nthreads = 4\0 2\n";
    struct tsuga_config user = {.file = file_of(ini, sizeof(ini) - 1)};
    struct tsuga_config out;
    struct said said;

    clear_environment();
    CHECK_INT(resolve(&user, &out, &said), -EINVAL);
    CHECK(strstr(said.line, ":2: the line holds a NUL byte") != NULL);
}

TEST(config, names_a_file_that_is_missing_or_a_directory)
{
    struct tsuga_config out;
    struct said said;

    clear_environment();
    CHECK_INT(resolve(&(struct tsuga_config){.file = "/nonexistent/tsuga.ini"}, &out, &said),
              -ENOENT);
    CHECK_STR(said.line, "/nonexistent/tsuga.ini: No such file or directory");
    CHECK_INT(resolve(&(struct tsuga_config){.file = "/"}, &out, &said), -EISDIR);
    CHECK_STR(said.line, "/:1: Is a directory");
    CHECK_UINT(said.count, 1);
}

TEST(config, refuses_values_that_disagree)
{
    struct tsuga_config out;
    struct said said;

    clear_environment();
    check_refused("[ioheap]\nsegment_min = 4M",
                  ":2: [ioheap] segment_min = 4M: larger than the arena; at most arena_size, "
                  "which is 2M");
    check_refused("[ioheap]\nguard = on\nsegment_min = 2M", ":3: [ioheap] segment_min = 2M: ");
    check_refused("[ioheap]\nguard = on\nsize_classes = 64, 2M",
                  "size_classes = 2M: larger than the arena; at most half of arena_size with "
                  "guard = on, which is 1M");
    check_refused("[ioheap]\nsegment_min = 16K\narena_size = 1G",
                  ":2: [ioheap] segment_min = 16K: at least arena_size / 32768, which is 32K");
    check_refused("[executor]\ncq_entries = 1024\nops_max = 2000",
                  ":3: [executor] ops_max = 2000: at most cq_entries, which is 1024");
    check_refused("[ioheap]\nreserve = 1M",
                  ":2: [ioheap] reserve = 1M: at least arena_size, which is 2M");
    check_refused("[ioheap]\nreserve = 1M\narena_size = 4M", ":3: [ioheap] arena_size = 4M");
    check_refused("[ioheap]\nquota = 511", "quota = 511: at least segment_min, which is 512");
    check_refused("[executor]\ncq_entries = 128",
                  "cq_entries = 128: at least ring_entries, which is 256");
    set_variable("executor", "ring_entries", "1024");
    CHECK_INT(resolve(&(struct tsuga_config){.executor.cq_entries = 512}, &out, &said), -EINVAL);
    CHECK_STR(said.line, "TSUGA_EXECUTOR_RING_ENTRIES = 1024: at most cq_entries, which is 512");
}

TEST(config, speaks_once_whatever_else_is_wrong)
{
    clear_environment();
    check_refused("[executor]\nthreads = x\nthreads = y\nbroken\n[nowhere]\n", ":2: ");
    check_refused("[executor]\nbroken\nthreads = x\n[nowhere]\n", ":2: ");
}
