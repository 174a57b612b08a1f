/* What people are told on the standard error: messages, a progress bar, a summary. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "examples/hash/hash.h"

static const char full_bar[] = "##############################";

#define BAR_CELLS (sizeof full_bar - 1)

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

void report_init(struct report *report)
{
    *report = (struct report){.has_bar = isatty(STDERR_FILENO), .start_ns = now_ns()};
}

/* A number of bytes for people. */
struct text {
    char chars[24];
};

static struct text size_text(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    struct text text;
    size_t unit = 0;

    for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    snprintf(text.chars, sizeof text.chars, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
    return text;
}

static struct text rate_text(const struct report *report, uint64_t elapsed_ns)
{
    return size_text((double)report->hashed_bytes * 1e9 / (double)(elapsed_ns + 1));
}

void report_show_bar(const struct report *report)
{
    if (!report->has_bar)
        return;
    double share = (double)report->hashed_bytes / (double)(report->found_bytes + 1);
    int cells = (int)((share < 1 ? share : 1) * (double)BAR_CELLS);
    fprintf(stderr, "\r[%.*s%*s] %s of %s, %" PRIu64 " files, %s/s\033[K", cells, full_bar,
            (int)BAR_CELLS - cells, "", size_text((double)report->hashed_bytes).chars,
            size_text((double)report->found_bytes).chars, report->hashed_count,
            rate_text(report, now_ns() - report->start_ns).chars);
}

void report_hide_bar(const struct report *report)
{
    if (report->has_bar)
        fputs("\r\033[K", stderr);
}

/* One line, whatever is in the name. */
void report_failure(struct report *report, const char *name, const char *why)
{
    report_hide_bar(report);
    fputs("hash: ", stderr);
    for (; *name != '\0'; name++)
        putc(iscntrl((unsigned char)*name) ? '?' : *name, stderr);
    fprintf(stderr, ": %s\n", why);
    report->failed_count++;
}

/* The share of the most used heap's furthest reach that was not in use at its fullest. */
static double waste_percent(const struct tsuga_heap_stats *heaps)
{
    if (heaps->high_water_bytes == 0)
        return 0;
    return 100 - 100 * (double)heaps->live_bytes_max / (double)heaps->high_water_bytes;
}

static void show_heaps(const struct tsuga_heap_stats *heaps)
{
    fprintf(stderr, "%14s %12s %14s\n", "I/O heap block", "used", "most at once");
    for (size_t i = 0; i < TSUGA_CLASS_COUNT; i++) {
        if (heaps->allocs[i] == 0)
            continue;
        fprintf(stderr, "%14s %12" PRIu64 " %14" PRIu64 "\n",
                size_text((double)(UINT64_C(1) << (TSUGA_CLASS_MIN + i))).chars, heaps->allocs[i],
                heaps->live_max[i]);
    }
    fprintf(stderr, "largest heap: high water %s of %s, fragmentation %.1f %%\n",
            size_text((double)heaps->high_water_bytes).chars,
            size_text((double)heaps->segment_bytes_max).chars, waste_percent(heaps));
}

void report_summary(const struct report *report, const struct tsuga_stats *stats)
{
    uint64_t elapsed_ns = now_ns() - report->start_ns;

    fprintf(stderr, "hash: %" PRIu64 " files, %s in %.3f s, %s/s", report->hashed_count,
            size_text((double)report->hashed_bytes).chars, (double)elapsed_ns / 1e9,
            rate_text(report, elapsed_ns).chars);
    if (report->failed_count > 0)
        fprintf(stderr, "; %" PRIu64 " not hashed", report->failed_count);
    fputs("\n", stderr);
    show_heaps(&stats->heaps);
}
