/* Operations that the pool of blocking threads carries out: the user's own functions, and calls for
 * which the ring has no operation. */
#include <errno.h>

#include "executor/blocking.h"
#include "executor/executor.h"
#include "executor/io.h"
#include "executor/resolve.h"

struct job {
    struct tsuga_blocking_job job;
    struct tsuga_task task; /* back to the executor */
    struct tsuga_record *record;
    struct tsuga_executor *executor;
    struct tsuga_work work;
    int32_t result;
};

static void run_job(struct tsuga_blocking_job *blocking)
{
    struct job *job = TSUGA_CONTAINER_OF(blocking, struct job, job);

    if (job->work.call != NULL)
        job->result = job->work.call(job->executor->shared->calls, &job->work);
    else
        job->work.run(job->work.argument);
}

static void finish(struct tsuga_executor *executor, struct tsuga_task *task)
{
    struct job *job = TSUGA_CONTAINER_OF(task, struct job, task);
    struct tsuga_record *record = job->record;
    int32_t result = job->result;

    tsuga_memory_free(executor->shared->memory, job, sizeof(*job));
    tsuga_record_complete(record, result, false);
}

static void post_done(struct tsuga_blocking_job *blocking)
{
    struct job *job = TSUGA_CONTAINER_OF(blocking, struct job, job);

    tsuga_executor_post(job->executor, &job->task);
}

static int32_t list(const struct tsuga_calls *calls, const struct tsuga_work *work)
{
    return calls->list(calls->context, work->fd, work->argument, work->number);
}

static int32_t truncate_file(const struct tsuga_calls *calls, const struct tsuga_work *work)
{
    return calls->truncate(calls->context, work->fd, work->number);
}

static int32_t resolve(const struct tsuga_calls *calls, const struct tsuga_work *work)
{
    return tsuga_resolve_answer(calls, work->argument);
}

bool tsuga_job_is_needed(const struct tsuga_ring *ring, enum tsuga_op_kind kind)
{
    return kind == TSUGA_OP_BLOCKING || kind == TSUGA_OP_LIST || kind == TSUGA_OP_RESOLVE ||
           (kind == TSUGA_OP_TRUNCATE && !ring->ops->supports(ring, TSUGA_RING_TRUNCATE));
}

struct tsuga_work tsuga_job_work(const struct tsuga_op *op,
                                 const struct tsuga_ring_request *request)
{
    switch (op->kind) {
    case TSUGA_OP_LIST:
        return (struct tsuga_work){.call = list,
                                   .fd = request->fd,
                                   .argument = request->address,
                                   .number = request->length};
    case TSUGA_OP_RESOLVE:
        return (struct tsuga_work){.call = resolve, .argument = request->address};
    case TSUGA_OP_TRUNCATE:
        return (struct tsuga_work){
            .call = truncate_file, .fd = request->fd, .number = request->offset};
    default:
        return (struct tsuga_work){.run = op->run, .argument = op->argument};
    }
}

int tsuga_job_start(struct tsuga_record *record, const struct tsuga_work *work)
{
    struct tsuga_executor *executor = record->io->executor;
    struct tsuga_extra *extra;
    struct job *job;
    int error = tsuga_record_extend(record, &extra);

    if (error != 0)
        return error;
    job = tsuga_memory_alloc(executor->shared->memory, sizeof(*job));
    if (job == NULL)
        return -ENOMEM;
    *job = (struct job){.job = {.run = run_job, .done = post_done},
                        .task.run = finish,
                        .record = record,
                        .executor = executor,
                        .work = *work};
    error = tsuga_blocking_submit(&executor->shared->blocking, &job->job);
    if (error != 0) {
        tsuga_memory_free(executor->shared->memory, job, sizeof(*job));
        return error;
    }
    /* Read on this thread only, so it does not matter that the job may have begun. */
    extra->argument.job = job;
    record->flags |= TSUGA_RECORD_JOB;
    return 0;
}

int tsuga_job_cancel(struct tsuga_record *record)
{
    struct tsuga_executor *executor = record->io->executor;
    struct job *job = tsuga_record_extra(record)->argument.job;

    if (!tsuga_blocking_cancel(&executor->shared->blocking, &job->job))
        return -EALREADY;
    tsuga_memory_free(executor->shared->memory, job, sizeof(*job));
    tsuga_record_complete(record, -ECANCELED, false);
    return 0;
}
