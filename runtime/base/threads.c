#include "runtime/base/threads.h"

#include <signal.h>
#include <stddef.h>

#include "runtime/base/clock.h"

/* The program's signals are for its own threads; SIGPIPE comes from writes to broken pipes, which
 * are results here. A fault is not blocked: it would end the process past every handler that could
 * say where. */
static sigset_t blocked_signals(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t set;

    sigfillset(&set);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&set, faults[i]);
    return set;
}

static int start(void *context, tsuga_thread_fn *run, void *argument, struct tsuga_thread *out)
{
    sigset_t blocked = blocked_signals();
    sigset_t old;
    pthread_t thread;
    int error;

    (void)context;
    pthread_sigmask(SIG_SETMASK, &blocked, &old); /* a thread inherits its maker's mask */
    error = pthread_create(&thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error != 0)
        return -error;
    if (out != NULL)
        out->posix = thread;
    else
        pthread_detach(thread);
    return 0;
}

static void join(void *context, struct tsuga_thread *thread)
{
    (void)context;
    pthread_join(thread->posix, NULL);
}

static int wait_for(void *context, pthread_cond_t *condition, pthread_mutex_t *lock,
                    uint64_t until_ns)
{
    struct timespec limit = {(time_t)(until_ns / TSUGA_NS_PER_S),
                             (long)(until_ns % TSUGA_NS_PER_S)};

    (void)context;
    if (until_ns == TSUGA_THREADS_FOREVER)
        return -pthread_cond_wait(condition, lock);
    return -pthread_cond_timedwait(condition, lock, &limit);
}

static void wake_one(void *context, pthread_cond_t *condition)
{
    (void)context;
    pthread_cond_signal(condition);
}

static void wake_all(void *context, pthread_cond_t *condition)
{
    (void)context;
    pthread_cond_broadcast(condition);
}

static const struct tsuga_threads posix = {
    .start = start, .join = join, .wait = wait_for, .wake_one = wake_one, .wake_all = wake_all};

const struct tsuga_threads *tsuga_threads_posix(void)
{
    return &posix;
}

int tsuga_threads_init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);

    if (error != 0)
        return -error;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return -error;
}
