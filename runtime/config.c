#include "runtime/config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/bits.h"
#include "runtime/config_defaults.h"
#include "runtime/config_file.h"
#include "runtime/config_value.h"

#define PREFIX             "TSUGA_"
#define VARIABLE_BYTES_MAX 64u

/* Who has set a key. */
enum origin { BY_DEFAULT, BY_STRUCT, BY_FILE, BY_ENVIRONMENT };

struct resolver {
    struct tsuga_config config; /* so far */
    struct tsuga_log *log;
    enum origin origins[TSUGA_CONFIG_KEY_COUNT];
    uint32_t lines[TSUGA_CONFIG_KEY_COUNT]; /* of keys set by the file */
};

/* The first key must not be larger than the second. */
struct order {
    const char *smaller;
    const char *larger;
};

static const struct order orders[] = {
    {"arena_size", "reserve"}, {"segment_min", "quota"},   {"ring_entries", "cq_entries"},
    {"ops_max", "cq_entries"}, {"sizer_min", "sizer_max"},
};

static const struct tsuga_config_key *find(const char *section, const char *name)
{
    for (const struct tsuga_config_key *key = tsuga_config_keys;
         key < tsuga_config_keys + TSUGA_CONFIG_KEY_COUNT; key++)
        if (strcmp(key->section, section) == 0 && strcmp(key->name, name) == 0)
            return key;
    return NULL;
}

static const struct tsuga_config_key *find_by_name(const char *name)
{
    const struct tsuga_config_key *key = tsuga_config_keys;

    while (strcmp(key->name, name) != 0)
        key++;
    return key;
}

static enum origin *origin_of(struct resolver *resolver, const struct tsuga_config_key *key)
{
    return &resolver->origins[key - tsuga_config_keys];
}

static void append(struct tsuga_config_reason *reason, const char *word)
{
    size_t used = strlen(reason->text);

    snprintf(reason->text + used, sizeof(reason->text) - used, " %s", word);
}

/* What a section has, or which sections there are; false when there is no such section. */
static bool list_keys(const char *section, struct tsuga_config_reason *reason)
{
    bool is_known = false;

    tsuga_config_reason_set(reason, "no such key; [%s] has", section);
    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++) {
        if (strcmp(tsuga_config_keys[i].section, section) != 0)
            continue;
        append(reason, tsuga_config_keys[i].name);
        is_known = true;
    }
    return is_known;
}

static void list_sections(struct tsuga_config_reason *reason)
{
    const char *last = "";

    tsuga_config_reason_set(reason, "no such section; there are");
    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++) {
        if (strcmp(tsuga_config_keys[i].section, last) != 0)
            append(reason, tsuga_config_keys[i].section);
        last = tsuga_config_keys[i].section;
    }
}

