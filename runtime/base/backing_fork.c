#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "runtime/base/fork.h"

#define PAGE_BYTES 4096u

int tsuga_fork_mark_init(struct tsuga_fork_mark *mark)
{
    uint32_t *word =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (word == MAP_FAILED)
        return -ENOMEM;
    (void)madvise(word, PAGE_BYTES, MADV_WIPEONFORK);
    *word = 1;
    mark->word = word;
    return 0;
}

void tsuga_fork_mark_fini(struct tsuga_fork_mark *mark)
{
    (void)munmap((void *)(uintptr_t)mark->word, PAGE_BYTES);
}
