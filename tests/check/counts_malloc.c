/*
 * A program with an allocator of its own. Exits 0 when the C library calls it, which a library that
 * brings its own malloc would prevent. Linked with libtsuga by test_keeps_malloc.sh.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(max_align_t) char pool[1 << 20];
static size_t used_bytes;
static unsigned call_count;

void *malloc(size_t bytes)
{
    size_t start = used_bytes;

    call_count++;
    if (bytes > sizeof(pool) - sizeof(max_align_t) - start)
        return NULL;
    used_bytes += (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    return pool + start;
}

void *calloc(size_t count, size_t bytes)
{
    return malloc(count * bytes); /* the pool is zero and nothing is used twice */
}

void *realloc(void *block, size_t bytes)
{
    void *moved = malloc(bytes);

    /* The old size is unknown, but the pool goes on behind every block: no read runs wild. */
    if (moved != NULL && block != NULL)
        memmove(moved, block, bytes);
    return moved;
}

void free(void *block)
{
    (void)block;
}

int main(void)
{
    unsigned before = call_count;
    char *copy = strdup("counted");

    return copy >= pool && copy < pool + sizeof(pool) && call_count == before + 1 ? EXIT_SUCCESS
                                                                                  : EXIT_FAILURE;
}
