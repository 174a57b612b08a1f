#include "executor/blocking.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "runtime/base/clock.h"

#define IDLE_LIMIT_NS (10 * TSUGA_NS_PER_S)

static int init_conditions(struct tsuga_blocking *pool)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);

    if (error != 0)
        return -error;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_cond_init(&pool->work, &attributes);
    if (error == 0)
        error = pthread_cond_init(&pool->gone, NULL);
    pthread_condattr_destroy(&attributes);
    return -error;
}

int tsuga_blocking_init(struct tsuga_blocking *pool, uint32_t thread_count_max)
{
    *pool = (struct tsuga_blocking){
        .thread_count_max = thread_count_max,
        .idle_limit_ns = IDLE_LIMIT_NS,
    };
    tsuga_list_init(&pool->queue);
    pthread_mutex_init(&pool->lock, NULL);
    return init_conditions(pool);
}

void tsuga_blocking_fini(struct tsuga_blocking *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->work);
    while (pool->thread_count > 0)
        pthread_cond_wait(&pool->gone, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    TSUGA_VERIFY(tsuga_list_is_empty(&pool->queue));
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->gone);
    pthread_mutex_destroy(&pool->lock);
}

static struct timespec idle_end(const struct tsuga_blocking *pool)
{
    uint64_t end_ns = tsuga_clock_monotonic_ns(NULL) + pool->idle_limit_ns;

    return (struct timespec){
        .tv_sec = (time_t)(end_ns / TSUGA_NS_PER_S),
        .tv_nsec = (long)(end_ns % TSUGA_NS_PER_S),
    };
}

/* Needs the lock. False: nothing came for a long time, or the pool stops. */
static bool wait_for_work(struct tsuga_blocking *pool)
{
    struct timespec limit = idle_end(pool);
    int error = 0;

    pool->idle_count++;
    while (tsuga_list_is_empty(&pool->queue) && !pool->is_stopping && error == 0)
        error = pthread_cond_timedwait(&pool->work, &pool->lock, &limit);
    pool->idle_count--;
    return !tsuga_list_is_empty(&pool->queue);
}

static struct tsuga_blocking_job *take(struct tsuga_blocking *pool)
{
    struct tsuga_list_node *node = tsuga_list_pop_front(&pool->queue);
    struct tsuga_blocking_job *job = TSUGA_CONTAINER_OF(node, struct tsuga_blocking_job, link);

    pool->queue_count--;
    job->state = TSUGA_BLOCKING_RUNNING;
    return job;
}

static void *work(void *context)
{
    struct tsuga_blocking *pool = context;

    pthread_mutex_lock(&pool->lock);
    while (wait_for_work(pool)) {
        struct tsuga_blocking_job *job = take(pool);

        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        job->state = TSUGA_BLOCKING_DONE;
        pthread_mutex_unlock(&pool->lock);
        job->done(job);
        pthread_mutex_lock(&pool->lock);
    }
    pool->thread_count--;
    /* Still under the lock: the pool may be gone as soon as it is free. */
    pthread_cond_broadcast(&pool->gone);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* The program's signals are for its own threads. A fault is not: blocked, it would end the process
 * past every handler that could say where. */
static sigset_t blocked_signals(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t set;

    sigfillset(&set);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&set, faults[i]);
    return set;
}

static int start_thread(struct tsuga_blocking *pool)
{
    pthread_attr_t attributes;
    sigset_t blocked = blocked_signals();
    sigset_t old;
    pthread_t thread;
    int error = pthread_attr_init(&attributes);

    if (error != 0)
        return -error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &blocked, &old); /* a thread inherits its maker's mask */
    error = pthread_create(&thread, &attributes, work, pool);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (error == 0)
        pool->thread_count++;
    return -error;
}

/* Needs the lock. A job that waits behind others needs no thread of its own. */
static int provide_thread(struct tsuga_blocking *pool)
{
    int error;

    if (pool->idle_count > pool->queue_count || pool->thread_count == pool->thread_count_max)
        return 0;
    error = start_thread(pool);
    return pool->thread_count > 0 ? 0 : error;
}

int tsuga_blocking_submit(struct tsuga_blocking *pool, struct tsuga_blocking_job *job)
{
    int error;

    pthread_mutex_lock(&pool->lock);
    error = provide_thread(pool);
    if (error == 0) {
        job->state = TSUGA_BLOCKING_QUEUED;
        tsuga_list_push_back(&pool->queue, &job->link);
        pool->queue_count++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return error;
}

bool tsuga_blocking_cancel(struct tsuga_blocking *pool, struct tsuga_blocking_job *job)
{
    bool is_queued;

    pthread_mutex_lock(&pool->lock);
    is_queued = job->state == TSUGA_BLOCKING_QUEUED;
    if (is_queued) {
        tsuga_list_remove(&job->link);
        pool->queue_count--;
        job->state = TSUGA_BLOCKING_DONE;
    }
    pthread_mutex_unlock(&pool->lock);
    return is_queued;
}
