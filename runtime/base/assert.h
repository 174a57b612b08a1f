/*
 * Three tiers of checks.
 *
 * TSUGA_VERIFY is always on: a wrong answer there would let the kernel write into reused memory.
 * TSUGA_ASSERT is on in debug and sanitizer builds (TSUGA_DEBUG).
 * TSUGA_DEEP runs a statement that walks a whole structure, in test builds only
 * (TSUGA_DEEP_CHECKS).
 *
 * Thread: any.
 */
#ifndef TSUGA_BASE_ASSERT_H
#define TSUGA_BASE_ASSERT_H

/* Prints the failed condition and where it stands on stderr, then aborts. */
_Noreturn void tsuga_base_fail(const char *condition, const char *file, int line,
                               const char *function);

#define TSUGA_VERIFY(condition)                                                                    \
    (__builtin_expect(!(condition), 0) ? tsuga_base_fail(#condition, __FILE__, __LINE__, __func__) \
                                       : (void)0)

#ifdef TSUGA_DEBUG
#define TSUGA_ASSERT(condition) TSUGA_VERIFY(condition)
#else
#define TSUGA_ASSERT(condition) ((void)sizeof(!(condition)))
#endif

#ifdef TSUGA_DEEP_CHECKS
#define TSUGA_DEEP(statement) (statement)
#else
#define TSUGA_DEEP(statement) ((void)0)
#endif

#define TSUGA_NODISCARD __attribute__((warn_unused_result))

#endif
