/* Settings: a table of keys says where each value goes and what it may be. */
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/httpd/memory.h"
#include "examples/httpd/settings.h"

#define MIME_TYPES "/etc/mime.types"

enum type { TEXT, TOGGLE, NUMBER };

struct key {
    const char *name;
    enum type type;
    size_t offset;
    const char *value; /* the default, written as in the file */
    uint64_t min;      /* of a number */
    uint64_t max;
};

#define AT(field) offsetof(struct settings, field)
#define MIB       (UINT64_C(1) << 20)
#define HOUR_MS   UINT64_C(3600000)

static const struct key keys[] = {
    {"address", TEXT, AT(address), "127.0.0.1", 0, 0},
    {"port", NUMBER, AT(port), "8080", 0, UINT16_MAX},
    {"root", TEXT, AT(root), ".", 0, 0},
    {"index", TEXT, AT(index), "index.html", 0, 0},
    {"listings", TOGGLE, AT(has_listings), "on", 0, 0},
    {"charset", TEXT, AT(charset), "utf-8", 0, 0},
    {"types", TEXT, AT(types), MIME_TYPES, 0, 0},
    {"log", TEXT, AT(log), "off", 0, 0},
    {"threads", NUMBER, AT(threads), "0", 0, 256},
    {"runtime", TEXT, AT(runtime), "", 0, 0},
    {"request_line_max", NUMBER, AT(request_line_max), "4096", 16, MIB},
    {"header_max", NUMBER, AT(header_max), "16384", 64, 16 * MIB},
    {"header_count_max", NUMBER, AT(header_count_max), "100", 1, 65536},
    {"body_max", NUMBER, AT(body_max), "65536", 0, UINT64_MAX},
    {"header_ms", NUMBER, AT(header_ms), "10000", 1, HOUR_MS},
    {"idle_ms", NUMBER, AT(idle_ms), "60000", 1, HOUR_MS},
    {"send_ms", NUMBER, AT(send_ms), "30000", 1, HOUR_MS},
    {"cache_files", NUMBER, AT(cache_files), "1024", 1, MIB},
    {"cache_bytes", NUMBER, AT(cache_bytes), "67108864", 0, UINT64_MAX},
    {"cache_file_max", NUMBER, AT(cache_file_max), "131072", 0, MIB},
    {"revalidate_ms", NUMBER, AT(revalidate_ms), "1000", 0, HOUR_MS},
    {"block_bytes", NUMBER, AT(block_bytes), "262144", 4096, 2 * MIB},
};

static bool set_number(uint64_t *to, const struct key *key, const char *value)
{
    char *end;

    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || number < key->min ||
        number > key->max)
        return false;
    *to = number;
    return true;
}

static bool set_toggle(bool *to, const char *value)
{
    *to = strcmp(value, "on") == 0;
    return *to || strcmp(value, "off") == 0;
}

static bool set(struct settings *settings, const struct key *key, const char *value)
{
    char *at = (char *)settings + key->offset;

    switch (key->type) {
    case NUMBER:
        return set_number((uint64_t *)(void *)at, key, value);
    case TOGGLE:
        return set_toggle((bool *)at, value);
    default:
        free(*(char **)(void *)at);
        *(char **)(void *)at = copy_text(value);
        return true;
    }
}

bool settings_set(struct settings *settings, const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i].name, name) == 0)
            return set(settings, &keys[i], value);
    return false;
}

void settings_init(struct settings *settings)
{
    *settings = (struct settings){0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        (void)set(settings, &keys[i], keys[i].value);
}

void settings_fini(struct settings *settings)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].type == TEXT)
            free(*(char **)(void *)((char *)settings + keys[i].offset));
}

static int handle(void *settings, const char *section, const char *name, const char *value)
{
    if (strcmp(section, "httpd") == 0 && settings_set(settings, name, value))
        return 1;
    fprintf(stderr, "httpd: [%s] %s = %s: no such key, or no value for it\n", section, name, value);
    return 0;
}

int settings_read(struct settings *settings, const char *path)
{
    int line = ini_parse(path, handle, settings);

    if (line < 0)
        fprintf(stderr, "httpd: %s: %s\n", path, strerror(errno));
    else if (line > 0)
        fprintf(stderr, "httpd: %s:%d: not understood\n", path, line);
    return line == 0 ? 0 : -1;
}
