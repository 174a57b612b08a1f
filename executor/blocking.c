#include "executor/blocking.h"

#include <errno.h>

#include "runtime/base/clock.h"

#define IDLE_LIMIT_NS (10 * TSUGA_NS_PER_S)

int tsuga_blocking_init(struct tsuga_blocking *pool, const struct tsuga_threads *threads,
                        const struct tsuga_clock *clock, uint32_t thread_count_max,
                        uint32_t queue_count_max)
{
    int error;

    *pool = (struct tsuga_blocking){
        .threads = threads,
        .clock = *clock,
        .thread_count_max = thread_count_max,
        .queue_count_max = queue_count_max,
        .idle_limit_ns = IDLE_LIMIT_NS,
    };
    tsuga_list_init(&pool->queue);
    pthread_mutex_init(&pool->lock, NULL);
    error = tsuga_threads_init_condition(&pool->work);
    return error != 0 ? error : tsuga_threads_init_condition(&pool->gone);
}

void tsuga_blocking_fini(struct tsuga_blocking *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    tsuga_threads_wake_all(pool->threads, &pool->work);
    while (pool->thread_count > 0)
        tsuga_threads_wait(pool->threads, &pool->gone, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    TSUGA_VERIFY(tsuga_list_is_empty(&pool->queue));
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->gone);
    pthread_mutex_destroy(&pool->lock);
}

static uint64_t idle_end_ns(const struct tsuga_blocking *pool)
{
    return tsuga_clock_now_ns(&pool->clock) + pool->idle_limit_ns;
}

/* Needs the lock. False: nothing came for a long time, or the pool stops. */
static bool wait_for_work(struct tsuga_blocking *pool, uint64_t limit_ns)
{
    const struct tsuga_threads *threads = pool->threads;
    int error = 0;

    pool->idle_count++;
    while (tsuga_list_is_empty(&pool->queue) && !pool->is_stopping && error == 0)
        error = threads->wait(threads->context, &pool->work, &pool->lock, limit_ns);
    pool->idle_count--;
    return !tsuga_list_is_empty(&pool->queue);
}

static struct tsuga_blocking_job *take(struct tsuga_blocking *pool)
{
    struct tsuga_list_node *node = tsuga_list_pop_front(&pool->queue);
    struct tsuga_blocking_job *job = TSUGA_CONTAINER_OF(node, struct tsuga_blocking_job, link);

    pool->queue_count--;
    pool->running_count++;
    job->state = TSUGA_BLOCKING_RUNNING;
    return job;
}

static void *work(void *context)
{
    struct tsuga_blocking *pool = context;
    uint64_t limit_ns = idle_end_ns(pool);

    pthread_mutex_lock(&pool->lock);
    while (wait_for_work(pool, limit_ns)) {
        struct tsuga_blocking_job *job = take(pool);

        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        job->state = TSUGA_BLOCKING_DONE;
        pool->running_count--;
        pool->done_count++;
        pthread_mutex_unlock(&pool->lock);
        job->done(job);
        limit_ns = idle_end_ns(pool); /* without the lock, as tsuga_threads wants it */
        pthread_mutex_lock(&pool->lock);
    }
    pool->thread_count--;
    /* Still under the lock: the pool may be gone as soon as it is free. */
    tsuga_threads_wake_all(pool->threads, &pool->gone);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static int start_thread(struct tsuga_blocking *pool)
{
    int error = pool->threads->start(pool->threads->context, work, pool, NULL);

    if (error == 0)
        pool->thread_count++;
    return error;
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
    error = pool->queue_count < pool->queue_count_max ? provide_thread(pool) : -EBUSY;
    if (error != 0) {
        pool->refused_count++;
    } else {
        job->state = TSUGA_BLOCKING_QUEUED;
        tsuga_list_push_back(&pool->queue, &job->link);
        pool->queue_count++;
        pool->threads->wake_one(pool->threads->context, &pool->work);
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
        pool->cancelled_count++;
        job->state = TSUGA_BLOCKING_DONE;
    }
    pthread_mutex_unlock(&pool->lock);
    return is_queued;
}

void tsuga_blocking_read(struct tsuga_blocking *pool, struct tsuga_blocking_counts *out)
{
    pthread_mutex_lock(&pool->lock);
    *out = (struct tsuga_blocking_counts){
        .threads = pool->thread_count,
        .queued = pool->queue_count,
        .running = pool->running_count,
        .done = pool->done_count,
        .cancelled = pool->cancelled_count,
        .refused = pool->refused_count,
    };
    pthread_mutex_unlock(&pool->lock);
}
