#include "executor/blocking.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

#include "runtime/base/bits.h"
#include "tests/support/test.h"

#define THREAD_COUNT 3u
#define JOB_COUNT    500u

/* A pool, and a place where jobs and the test wait for each other. */
struct site {
    struct tsuga_blocking pool;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t started_count;
    uint32_t done_count;
    uint32_t inside_count; /* jobs that run at this moment */
    uint32_t inside_count_peak;
    bool is_open; /* lets held jobs go on */
    sigset_t mask;
};

struct job {
    struct tsuga_blocking_job job;
    struct site *site;
    /* Plain bytes: the pool must order them between the submitter and its threads. */
    uint64_t input;
    uint64_t output;
    uint32_t rank; /* as how many-th it started */
    unsigned run_count;
    unsigned done_count;
};

static void open_site(struct site *site, uint32_t thread_count_max)
{
    struct tsuga_clock clock = {.now_ns = tsuga_clock_monotonic_ns};

    *site = (struct site){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    CHECK_INT(tsuga_blocking_init(&site->pool, tsuga_threads_posix(), &clock, thread_count_max,
                                  UINT32_MAX),
              0);
}

static struct job *job_of(struct tsuga_blocking_job *job)
{
    return TSUGA_CONTAINER_OF(job, struct job, job);
}

static void enter(struct job *job)
{
    struct site *site = job->site;

    pthread_mutex_lock(&site->lock);
    job->rank = site->started_count++;
    if (++site->inside_count > site->inside_count_peak)
        site->inside_count_peak = site->inside_count;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
}

static void leave(struct job *job)
{
    pthread_mutex_lock(&job->site->lock);
    job->site->inside_count--;
    pthread_mutex_unlock(&job->site->lock);
}

static void compute(struct tsuga_blocking_job *blocking)
{
    struct job *job = job_of(blocking);

    enter(job);
    job->output = job->input * 3;
    job->run_count++;
    leave(job);
}

/* Runs until the test opens the site. */
static void hold(struct tsuga_blocking_job *blocking)
{
    struct site *site = job_of(blocking)->site;

    enter(job_of(blocking));
    pthread_mutex_lock(&site->lock);
    while (!site->is_open)
        pthread_cond_wait(&site->changed, &site->lock);
    pthread_mutex_unlock(&site->lock);
    job_of(blocking)->run_count++;
    leave(job_of(blocking));
}

static void count_done(struct tsuga_blocking_job *blocking)
{
    struct job *job = job_of(blocking);

    job->done_count++;
    pthread_mutex_lock(&job->site->lock);
    job->site->done_count++;
    pthread_cond_broadcast(&job->site->changed);
    pthread_mutex_unlock(&job->site->lock);
}

static void submit(struct site *site, struct job *job, void (*run)(struct tsuga_blocking_job *job))
{
    job->site = site;
    job->job.run = run;
    job->job.done = count_done;
    CHECK_INT(tsuga_blocking_submit(&site->pool, &job->job), 0);
}

static void wait_until_at_least(struct site *site, const uint32_t *count, uint32_t wanted)
{
    pthread_mutex_lock(&site->lock);
    while (*count < wanted)
        pthread_cond_wait(&site->changed, &site->lock);
    pthread_mutex_unlock(&site->lock);
}

static void open_gate(struct site *site)
{
    pthread_mutex_lock(&site->lock);
    site->is_open = true;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
}

static uint32_t thread_count(struct site *site)
{
    uint32_t count;

    pthread_mutex_lock(&site->pool.lock);
    count = site->pool.thread_count;
    pthread_mutex_unlock(&site->pool.lock);
    return count;
}

TEST(blocking, runs_each_job_once_and_tells)
{
    static struct job jobs[JOB_COUNT];
    struct site site;

    open_site(&site, THREAD_COUNT);
    CHECK_UINT(thread_count(&site), 0);
    for (uint32_t i = 0; i < JOB_COUNT; i++) {
        jobs[i].input = i;
        submit(&site, &jobs[i], compute);
    }
    wait_until_at_least(&site, &site.done_count, JOB_COUNT);
    for (uint32_t i = 0; i < JOB_COUNT; i++) {
        CHECK_UINT(jobs[i].output, i * 3);
        CHECK_UINT(jobs[i].run_count, 1);
        CHECK_UINT(jobs[i].done_count, 1);
    }
    CHECK(site.inside_count_peak <= THREAD_COUNT);
    tsuga_blocking_fini(&site.pool);
}

TEST(blocking, one_thread_keeps_the_order)
{
    static struct job jobs[JOB_COUNT];
    struct site site;

    open_site(&site, 1);
    for (uint32_t i = 0; i < JOB_COUNT; i++)
        submit(&site, &jobs[i], compute);
    wait_until_at_least(&site, &site.done_count, JOB_COUNT);
    for (uint32_t i = 0; i < JOB_COUNT; i++)
        CHECK_UINT(jobs[i].rank, i);
    tsuga_blocking_fini(&site.pool);
}

TEST(blocking, starts_as_many_threads_as_jobs_wait_and_no_more_than_allowed)
{
    struct job jobs[THREAD_COUNT + 2] = {0};
    struct site site;

    open_site(&site, THREAD_COUNT);
    for (uint32_t i = 0; i < THREAD_COUNT; i++) {
        submit(&site, &jobs[i], hold);
        wait_until_at_least(&site, &site.started_count, i + 1);
        CHECK_UINT(thread_count(&site), i + 1);
    }
    submit(&site, &jobs[THREAD_COUNT], hold);
    submit(&site, &jobs[THREAD_COUNT + 1], hold);
    CHECK_UINT(thread_count(&site), THREAD_COUNT);
    open_gate(&site);
    wait_until_at_least(&site, &site.done_count, THREAD_COUNT + 2);
    CHECK_UINT(site.inside_count_peak, THREAD_COUNT);
    tsuga_blocking_fini(&site.pool);
}

static uint32_t idle_count(struct site *site)
{
    uint32_t count;

    pthread_mutex_lock(&site->pool.lock);
    count = site->pool.idle_count;
    pthread_mutex_unlock(&site->pool.lock);
    return count;
}

TEST(blocking, two_jobs_do_not_count_on_the_same_idle_thread)
{
    struct job jobs[3] = {0};
    struct site site;

    open_site(&site, THREAD_COUNT);
    submit(&site, &jobs[0], compute);
    wait_until_at_least(&site, &site.done_count, 1);
    while (idle_count(&site) == 0)
        sched_yield();
    submit(&site, &jobs[1], hold);
    submit(&site, &jobs[2], hold);
    wait_until_at_least(&site, &site.started_count, 3);
    open_gate(&site);
    tsuga_blocking_fini(&site.pool);
    CHECK_UINT(site.done_count, 3);
}

TEST(blocking, a_job_cancelled_before_it_starts_never_runs)
{
    struct job jobs[3] = {0};
    struct site site;

    open_site(&site, 1);
    submit(&site, &jobs[0], hold);
    wait_until_at_least(&site, &site.started_count, 1);
    submit(&site, &jobs[1], compute);
    submit(&site, &jobs[2], compute);
    CHECK(!tsuga_blocking_cancel(&site.pool, &jobs[0].job)); /* it runs */
    CHECK(tsuga_blocking_cancel(&site.pool, &jobs[1].job));
    CHECK(!tsuga_blocking_cancel(&site.pool, &jobs[1].job)); /* once only */
    open_gate(&site);
    wait_until_at_least(&site, &site.done_count, 2);
    tsuga_blocking_fini(&site.pool);
    CHECK_UINT(jobs[0].done_count, 1);
    CHECK_UINT(jobs[1].run_count, 0);
    CHECK_UINT(jobs[1].done_count, 0);
    CHECK_UINT(jobs[2].run_count, 1);
}

TEST(blocking, threads_without_work_end)
{
    struct job jobs[2] = {0};
    struct site site;

    open_site(&site, THREAD_COUNT);
    site.pool.idle_limit_ns = 1000;
    for (uint32_t i = 0; i < 2; i++) {
        submit(&site, &jobs[i], compute);
        pthread_mutex_lock(&site.pool.lock);
        while (site.pool.thread_count > 0)
            pthread_cond_wait(&site.pool.gone, &site.pool.lock);
        pthread_mutex_unlock(&site.pool.lock);
        CHECK_UINT(jobs[i].done_count, 1);
    }
    tsuga_blocking_fini(&site.pool);
}

TEST(blocking, fini_waits_for_all_that_was_submitted)
{
    static struct job jobs[JOB_COUNT];
    struct site site;

    open_site(&site, THREAD_COUNT);
    for (uint32_t i = 0; i < JOB_COUNT; i++)
        submit(&site, &jobs[i], compute);
    tsuga_blocking_fini(&site.pool);
    for (uint32_t i = 0; i < JOB_COUNT; i++)
        CHECK_UINT(jobs[i].done_count, 1);
}

static void note_mask(struct tsuga_blocking_job *blocking)
{
    pthread_sigmask(SIG_BLOCK, NULL, &job_of(blocking)->site->mask);
}

TEST(blocking, signals_stay_with_the_program_and_faults_do_not)
{
    struct job job = {0};
    struct site site;
    sigset_t before;
    sigset_t after;

    open_site(&site, 1);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    submit(&site, &job, note_mask);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    tsuga_blocking_fini(&site.pool);
    CHECK_INT(sigismember(&site.mask, SIGINT), 1);
    CHECK_INT(sigismember(&site.mask, SIGTERM), 1);
    CHECK_INT(sigismember(&site.mask, SIGPIPE), 1);
    CHECK_INT(sigismember(&site.mask, SIGSEGV), 0);
    CHECK_INT(sigismember(&site.mask, SIGBUS), 0);
    CHECK_INT(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
}

/* Makes threads impossible, or possible again: no address space holds such a stack. */
static size_t set_default_stack_bytes(size_t bytes)
{
    pthread_attr_t attributes;
    size_t before = 0;

    CHECK_INT(pthread_getattr_default_np(&attributes), 0);
    CHECK_INT(pthread_attr_getstacksize(&attributes, &before), 0);
    CHECK_INT(pthread_attr_setstacksize(&attributes, bytes), 0);
    CHECK_INT(pthread_setattr_default_np(&attributes), 0);
    pthread_attr_destroy(&attributes);
    return before;
}

TEST(blocking, refuses_a_job_when_there_is_no_thread_for_it)
{
    struct job jobs[3] = {0};
    struct site site;
    size_t usual_bytes;

    open_site(&site, THREAD_COUNT);
    usual_bytes = set_default_stack_bytes((size_t)1 << 50);
    jobs[0].job = (struct tsuga_blocking_job){.run = compute, .done = count_done};
    CHECK_INT(tsuga_blocking_submit(&site.pool, &jobs[0].job), -EAGAIN);
    set_default_stack_bytes(usual_bytes);

    submit(&site, &jobs[1], hold);
    wait_until_at_least(&site, &site.started_count, 1);
    set_default_stack_bytes((size_t)1 << 50);
    submit(&site, &jobs[2], compute); /* the one thread will come to it */
    set_default_stack_bytes(usual_bytes);
    open_gate(&site);
    tsuga_blocking_fini(&site.pool);
    CHECK_UINT(jobs[0].run_count, 0);
    CHECK_UINT(jobs[1].done_count, 1);
    CHECK_UINT(jobs[2].done_count, 1);
}

/* Several threads submit, and cancel some of theirs. */
struct client {
    struct site *site;
    struct job jobs[JOB_COUNT];
    uint64_t seed;
    uint32_t cancelled_count;
};

static void *submit_and_cancel(void *context)
{
    struct client *client = context;

    for (uint32_t i = 0; i < JOB_COUNT; i++) {
        struct job *job = &client->jobs[i];

        job->input = i;
        submit(client->site, job, compute);
        job = &client->jobs[tsuga_test_random(&client->seed) % (i + 1)];
        if (tsuga_blocking_cancel(&client->site->pool, &job->job)) {
            job->run_count += 10;
            client->cancelled_count++;
        }
    }
    return NULL;
}

TEST(blocking, each_job_runs_or_is_cancelled_with_many_submitters)
{
    static struct client clients[3];
    pthread_t threads[3];
    struct site site;
    uint64_t seed = tsuga_test_seed();
    uint32_t cancelled_count = 0;

    open_site(&site, THREAD_COUNT);
    site.pool.idle_limit_ns = 20000; /* so that threads come and go */
    for (int i = 0; i < 3; i++) {
        clients[i] = (struct client){.site = &site, .seed = tsuga_test_random(&seed)};
        CHECK_INT(pthread_create(&threads[i], NULL, submit_and_cancel, &clients[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    tsuga_blocking_fini(&site.pool);
    for (int i = 0; i < 3; i++) {
        cancelled_count += clients[i].cancelled_count;
        for (uint32_t k = 0; k < JOB_COUNT; k++) {
            const struct job *job = &clients[i].jobs[k];

            CHECK(job->run_count == 1 || job->run_count == 10);
            CHECK_UINT(job->done_count, job->run_count == 1 ? 1 : 0);
        }
    }
    CHECK_UINT(site.done_count + cancelled_count, 3 * JOB_COUNT);
}
