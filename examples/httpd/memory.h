/*
 * Memory of the server's own that never touches the kernel. An actor has no way to go on without
 * it: the program ends.
 *
 * Thread: any.
 */
#ifndef TSUGA_HTTPD_MEMORY_H
#define TSUGA_HTTPD_MEMORY_H

#include <stddef.h>

/* Ends the program with status 2. */
_Noreturn void die(const char *why);

/* Zeroed memory, for free(). */
void *allocate(size_t count, size_t bytes);

/* Larger or smaller, as realloc(). */
void *reallocate(void *old, size_t bytes);

/* A copy, for free(). */
char *copy_text(const char *text);

#endif
