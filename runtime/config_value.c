#include "runtime/config_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/bits.h"

#define PAGE_BYTES       4096u
#define CLASS_BYTES_MIN  (UINT64_C(1) << TSUGA_CLASS_MIN)
#define CLASS_BYTES_MAX  (UINT64_C(1) << TSUGA_CLASS_MAX)
#define CLASS_TEXT_BYTES 32u

/* A word that stands for a value; 0 is the key's default. */
struct word {
    enum tsuga_config_type type;
    const char *text;
    uint64_t value;
};

static const struct word words[] = {
    {TSUGA_CONFIG_TOGGLE, "on", TSUGA_ON},
    {TSUGA_CONFIG_TOGGLE, "off", TSUGA_OFF},
    {TSUGA_CONFIG_TOGGLE, "auto", TSUGA_DEFAULT},
    {TSUGA_CONFIG_FEATURE, "auto", TSUGA_DEFAULT},
    {TSUGA_CONFIG_FEATURE, "off", TSUGA_OFF},
    {TSUGA_CONFIG_FULL, "fail", TSUGA_FULL_FAIL},
    {TSUGA_CONFIG_FULL, "block", TSUGA_FULL_BLOCK},
    {TSUGA_CONFIG_FULL, "drop", TSUGA_FULL_DROP},
    {TSUGA_CONFIG_SIZING, "adaptive", TSUGA_SIZING_ADAPTIVE},
    {TSUGA_CONFIG_SIZING, "fixed", TSUGA_SIZING_FIXED},
    {TSUGA_CONFIG_REGISTRATION, "auto", TSUGA_REGISTRATION_AUTO},
    {TSUGA_CONFIG_REGISTRATION, "always", TSUGA_REGISTRATION_ALWAYS},
    {TSUGA_CONFIG_REGISTRATION, "off", TSUGA_REGISTRATION_OFF},
    {TSUGA_CONFIG_LEVEL, "off", TSUGA_LOG_OFF},
    {TSUGA_CONFIG_LEVEL, "error", TSUGA_LOG_ERROR},
    {TSUGA_CONFIG_LEVEL, "warn", TSUGA_LOG_WARN},
    {TSUGA_CONFIG_LEVEL, "info", TSUGA_LOG_INFO},
    {TSUGA_CONFIG_LEVEL, "debug", TSUGA_LOG_DEBUG},
};

#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

void tsuga_config_reason_set(struct tsuga_config_reason *reason, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason->text, sizeof(reason->text), format, arguments);
    va_end(arguments);
}

void tsuga_config_size_text(uint64_t size, char text[TSUGA_CONFIG_SIZE_TEXT_BYTES])
{
    static const char *const suffixes[] = {"", "K", "M", "G"};
    unsigned index = 0;

    while (index < 3 && size != 0 && size % 1024 == 0) {
        size /= 1024;
        index++;
    }
    snprintf(text, TSUGA_CONFIG_SIZE_TEXT_BYTES, "%" PRIu64 "%s", size, suffixes[index]);
}

uint64_t tsuga_config_get(const struct tsuga_config *config, const struct tsuga_config_key *key)
{
    const char *field = (const char *)config + key->offset;
    uint32_t narrow;
    uint64_t wide;

    if (key->bytes == sizeof(narrow)) {
        memcpy(&narrow, field, sizeof(narrow));
        return narrow;
    }
    memcpy(&wide, field, sizeof(wide));
    return wide;
}

void tsuga_config_set(struct tsuga_config *config, const struct tsuga_config_key *key,
                      uint64_t value)
{
    char *field = (char *)config + key->offset;
    uint32_t narrow = (uint32_t)value;

    if (key->bytes == sizeof(narrow))
        memcpy(field, &narrow, sizeof(narrow));
    else
        memcpy(field, &value, sizeof(value));
}

/* What is allowed, in words: "a power of two from 1 to 32768". */
static void describe(const struct tsuga_config_key *key, struct tsuga_config_reason *reason)
{
    static const char *const shapes[] = {
        [TSUGA_CONFIG_ANY] = "a number",
        [TSUGA_CONFIG_POWER_OF_TWO] = "a power of two",
        [TSUGA_CONFIG_WHOLE_PAGES] = "a multiple of 4K",
    };
    char min[TSUGA_CONFIG_SIZE_TEXT_BYTES];
    char max[TSUGA_CONFIG_SIZE_TEXT_BYTES];

    switch (key->type) {
    case TSUGA_CONFIG_NUMBER:
        tsuga_config_reason_set(reason, "%s from %" PRIu64 " to %" PRIu64, shapes[key->shape],
                                key->min, key->max);
        break;
    case TSUGA_CONFIG_SIZE:
        tsuga_config_size_text(key->min, min);
        tsuga_config_size_text(key->max, max);
        tsuga_config_reason_set(reason, "%s from %s to %s, in bytes or with K, M, G",
                                shapes[key->shape], min, max);
        break;
    case TSUGA_CONFIG_CLASSES:
        tsuga_config_reason_set(reason, "a list of powers of two from 64 to 2M, ascending");
        break;
    case TSUGA_CONFIG_TOGGLE:
        tsuga_config_reason_set(reason, "on, off or auto");
        break;
    case TSUGA_CONFIG_FEATURE:
        tsuga_config_reason_set(reason, "auto or off");
        break;
    case TSUGA_CONFIG_FULL:
        tsuga_config_reason_set(reason, "fail, block or drop");
        break;
    case TSUGA_CONFIG_SIZING:
        tsuga_config_reason_set(reason, "adaptive or fixed");
        break;
    case TSUGA_CONFIG_REGISTRATION:
        tsuga_config_reason_set(reason, "auto, always or off");
        break;
    case TSUGA_CONFIG_LEVEL:
        tsuga_config_reason_set(reason, "off, error, warn, info or debug");
        break;
    }
}

