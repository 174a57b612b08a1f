#include "executor/arena_work.h"

#include "executor/executor.h"
#include "executor/registered.h"

void tsuga_arena_work_init(struct tsuga_arena_work *work, struct tsuga_executor *executor)
{
    *work = (struct tsuga_arena_work){.executor = executor};
    pthread_mutex_init(&work->lock, NULL);
}

void tsuga_arena_work_fini(struct tsuga_arena_work *work)
{
    TSUGA_VERIFY(!work->is_running);
    pthread_mutex_destroy(&work->lock);
}

static bool has_orders(const struct tsuga_arena_orders *orders)
{
    return orders->clear != NULL || orders->give != NULL || orders->populate != NULL ||
           orders->prepares;
}

static void clear_all(struct tsuga_segment *segment)
{
    while (segment != NULL) {
        struct tsuga_segment *next = segment->next;

        tsuga_segment_clear(segment);
        segment = next;
    }
}

static void give_all(struct tsuga_reserve *reserve, struct tsuga_arena *arena)
{
    while (arena != NULL) {
        struct tsuga_arena *next = arena->next;

        tsuga_reserve_give(reserve, arena);
        arena = next;
    }
}

/* The last of the list, which is not empty. */
static struct tsuga_arena *populate_all(const struct tsuga_reserve *reserve,
                                        struct tsuga_arena *arena)
{
    const struct tsuga_backing *backing = reserve->backing;

    /* A refusal only means that the registration faults the pages in, or says why it can not. */
    (void)backing->populate(backing->context, arena->base, reserve->arena_bytes);
    while (arena->next != NULL) {
        arena = arena->next;
        (void)backing->populate(backing->context, arena->base, reserve->arena_bytes);
    }
    return arena;
}

static void take_resident(struct tsuga_executor *executor, struct tsuga_task *task)
{
    struct tsuga_arena_work *work = TSUGA_CONTAINER_OF(task, struct tsuga_arena_work, task);
    struct tsuga_arena *first;

    pthread_mutex_lock(&work->lock);
    first = work->resident;
    work->resident = NULL;
    work->is_posted = false;
    pthread_mutex_unlock(&work->lock);
    tsuga_registered_take(executor, first);
}

/* The arenas from first to last are resident: tell the executor. */
static void hand_over(struct tsuga_arena_work *work, struct tsuga_arena *first,
                      struct tsuga_arena *last)
{
    bool was_posted;

    pthread_mutex_lock(&work->lock);
    last->next = work->resident;
    work->resident = first;
    was_posted = work->is_posted;
    work->is_posted = true;
    pthread_mutex_unlock(&work->lock);
    if (was_posted)
        return;
    work->task.run = take_resident;
    tsuga_executor_post(work->executor, &work->task);
}

/* What an actor waits for comes first: memory that is wanted now, then what may be wanted. */
static void carry_out(struct tsuga_arena_work *work, const struct tsuga_arena_orders *orders)
{
    struct tsuga_arena_pool *pool = &work->executor->arenas;

    clear_all(orders->clear);
    if (orders->prepares)
        tsuga_arena_pool_prepare(pool);
    if (orders->populate != NULL)
        hand_over(work, orders->populate, populate_all(pool->reserve, orders->populate));
    give_all(pool->reserve, orders->give);
}

static void run(struct tsuga_blocking_job *job)
{
    struct tsuga_arena_work *work = TSUGA_CONTAINER_OF(job, struct tsuga_arena_work, job);
    struct tsuga_arena_orders orders;

    pthread_mutex_lock(&work->lock);
    orders = work->orders;
    work->orders = (struct tsuga_arena_orders){.clear = NULL};
    pthread_mutex_unlock(&work->lock);
    carry_out(work, &orders);
}

static void run_here(struct tsuga_arena_work *work)
{
    do
        run(&work->job);
    while (has_orders(&work->orders)); /* nobody else adds to them */
    work->is_running = false;
    tsuga_shared_leave(work->executor->shared);
}

static void done(struct tsuga_blocking_job *job);

static void submit(struct tsuga_arena_work *work)
{
    work->job = (struct tsuga_blocking_job){.run = run, .done = done};
    if (tsuga_blocking_submit(&work->executor->shared->helpers, &work->job) != 0)
        run_here(work); /* no thread could be made, and there was none */
}

static void done(struct tsuga_blocking_job *job)
{
    struct tsuga_arena_work *work = TSUGA_CONTAINER_OF(job, struct tsuga_arena_work, job);
    bool is_running;

    pthread_mutex_lock(&work->lock);
    is_running = has_orders(&work->orders);
    work->is_running = is_running;
    pthread_mutex_unlock(&work->lock);
    if (is_running)
        submit(work);
    else
        tsuga_shared_leave(work->executor->shared);
}

/* Ends what begin() has begun. */
static void commit(struct tsuga_arena_work *work)
{
    bool was_running = work->is_running;

    work->is_running = true;
    pthread_mutex_unlock(&work->lock);
    if (was_running)
        return;
    /* Helpers outlive the population, but not by much: when it is gone, they may be, too. */
    if (tsuga_shared_enter(work->executor->shared))
        submit(work);
    else
        run_here(work);
}

static struct tsuga_arena_orders *begin(struct tsuga_arena_work *work)
{
    pthread_mutex_lock(&work->lock);
    return &work->orders;
}

void tsuga_arena_work_clear(struct tsuga_arena_work *work, struct tsuga_segment *segment)
{
    struct tsuga_arena_orders *orders = begin(work);

    segment->next = orders->clear;
    orders->clear = segment;
    commit(work);
}

void tsuga_arena_work_prepare(struct tsuga_arena_work *work)
{
    begin(work)->prepares = true;
    commit(work);
}

void tsuga_arena_work_give(struct tsuga_arena_work *work, struct tsuga_arena *arena)
{
    struct tsuga_arena_orders *orders = begin(work);

    arena->next = orders->give;
    orders->give = arena;
    commit(work);
}

void tsuga_arena_work_populate(struct tsuga_arena_work *work, struct tsuga_arena *arena)
{
    struct tsuga_arena_orders *orders = begin(work);

    arena->next = orders->populate;
    orders->populate = arena;
    commit(work);
}
