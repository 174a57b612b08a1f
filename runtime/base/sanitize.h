/*
 * What the sanitizers and Valgrind must be told: memory that nobody may touch, and pointers that
 * reach another thread by a way they cannot see (the kernel).
 *
 * Every function is empty in a build without the sanitizer in question.
 *
 * Thread: any.
 */
#ifndef TSUGA_BASE_SANITIZE_H
#define TSUGA_BASE_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define TSUGA_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TSUGA_HAS_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define TSUGA_HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSUGA_HAS_TSAN 1
#endif
#endif

#ifdef TSUGA_HAS_ASAN
#include <sanitizer/asan_interface.h>

/* Nobody may touch these bytes until tsuga_sanitize_unpoison(). */
static inline void tsuga_sanitize_poison(const void *base, size_t bytes)
{
    __asan_poison_memory_region(base, bytes);
}

static inline void tsuga_sanitize_unpoison(const void *base, size_t bytes)
{
    __asan_unpoison_memory_region(base, bytes);
}

/* True when some byte of the range is poisoned. The kernel's writes bypass AddressSanitizer, so
 * the ring asks this at submission and again at completion. */
static inline bool tsuga_sanitize_is_poisoned(const void *base, size_t bytes)
{
    return __asan_region_is_poisoned((void *)(size_t)base, bytes) != NULL;
}
#else
static inline void tsuga_sanitize_poison(const void *base, size_t bytes)
{
    (void)base;
    (void)bytes;
}

static inline void tsuga_sanitize_unpoison(const void *base, size_t bytes)
{
    (void)base;
    (void)bytes;
}

static inline bool tsuga_sanitize_is_poisoned(const void *base, size_t bytes)
{
    (void)base;
    (void)bytes;
    return false;
}
#endif

#ifdef TSUGA_HAS_TSAN
#include <sanitizer/tsan_interface.h>

/* Before a pointer goes to another thread through the kernel. */
static inline void tsuga_handoff_release(void *object)
{
    __tsan_release(object);
}

/* After a pointer came from another thread through the kernel. */
static inline void tsuga_handoff_acquire(void *object)
{
    __tsan_acquire(object);
}
#else
static inline void tsuga_handoff_release(void *object)
{
    (void)object;
}

static inline void tsuga_handoff_acquire(void *object)
{
    (void)object;
}
#endif

#endif
