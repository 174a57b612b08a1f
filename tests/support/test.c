#include "tests/support/test.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/sanitize.h"
#include "tests/support/driver.h"

#ifdef TSUGA_HAS_ASAN
#include <sanitizer/lsan_interface.h>

static bool has_leaked(void)
{
    return __lsan_do_recoverable_leak_check() != 0;
}
#else
static bool has_leaked(void)
{
    return false;
}
#endif

/* Filled by constructors before main; read only afterwards. */
static struct tsuga_test *registered;

static int compare(const struct tsuga_test *a, const struct tsuga_test *b)
{
    int by_suite = strcmp(a->suite, b->suite);

    return by_suite != 0 ? by_suite : strcmp(a->name, b->name);
}

/* The order of constructors is the linker's affair; a sorted list makes runs comparable. */
void tsuga_test_register(struct tsuga_test *test)
{
    struct tsuga_test **link = &registered;

    while (*link != NULL && compare(*link, test) < 0)
        link = &(*link)->next;
    test->next = *link;
    *link = test;
}

struct tsuga_test *tsuga_test_list(void)
{
    return registered;
}

unsigned tsuga_test_seconds_max(void)
{
    const char *given = getenv("TSUGA_TEST_SECONDS");

    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : 120;
}

void tsuga_test_run(const struct tsuga_test *test)
{
    test->run();
    if (has_leaked())
        tsuga_test_fail(test->suite, 0, "%s leaked memory", test->name);
}

/* _exit, because any thread may fail while others still run. */
void tsuga_test_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "%s:%d: check failed: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(EXIT_FAILURE);
}

void tsuga_test_skip(const char *format, ...)
{
    char reason[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    fflush(stdout);
    tsuga_driver_skip(reason);
}

uint64_t tsuga_test_seed(void)
{
    const char *given = getenv("TSUGA_TEST_SEED");
    struct timespec now;
    uint64_t seed;

    clock_gettime(CLOCK_MONOTONIC, &now);
    seed = given != NULL ? strtoull(given, NULL, 0)
                         : (uint64_t)now.tv_nsec ^ ((uint64_t)getpid() << 32);
    fprintf(stderr, "TSUGA_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

uint64_t tsuga_test_random(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

void tsuga_test_check_int(const char *file, int line, const char *text, intmax_t actual,
                          intmax_t expected)
{
    if (actual != expected)
        tsuga_test_fail(file, line, "%s is %jd, expected %jd", text, actual, expected);
}

void tsuga_test_check_uint(const char *file, int line, const char *text, uintmax_t actual,
                           uintmax_t expected)
{
    if (actual != expected)
        tsuga_test_fail(file, line, "%s is %ju (%#jx), expected %ju (%#jx)", text, actual, actual,
                        expected, expected);
}

void tsuga_test_check_str(const char *file, int line, const char *actual, const char *expected)
{
    if (actual == NULL || expected == NULL || strcmp(actual, expected) != 0)
        tsuga_test_fail(file, line, "\"%s\" expected \"%s\"", actual != NULL ? actual : "(null)",
                        expected != NULL ? expected : "(null)");
}
