/*
 * The thin layer over the test framework. A test is
 *
 *     TEST(ioheap, h05_places_frontmost_first)
 *     {
 *         CHECK_UINT(offset, 64);
 *     }
 *
 * The name carries the IDs of docs/requirements.md that the test proves (h05_, a14_n05_ …). Each
 * test runs in a process of its own. A failed CHECK prints where and what, and ends the test.
 *
 * Two drivers stand behind this header: Criterion (driver_criterion.c) and a plain forking one
 * (driver_fork.c) for builds in which Criterion cannot start. The Makefile chooses.
 *
 * Thread: CHECK may be used from any thread of the test.
 */
#ifndef TSUGA_TESTS_TEST_H
#define TSUGA_TESTS_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tsuga_test {
    const char *suite;
    const char *name;
    void (*run)(void);
    struct tsuga_test *next;
};

/* Called by constructors, before main. */
void tsuga_test_register(struct tsuga_test *test);

#define TEST(suite_, name_)                                                                        \
    static void suite_##_##name_(void);                                                            \
    static struct tsuga_test suite_##_##name_##_test = {#suite_, #name_, suite_##_##name_, NULL};  \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                     \
    {                                                                                              \
        tsuga_test_register(&suite_##_##name_##_test);                                             \
    }                                                                                              \
    static void suite_##_##name_(void)

/* Ends the test as failed. */
_Noreturn void tsuga_test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends the test as skipped; a skipped test covers no requirement. */
_Noreturn void tsuga_test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The seed of this run: TSUGA_TEST_SEED, or a fresh one; printed in either case. */
uint64_t tsuga_test_seed(void);

/* splitmix64: the next number of a sequence that the seed decides. */
uint64_t tsuga_test_random(uint64_t *state);

void tsuga_test_check_int(const char *file, int line, const char *text, intmax_t actual,
                          intmax_t expected);
void tsuga_test_check_uint(const char *file, int line, const char *text, uintmax_t actual,
                           uintmax_t expected);
void tsuga_test_check_str(const char *file, int line, const char *actual, const char *expected);

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : tsuga_test_fail(__FILE__, __LINE__, "%s", #condition))
#define CHECK_INT(actual, expected)                                                                \
    tsuga_test_check_int(__FILE__, __LINE__, #actual, (intmax_t)(actual), (intmax_t)(expected))
#define CHECK_UINT(actual, expected)                                                               \
    tsuga_test_check_uint(__FILE__, __LINE__, #actual, (uintmax_t)(actual), (uintmax_t)(expected))
#define CHECK_PTR(actual, expected)                                                                \
    tsuga_test_check_uint(__FILE__, __LINE__, #actual, (uintptr_t)(actual), (uintptr_t)(expected))
#define CHECK_STR(actual, expected) tsuga_test_check_str(__FILE__, __LINE__, actual, expected)
#define SKIP(...)                   tsuga_test_skip(__VA_ARGS__)

#endif
