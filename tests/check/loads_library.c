/* Loads the library that it is given, as a plugin of a foreign program would be, and unloads it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char *argv[])
{
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;

    if (library == NULL) {
        fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "usage: loads_library LIBRARY");
        return EXIT_FAILURE;
    }
    return dlclose(library) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
