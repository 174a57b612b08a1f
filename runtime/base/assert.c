#include "runtime/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void tsuga_base_fail(const char *condition, const char *file, int line, const char *function)
{
    fprintf(stderr, "tsuga: %s:%d: %s: assertion failed: %s\n", file, line, function, condition);
    abort();
}
