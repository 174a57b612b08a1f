#include "runtime/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void write_stderr(void *context, enum tsuga_log_level level, const char *line)
{
    (void)context;
    (void)level;
    fprintf(stderr, "tsuga: %s\n", line);
}

void tsuga_log_init(struct tsuga_log *log, enum tsuga_log_level level, tsuga_log_fn *write,
                    void *context)
{
    *log = (struct tsuga_log){
        .level = level == TSUGA_LOG_DEFAULT ? TSUGA_LOG_WARN : level,
        .write = write != NULL ? write : write_stderr,
        .context = context,
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
}

void tsuga_log_fini(struct tsuga_log *log)
{
    pthread_mutex_destroy(&log->lock);
}

/* UTF-8 passes, control characters do not. */
static void make_printable(char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            *line = '?';
}

void tsuga_log_printf(struct tsuga_log *log, enum tsuga_log_level level, const char *format, ...)
{
    char line[TSUGA_LOG_LINE_BYTES_MAX];
    va_list arguments;
    int bytes;

    if (level > log->level)
        return;
    va_start(arguments, format);
    bytes = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (bytes >= (int)sizeof(line))
        memcpy(line + sizeof(line) - sizeof("..."), "...", sizeof("..."));
    make_printable(line);
    pthread_mutex_lock(&log->lock);
    log->write(log->context, level, line);
    pthread_mutex_unlock(&log->lock);
}

void tsuga_log_report(void *log, enum tsuga_log_level level, const char *line)
{
    tsuga_log_printf(log, level, "%s", line);
}
