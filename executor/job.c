/* Operations that the pool of blocking threads carries out. */
#include <errno.h>

#include "executor/blocking.h"
#include "executor/executor.h"
#include "executor/io.h"

struct job {
    struct tsuga_blocking_job job;
    struct tsuga_task task; /* back to the executor */
    struct tsuga_record *record;
    struct tsuga_executor *executor;
    void (*run)(void *argument);
    void *argument;
};

static void run_job(struct tsuga_blocking_job *blocking)
{
    struct job *job = TSUGA_CONTAINER_OF(blocking, struct job, job);

    job->run(job->argument);
}

static void finish(struct tsuga_executor *executor, struct tsuga_task *task)
{
    struct job *job = TSUGA_CONTAINER_OF(task, struct job, task);
    struct tsuga_record *record = job->record;

    tsuga_memory_free(executor->shared->memory, job, sizeof(*job));
    tsuga_record_complete(record, 0, false);
}

static void post_done(struct tsuga_blocking_job *blocking)
{
    struct job *job = TSUGA_CONTAINER_OF(blocking, struct job, job);

    tsuga_executor_post(job->executor, &job->task);
}

int tsuga_job_start(struct tsuga_record *record, void (*run)(void *argument), void *argument)
{
    struct tsuga_executor *executor = record->io->executor;
    struct job *job = tsuga_memory_alloc(executor->shared->memory, sizeof(*job));
    int error;

    if (job == NULL)
        return -ENOMEM;
    *job = (struct job){.job = {.run = run_job, .done = post_done},
                        .task.run = finish,
                        .record = record,
                        .executor = executor,
                        .run = run,
                        .argument = argument};
    tsuga_record_extra(record)->argument.job = job;
    error = tsuga_blocking_submit(&executor->shared->blocking, &job->job);
    if (error != 0)
        tsuga_memory_free(executor->shared->memory, job, sizeof(*job));
    return error;
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