static int refuse(const struct tsuga_config_key *key, struct tsuga_config_reason *reason)
{
    describe(key, reason);
    return -EINVAL;
}

int tsuga_config_check(const struct tsuga_config_key *key, uint64_t value,
                       struct tsuga_config_reason *reason)
{
    if (value < key->min || value > key->max)
        return refuse(key, reason);
    if (key->shape == TSUGA_CONFIG_POWER_OF_TWO && !tsuga_bits_is_power_of_two(value))
        return refuse(key, reason);
    if (key->shape == TSUGA_CONFIG_WHOLE_PAGES && value % PAGE_BYTES != 0)
        return refuse(key, reason);
    if (key->type == TSUGA_CONFIG_CLASSES && value % CLASS_BYTES_MIN != 0)
        return refuse(key, reason);
    return 0;
}

/* Decimal digits only: no sign, no blanks, no other base. */
static int parse_number(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t value = 0;

    if (*at < '0' || *at > '9')
        return -EINVAL;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return -EINVAL;
    *text = at;
    *out = value;
    return 0;
}

static unsigned suffix_shift(char suffix)
{
    switch (suffix) {
    case 'K':
    case 'k':
        return 10;
    case 'M':
    case 'm':
        return 20;
    case 'G':
    case 'g':
        return 30;
    default:
        return 0;
    }
}

static int parse_size(const char *text, uint64_t *out)
{
    uint64_t value;
    unsigned shift;

    if (parse_number(&text, &value) != 0)
        return -EINVAL;
    shift = suffix_shift(*text);
    if (shift != 0)
        text++;
    if (*text != '\0' || value > UINT64_MAX >> shift)
        return -EINVAL;
    *out = value << shift;
    return 0;
}

/* What is wrong with one size of a list, NULL if nothing. */
static const char *class_fault(uint64_t bytes, uint64_t mask)
{
    if (bytes == 0)
        return "zero";
    if (!tsuga_bits_is_power_of_two(bytes))
        return "not a power of two";
    if (bytes < CLASS_BYTES_MIN)
        return "smaller than 64";
    if (bytes > CLASS_BYTES_MAX)
        return "larger than 2M";
    if (mask >= bytes)
        return "not ascending";
    return NULL;
}

/* Cuts the next size off a list, without the blanks around it. False at the end of the list. */
static bool next_class(const char **list, char text[CLASS_TEXT_BYTES])
{
    size_t bytes;

    if (*list == NULL)
        return false;
    *list += strspn(*list, " \t");
    bytes = strcspn(*list, ",");
    snprintf(text, CLASS_TEXT_BYTES, "%.*s", (int)bytes, *list);
    *list = (*list)[bytes] == ',' ? *list + bytes + 1 : NULL;
    for (bytes = strlen(text); bytes > 0 && strchr(" \t", text[bytes - 1]) != NULL; bytes--)
        text[bytes - 1] = '\0';
    return true;
}

static int parse_classes(const char *list, uint64_t *out, struct tsuga_config_reason *reason)
{
    char text[CLASS_TEXT_BYTES];
    uint64_t mask = 0;

    while (next_class(&list, text)) {
        uint64_t bytes;
        const char *fault = parse_size(text, &bytes) != 0 ? "not a size" : class_fault(bytes, mask);

        if (fault != NULL) {
            tsuga_config_reason_set(reason,
                                    "\"%s\" is %s; allowed are powers of two from 64 to "
                                    "2M, ascending, with commas between",
                                    text, fault);
            return -EINVAL;
        }
        mask |= bytes;
    }
    *out = mask;
    return 0;
}

static int parse_word(const struct tsuga_config_key *key, const char *text, uint64_t *out)
{
    for (size_t i = 0; i < WORD_COUNT; i++) {
        if (words[i].type != key->type || strcmp(words[i].text, text) != 0)
            continue;
        *out = words[i].value != 0 ? words[i].value : key->fallback;
        return 0;
    }
    return -EINVAL;
}

int tsuga_config_parse(const struct tsuga_config_key *key, const char *text, uint64_t *out,
                       struct tsuga_config_reason *reason)
{
    uint64_t value = 0;
    int error;

    switch (key->type) {
    case TSUGA_CONFIG_NUMBER:
        error = parse_number(&text, &value) != 0 || *text != '\0' ? -EINVAL : 0;
        break;
    case TSUGA_CONFIG_SIZE:
        error = parse_size(text, &value);
        break;
    case TSUGA_CONFIG_CLASSES:
        /* Each mistake has its own reason. */
        return parse_classes(text, out, reason);
    default:
        error = parse_word(key, text, &value);
        break;
    }
    if (error != 0)
        return refuse(key, reason);
    error = tsuga_config_check(key, value, reason);
    if (error == 0)
        *out = value;
    return error;
}
