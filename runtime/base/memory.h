/*
 * General memory as a hook: everything that is neither an I/O heap nor a stack. Whoever creates a
 * runtime chooses the allocator (jemalloc, the C library's, one that fails on call n).
 *
 * Thread: any; all functions must be callable from every thread.
 */
#ifndef TSUGA_BASE_MEMORY_H
#define TSUGA_BASE_MEMORY_H

#include <stddef.h>
#include <string.h>

struct tsuga_memory {
    /* `bytes` > 0; aligned to 16 and, from 64 bytes on, to a cache line when bytes is a multiple
     * of one. NULL when there is none. */
    void *(*alloc)(void *context, size_t bytes);
    /* `bytes` as given to alloc; NULL is ignored. */
    void (*free)(void *context, void *pointer, size_t bytes);
    /* As alloc, and zero. May be missing: then it is alloc and a walk over the bytes. */
    void *(*alloc_zeroed)(void *context, size_t bytes);
    void *context;
};

static inline void *tsuga_memory_alloc(const struct tsuga_memory *memory, size_t bytes)
{
    return memory->alloc(memory->context, bytes);
}

static inline void *tsuga_memory_alloc_zeroed(const struct tsuga_memory *memory, size_t bytes)
{
    void *pointer;

    if (memory->alloc_zeroed != NULL)
        return memory->alloc_zeroed(memory->context, bytes);
    pointer = memory->alloc(memory->context, bytes);
    return pointer == NULL ? NULL : memset(pointer, 0, bytes);
}

static inline void tsuga_memory_free(const struct tsuga_memory *memory, void *pointer, size_t bytes)
{
    memory->free(memory->context, pointer, bytes);
}

#endif
