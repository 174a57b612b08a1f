/* Exits 0 when malloc and free are the C library's. Linked by test_keeps_malloc.sh. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_in_libc(const char *name)
{
    Dl_info info;
    void *function = dlsym(RTLD_DEFAULT, name);

    if (function == NULL || dladdr(function, &info) == 0)
        return 0;
    printf("%s is in %s\n", name, info.dli_fname);
    return strstr(info.dli_fname, "/libc.so") != NULL;
}

int main(void)
{
    return is_in_libc("malloc") && is_in_libc("free") ? EXIT_SUCCESS : EXIT_FAILURE;
}
