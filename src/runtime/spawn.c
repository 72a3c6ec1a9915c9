/* Making tasks: from a worker, from any other thread, and as jobs of the blocking pool. */
#include "runtime.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../sched/hooks.h"
#include "../task/handle.h"
#include "../task/tracker.h"

#include <errno.h>

static struct kio_runtime *runtime_or_guard(struct kio_runtime *rt, const char *call)
{
    if (!rt)
        rt = ki_context_runtime();
    if (kio_unlikely_(!rt))
        ki_guard_fail(ki_guard_here(),
                      "call it in a task, or after kio_runtime_enter, or use kio_spawn_on",
                      "%s needs a runtime, and this thread has none", call);
    return rt;
}

static struct ki_nest *nest_of(struct ki_worker *w)
{
    return w ? &w->nest : NULL;
}

/* A thread that is no worker stays inside the gate until the task is queued or given up. */
static struct kio_nursery_ alloc(struct kio_runtime *rt, uint32_t size)
{
    struct ki_worker *w = ki_worker_of(rt->sched);
    struct ki_task *task;

    if (!w && !ki_sched_enter(rt->sched))
        return (struct kio_nursery_){ .error = -ESHUTDOWN };
    /* relaxed: who comes too late for this is met by the gate, or dropped with the others */
    task = ki_load_relaxed(&rt->closing) ? NULL : ki_task_new(&rt->sched->arena, nest_of(w), size);
    if (task)
        return (struct kio_nursery_){ .task = task, .frame = ki_task_future(task) };
    if (!w)
        ki_sched_leave(rt->sched);
    return (struct kio_nursery_){ .error = ki_load_relaxed(&rt->closing) ? -ESHUTDOWN : -ENOMEM };
}

struct kio_nursery_ kio_task_alloc_(struct kio_runtime *rt, const kio_future_type *type)
{
    return alloc(runtime_or_guard(rt, "kio_spawn"), type->size);
}

struct kio_nursery_ kio_named_alloc_(struct kio_runtime *rt, const kio_future_type *type,
                                     const char *text)
{
    struct ki_task_extra *extra = ki_task_extra_new(text);
    struct kio_nursery_ made;

    if (!extra)
        return (struct kio_nursery_){ .error = -ENOMEM };
    made = kio_task_alloc_(rt, type);
    if (made.task)
        made.extra = extra;
    else
        ki_mem_free(extra);
    return made;
}

void ki_handle_build(struct kio_join_handle *handle, const struct kio_nursery_ *made,
                     kio_future *scope)
{
    struct ki_task *task = made->task;

    ki_handle_init(handle, task, made->error);
    if (task)
        ki_store_release(&task->join, 0); /* release: as in ki_task_new */
    if (scope && (char *)handle >= (char *)scope &&
        (char *)handle < (char *)scope + scope->type->size)
        kio_adopt_(scope, &handle->kio);
}

static void queue(struct kio_runtime *rt, struct ki_worker *w, struct ki_task *task)
{
    if (rt->flavor == KIO_CURRENT_THREAD)
        ki_current_spawn(rt->sched, w, task);
    else
        ki_multi_spawn(rt->sched, w, task);
}

int kio_task_start_(struct kio_runtime *rt, struct kio_nursery_ *made,
                    struct kio_join_handle *handle, kio_future *scope)
{
    struct ki_worker *w;

    rt = rt ? rt : ki_context_runtime();
    if (handle)
        ki_handle_build(handle, made, scope);
    if (!made->task)
        return made->error;
    ((struct ki_task *)made->task)->extra = made->extra; /* now that the frame has been written */
    if (kio_unlikely_(((struct ki_task *)made->task)->flags & KI_TASK_HOOKED))
        ki_hook_spawn(&rt->sched->hooks, made->task, made->frame, made->at);
    w = ki_worker_of(rt->sched);
    if (w)
        ki_count(&w->spawned);
    else
        ki_fetch_add_relaxed(&rt->sched->spawned, 1); /* a statistic, where the gate's word lies */
    queue(rt, w, made->task);
    if (!w)
        ki_sched_leave(rt->sched);
    return 0;
}

/* ---- jobs --------------------------------------------------------------------------------- */

