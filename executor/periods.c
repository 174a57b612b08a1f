#include "executor/periods.h"

#include <errno.h>

#include "executor/executor.h"
#include "executor/waiting.h"

static void arm_period(struct tsuga_stream *stream)
{
    struct tsuga_extra *extra = tsuga_record_extra(stream->record);
    struct tsuga_deadline *deadline =
        tsuga_slab_at(&stream->record->io->slab, extra->deadline_slot - 1);

    if (stream->by.due_ns != TSUGA_FOREVER)
        tsuga_timers_arm(&tsuga_stream_executor(stream)->timers, &deadline->alarm.timer,
                         stream->by.due_ns);
}

void tsuga_period_start(struct tsuga_stream *stream)
{
    uint64_t now_ns = tsuga_clock_now_ns(&tsuga_stream_executor(stream)->shared->clock);

    stream->state = TSUGA_STREAM_RESTING; /* the kernel has nothing of it, ever */
    stream->by.due_ns = stream->from.period_ns > TSUGA_FOREVER - 1 - now_ns
                            ? TSUGA_FOREVER
                            : now_ns + stream->from.period_ns;
    arm_period(stream);
}

static void ring_period(struct tsuga_executor *executor, struct tsuga_alarm *alarm)
{
    struct tsuga_deadline *deadline = TSUGA_CONTAINER_OF(alarm, struct tsuga_deadline, alarm);
    struct tsuga_stream *stream = tsuga_stream_of(deadline->record);
    uint64_t count =
        1 + (tsuga_executor_now_ns(executor) - stream->by.due_ns) / stream->from.period_ns;

    stream->by.due_ns += count * stream->from.period_ns;
    arm_period(stream);
    if (!tsuga_record_is_wanted(stream->record))
        return;
    stream->waiting.count += count;
    tsuga_waiting_announce(stream);
}

void tsuga_period_stop(struct tsuga_stream *stream)
{
    struct tsuga_extra *extra = tsuga_record_extra(stream->record);
    struct tsuga_deadline *deadline =
        tsuga_slab_at(&stream->record->io->slab, extra->deadline_slot - 1);

    (void)tsuga_timers_cancel(&tsuga_stream_executor(stream)->timers, &deadline->alarm.timer);
}

int tsuga_period_prepare(struct tsuga_stream *stream, const struct tsuga_op *op)
{
    struct tsuga_extra *extra = tsuga_record_extra(stream->record);
    struct tsuga_deadline *deadline;
    uint32_t slot;

    if (op->timeout_ns == 0)
        return -EINVAL;
    deadline = tsuga_slab_take(&stream->record->io->slab, &slot);
    if (deadline == NULL)
        return -ENOBUFS;
    *deadline = (struct tsuga_deadline){.alarm.ring = ring_period, .record = stream->record};
    extra->deadline_slot = slot + 1;
    stream->from.period_ns = op->timeout_ns;
    return 0;
}
