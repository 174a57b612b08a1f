/*
 * Feeds the bytes to the configuration as an INI file. Whatever they are, the resolver either
 * refuses them with one line and leaves its output alone, or yields a configuration that resolves
 * to itself.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *context, enum tsuga_log_level level, const char *line)
{
    (void)level;
    TSUGA_VERIFY(strlen(line) < TSUGA_LOG_LINE_BYTES_MAX);
    ++*(unsigned *)context;
}

static int resolve(const struct tsuga_config *user, struct tsuga_config *out)
{
    unsigned line_count = 0;
    struct tsuga_log log;
    int error;

    tsuga_log_init(&log, TSUGA_LOG_WARN, count, &line_count);
    error = tsuga_config_resolve(user, out, &log);
    tsuga_log_fini(&log);
    TSUGA_VERIFY(line_count == (error != 0));
    return error;
}

static void check_idempotence(struct tsuga_config *once)
{
    struct tsuga_config twice;

    once->file = NULL;
    TSUGA_VERIFY(resolve(once, &twice) == 0);
    for (const struct tsuga_config_key *key = tsuga_config_keys;
         key < tsuga_config_keys + TSUGA_CONFIG_KEY_COUNT; key++)
        TSUGA_VERIFY(memcmp((char *)once + key->offset, (char *)&twice + key->offset, key->bytes) ==
                     0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("ini", MFD_CLOEXEC);
    struct tsuga_config user = {0};
    struct tsuga_config out = {0};
    char path[64];
    int error;

    TSUGA_VERIFY(fd >= 0);
    TSUGA_VERIFY(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    user.file = path;
    error = resolve(&user, &out);
    TSUGA_VERIFY(error == 0 || error == -EINVAL);
    if (error == 0)
        check_idempotence(&out);
    else
        TSUGA_VERIFY(out.executor.threads == 0);
    close(fd);
    return 0;
}