/* The frame of a blocking task: never polled, it is the job. */
struct job_frame {
    KIO_ASYNC_FN(void *);
    struct ki_job job;
    kio_blocking_fn fn;
    void *arg;
};

static struct ki_task *task_of(struct job_frame *frame)
{
    return ki_task_around(frame); /* small, so it lies in the slot */
}

/* On a deterministic runtime a job is a task of one poll. */
static kio_poll job_poll(kio_future *f, kio_context *cx)
{
    struct job_frame *frame = (struct job_frame *)f;

    (void)cx;
    frame->out = frame->fn(frame->arg);
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type job_type = {
    .name = "kio_spawn_blocking",
    .size = sizeof(struct job_frame),
    .poll = job_poll,
    .out_offset = offsetof(struct job_frame, out),
    .out_size = sizeof(void *),
};

static void job_over(struct ki_task *task, uintptr_t how)
{
    ki_store_relaxed(&task->state, 0); /* ki_task_over publishes it */
    ki_task_over(task, how, NULL);
}

static void job_run(struct ki_job *job)
{
    struct job_frame *frame = ki_container(job, struct job_frame, job);
    struct ki_task *task = task_of(frame);
    uintptr_t how = KI_JOIN_ABORTED;

    if (!ki_task_abort_asked(task)) {
        /* relaxed: for the dump alone; an or, because an abort's wake leaves a bit there */
        ki_fetch_or_relaxed(&task->state, KI_TASK_RUNNING);
        ki_job_id_here = ki_task_id(task);
        frame->out = frame->fn(frame->arg);
        ki_job_id_here = 0;
        how = KI_JOIN_DONE;
    }
    job_over(task, how);
}

static void job_cancel(struct ki_job *job)
{
    job_over(task_of(ki_container(job, struct job_frame, job)), KI_JOIN_ABORTED);
}

int kio_spawn_blocking_(struct kio_join_handle *handle, kio_blocking_fn fn, void *arg,
                        kio_future *scope)
{
    return ki_spawn_blocking_with(handle, fn, arg, scope, NULL);
}

int kio_spawn_blocking_named_(struct kio_join_handle *handle, const char *text, kio_blocking_fn fn,
                              void *arg, kio_future *scope)
{
    struct ki_task_extra *extra = ki_task_extra_new(text);

    if (extra)
        return ki_spawn_blocking_with(handle, fn, arg, scope, extra);
    ki_handle_failed(handle, -ENOMEM, scope);
    return -ENOMEM;
}

void ki_handle_failed(struct kio_join_handle *handle, int error, kio_future *scope)
{
    if (handle)
        ki_handle_build(handle, &(struct kio_nursery_){ .error = error }, scope);
}

int ki_spawn_blocking_with(struct kio_join_handle *handle, kio_blocking_fn fn, void *arg,
                           kio_future *scope, struct ki_task_extra *extra)
{
    struct kio_runtime *rt = runtime_or_guard(NULL, "kio_spawn_blocking");
    struct kio_nursery_ made = alloc(rt, sizeof(struct job_frame));
    struct ki_worker *w = ki_worker_of(rt->sched);
    struct ki_task *task = made.task;
    struct job_frame *frame = made.frame;

    kio_guard_borrow_(arg, "kio_spawn_blocking", "arg");
    if (task) {
        *frame = (struct job_frame){
            .kio = { .type = &job_type },
            .job = { .run = job_run, .cancel = job_cancel },
            .fn = fn,
            .arg = arg,
        };
        made.extra = extra; /* goes with it */
        if (rt->seeded)
            return kio_task_start_(rt, &made, handle, scope);
        task->extra = extra;
        task->flags |= KI_TASK_BLOCKING;
        /* Never queued. release: pairs with a dump's look, as the tag in ki_task_new */
        ki_store_release(&task->state, KI_TASK_JOB);
        if (handle)
            ki_handle_build(handle, &made, scope);
        made.error = ki_blocking_submit(rt->blocking, &frame->job, KI_LANE_JOBS);
        if (made.error) {
            made.task = NULL;
            ki_store_relaxed(&task->state, 0);
            ki_task_release(task, nest_of(w));
        }
        if (!w)
            ki_sched_leave(rt->sched);
    }
    if (!task)
        ki_mem_free(extra);
    if (made.error && handle)
        ki_handle_build(handle, &made, scope);
    return made.error;
}