/* The environment's name of a key: TSUGA_EXECUTOR_THREADS. Returns its length. */
static size_t variable_of(const struct tsuga_config_key *key, char name[VARIABLE_BYTES_MAX])
{
    int bytes = snprintf(name, VARIABLE_BYTES_MAX, PREFIX "%s_%s", key->section, key->name);

    for (char *c = name; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return (size_t)bytes;
}

/* The one line that says where the value came from, what it is, and what is wrong with it. */
static int refuse(struct resolver *resolver, const struct tsuga_config_key *key, const char *value,
                  const char *reason)
{
    char variable[VARIABLE_BYTES_MAX];

    switch (*origin_of(resolver, key)) {
    case BY_FILE:
        tsuga_log_printf(resolver->log, TSUGA_LOG_ERROR, "%s:%" PRIu32 ": [%s] %s = %s: %s",
                         resolver->config.file, resolver->lines[key - tsuga_config_keys],
                         key->section, key->name, value, reason);
        break;
    case BY_ENVIRONMENT:
        variable_of(key, variable);
        tsuga_log_printf(resolver->log, TSUGA_LOG_ERROR, "%s = %s: %s", variable, value, reason);
        break;
    default:
        tsuga_log_printf(resolver->log, TSUGA_LOG_ERROR, "config.%s.%s = %s: %s", key->section,
                         key->name, value, reason);
        break;
    }
    return -EINVAL;
}

/* A value as its own place would have written it, near enough. */
static void value_text(const struct tsuga_config_key *key, uint64_t value,
                       char text[TSUGA_CONFIG_SIZE_TEXT_BYTES])
{
    if (key->type == TSUGA_CONFIG_SIZE)
        tsuga_config_size_text(value, text);
    else if (key->type == TSUGA_CONFIG_CLASSES)
        snprintf(text, TSUGA_CONFIG_SIZE_TEXT_BYTES, "%#" PRIx64, value);
    else
        snprintf(text, TSUGA_CONFIG_SIZE_TEXT_BYTES, "%" PRIu64, value);
}

static int refuse_number(struct resolver *resolver, const struct tsuga_config_key *key,
                         uint64_t value, const char *reason)
{
    char text[TSUGA_CONFIG_SIZE_TEXT_BYTES];

    value_text(key, value, text);
    return refuse(resolver, key, text, reason);
}

/* In the struct, 0 means the default and is always allowed. */
static int check_struct(struct resolver *resolver)
{
    struct tsuga_config_reason reason;

    for (const struct tsuga_config_key *key = tsuga_config_keys;
         key < tsuga_config_keys + TSUGA_CONFIG_KEY_COUNT; key++) {
        uint64_t value = tsuga_config_get(&resolver->config, key);

        if (value == 0)
            continue;
        *origin_of(resolver, key) = BY_STRUCT;
        if (tsuga_config_check(key, value, &reason) != 0)
            return refuse_number(resolver, key, value, reason.text);
    }
    if (resolver->config.signals <= TSUGA_ON)
        return 0;
    tsuga_log_printf(resolver->log, TSUGA_LOG_ERROR, "config.signals = %u: default, off or on",
                     (unsigned)resolver->config.signals);
    return -EINVAL;
}

static int apply(struct resolver *resolver, const struct tsuga_config_key *key, const char *text)
{
    struct tsuga_config_reason reason;
    uint64_t value;

    if (tsuga_config_parse(key, text, &value, &reason) != 0)
        return refuse(resolver, key, text, reason.text);
    tsuga_config_set(&resolver->config, key, value);
    return 0;
}

static int refuse_line(struct resolver *resolver, const struct tsuga_config_line *line,
                       const char *reason)
{
    if (line->key == NULL)
        tsuga_log_printf(resolver->log, TSUGA_LOG_ERROR, "%s:%" PRIu32 ": [%s]: %s",
                         resolver->config.file, line->number, line->section, reason);
    else
        tsuga_log_printf(resolver->log, TSUGA_LOG_ERROR, "%s:%" PRIu32 ": [%s] %s = %s: %s",
                         resolver->config.file, line->number, line->section, line->key, line->value,
                         reason);
    return -EINVAL;
}

/* A tsuga_config_line_fn. */
static int apply_line(void *context, const struct tsuga_config_line *line)
{
    struct resolver *resolver = context;
    const struct tsuga_config_key *key;
    struct tsuga_config_reason reason;
    uint32_t *line_of_key;

    if (!list_keys(line->section, &reason)) {
        list_sections(&reason);
        return refuse_line(resolver, line, reason.text);
    }
    if (line->key == NULL)
        return 0;
    key = find(line->section, line->key);
    if (key == NULL)
        return refuse_line(resolver, line, reason.text);
    line_of_key = &resolver->lines[key - tsuga_config_keys];
    if (*line_of_key != 0) {
        tsuga_config_reason_set(&reason, "set in line %" PRIu32 " already", *line_of_key);
        return refuse_line(resolver, line, reason.text);
    }
    *line_of_key = line->number;
    *origin_of(resolver, key) = BY_FILE;
    return apply(resolver, key, line->value);
}

static int apply_file(struct resolver *resolver)
{
    const char *path = resolver->config.file;
    struct tsuga_config_fault fault;
    int error;

    if (path == NULL)
        return 0;
    error = tsuga_config_file_read(path, apply_line, resolver, &fault);
    if (fault.text == NULL)
        return error;
    if (fault.line == 0)
        tsuga_log_printf(resolver->log, TSUGA_LOG_ERROR, "%s: %s", path, fault.text);
    else
        tsuga_log_printf(resolver->log, TSUGA_LOG_ERROR, "%s:%" PRIu32 ": %s", path, fault.line,
                         fault.text);
    return error;
}

/* A variable that begins as our keys do and is none of them is a mistake that nobody would see. */
static int check_unknown_variable(struct resolver *resolver, const char *entry)
{
    struct tsuga_config_reason reason;
    char name[VARIABLE_BYTES_MAX];

    for (size_t i = 0; i < TSUGA_CONFIG_KEY_COUNT; i++) {
        const struct tsuga_config_key *key = &tsuga_config_keys[i];
        size_t bytes = variable_of(key, name) - strlen(key->name);

        if (strncmp(entry, name, bytes) != 0)
            continue;
        (void)list_keys(key->section, &reason);
        tsuga_log_printf(resolver->log, TSUGA_LOG_ERROR, "%s: %s", entry, reason.text);
        return -EINVAL;
    }
    return 0;
}

static int apply_variable(struct resolver *resolver, const char *entry)
{
    size_t bytes = strcspn(entry, "=");
    char name[VARIABLE_BYTES_MAX];

    if (strncmp(entry, PREFIX, strlen(PREFIX)) != 0 || entry[bytes] != '=')
        return 0;
    for (const struct tsuga_config_key *key = tsuga_config_keys;
         key < tsuga_config_keys + TSUGA_CONFIG_KEY_COUNT; key++) {
        if (variable_of(key, name) != bytes || strncmp(entry, name, bytes) != 0)
            continue;
        *origin_of(resolver, key) = BY_ENVIRONMENT;
        return apply(resolver, key, entry + bytes + 1);
    }
    return check_unknown_variable(resolver, entry);
}

static int apply_environment(struct resolver *resolver)
{
    int error = 0;

    for (char **entry = environ; entry != NULL && *entry != NULL && error == 0; entry++)
        error = apply_variable(resolver, *entry);
    return error;
}

/* Blames a key that somebody has set; defaults agree with each other. */
static int check_order(struct resolver *resolver, const struct order *order)
{
    const struct tsuga_config_key *smaller = find_by_name(order->smaller);
    const struct tsuga_config_key *larger = find_by_name(order->larger);
    uint64_t low = tsuga_config_get(&resolver->config, smaller);
    uint64_t high = tsuga_config_get(&resolver->config, larger);
    struct tsuga_config_reason reason;
    char text[TSUGA_CONFIG_SIZE_TEXT_BYTES];

    /* A quota of 0 is none. */
    if (high == 0 || low <= high)
        return 0;
    if (*origin_of(resolver, smaller) != BY_DEFAULT) {
        value_text(larger, high, text);
        tsuga_config_reason_set(&reason, "at most %s, which is %s", larger->name, text);
        return refuse_number(resolver, smaller, low, reason.text);
    }
    value_text(smaller, low, text);
    tsuga_config_reason_set(&reason, "at least %s, which is %s", smaller->name, text);
    return refuse_number(resolver, larger, high, reason.text);
}

/* A class or a segment that is larger than the largest segment. `bytes` is the offender. */
static int check_fits(struct resolver *resolver, const char *name, uint64_t bytes)
{
    bool is_guarded = resolver->config.ioheap.guard == TSUGA_ON;
    uint64_t max = tsuga_config_segment_max(&resolver->config);
    struct tsuga_config_reason reason;
    char text[TSUGA_CONFIG_SIZE_TEXT_BYTES];

    if (bytes <= max)
        return 0;
    tsuga_config_size_text(max, text);
    tsuga_config_reason_set(&reason, "larger than the arena; at most %s, which is %s",
                            is_guarded ? "half of arena_size with guard = on" : "arena_size", text);
    tsuga_config_size_text(bytes, text);
    return refuse(resolver, find_by_name(name), text, reason.text);
}

static int check_segment_min(struct resolver *resolver)
{
    uint64_t least = resolver->config.ioheap.arena_size / TSUGA_CONFIG_SEGMENTS_PER_ARENA;
    struct tsuga_config_reason reason;
    char text[TSUGA_CONFIG_SIZE_TEXT_BYTES];

    if (resolver->config.ioheap.segment_min >= least)
        return 0;
    tsuga_config_size_text(least, text);
    tsuga_config_reason_set(&reason, "at least arena_size / %u, which is %s",
                            TSUGA_CONFIG_SEGMENTS_PER_ARENA, text);
    return refuse_number(resolver, find_by_name("segment_min"), resolver->config.ioheap.segment_min,
                         reason.text);
}

static int check_arena(struct resolver *resolver)
{
    uint32_t classes = resolver->config.ioheap.size_classes;
    int error = check_fits(resolver, "size_classes", UINT64_C(1) << tsuga_bits_log2_floor(classes));

    if (error == 0)
        error = check_fits(resolver, "segment_min", resolver->config.ioheap.segment_min);
    if (error == 0)
        error =
            check_fits(resolver, "group_sizes",
                       UINT64_C(1) << tsuga_bits_log2_floor(resolver->config.receive.group_sizes));
    return error != 0 ? error : check_segment_min(resolver);
}

static int check_together(struct resolver *resolver)
{
    int error = check_arena(resolver);

    for (size_t i = 0; error == 0 && i < sizeof(orders) / sizeof(orders[0]); i++)
        error = check_order(resolver, &orders[i]);
    return error;
}

int tsuga_config_resolve(const struct tsuga_config *user, struct tsuga_config *out,
                         struct tsuga_log *log)
{
    struct resolver resolver = {.log = log};
    int error;

    if (user != NULL)
        resolver.config = *user;
    error = check_struct(&resolver);
    if (error == 0)
        error = apply_file(&resolver);
    if (error == 0)
        error = apply_environment(&resolver);
    if (error != 0)
        return error;
    tsuga_config_fill_defaults(&resolver.config);
    error = check_together(&resolver);
    if (error == 0)
        *out = resolver.config;
    return error;
}
