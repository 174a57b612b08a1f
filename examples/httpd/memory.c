/* Memory, or the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "examples/httpd/memory.h"

void die(const char *why)
{
    fprintf(stderr, "httpd: %s\n", why);
    _exit(2);
}

static void *demand(void *memory)
{
    if (memory == NULL)
        die("out of memory");
    return memory;
}

void *allocate(size_t count, size_t bytes)
{
    return demand(calloc(count, bytes));
}

void *reallocate(void *old, size_t bytes)
{
    return demand(realloc(old, bytes));
}

char *copy_text(const char *text)
{
    return demand(strdup(text));
}
