#include "runtime/base/thread_meter.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"

void tsuga_thread_meter_init(struct tsuga_thread_meter *meter)
{
    meter->id = gettid();
    if (pthread_getcpuclockid(pthread_self(), &meter->clock) != 0)
        meter->clock = -1;
}

uint64_t tsuga_thread_meter_ns(const struct tsuga_thread_meter *meter)
{
    struct timespec used;

    if (clock_gettime(meter->clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * TSUGA_NS_PER_S + (uint64_t)used.tv_nsec;
}

/* The letter of the thread's state; 'S' when it cannot be read. */
static char read_state(pid_t id)
{
    char path[64];
    char text[256];
    const char *name_end;
    ssize_t bytes;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)id);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 'S';
    bytes = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[bytes > 0 ? bytes : 0] = '\0';
    /* "id (name) state …", and a name may hold anything. */
    name_end = strrchr(text, ')');
    if (name_end == NULL || name_end[1] != ' ')
        return 'S';
    return name_end[2];
}

bool tsuga_thread_meter_is_blocked(const struct tsuga_thread_meter *meter)
{
    char state = read_state(meter->id);

    return state == 'S' || state == 'D';
}
