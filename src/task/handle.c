/* Join handles: the other end of a task's `join` word, as a future. */
#include "handle.h"
#include "../base/alone.h"
#include "../future/guard.h"
#include "../sched/sched.h"

#include <errno.h>

static struct ki_nest *nest_for(struct ki_task *task)
{
    struct ki_worker *w = ki_worker_of(ki_chunk_of(task)->sched);

    return w ? &w->nest : NULL;
}

/* Over: KI_JOIN_DONE or _ABORTED; otherwise 0, and the waker is left. */
static uintptr_t wait_for(struct ki_task *task, kio_waker waker)
{
    /* acquire: pairs with ki_task_over: the result is read next */
    uintptr_t join = ki_load_acquire(&task->join);

    if (join & KI_JOIN_OVER)
        return join;
    if (join == (uintptr_t)waker.to)
        return 0;
    kio_waker_clone(waker);
    /* acq_rel: release of the waker's target to the task, acquire as above */
    if (!ki_word_cas(&task->join, &join, (uintptr_t)waker.to)) {
        kio_waker_drop(waker); /* only the task writes besides us: it is over */
        return join;
    }
    kio_waker_drop((kio_waker){ (struct kio_wakeable *)join });
    return 0;
}

static kio_poll handle_poll(kio_future *f, kio_context *cx)
{
    struct kio_join_handle *self = (struct kio_join_handle *)f;
    struct ki_task *task = ki_handle_task(self);
    uintptr_t join;

    if (!task) { /* out says why */
        kio_finish(f);
        return KIO_READY;
    }
    f->state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    join = wait_for(task, cx->waker);
    if (!join)
        return KIO_PENDING;
    kio_coop_did_(cx);
    self->out = join == KI_JOIN_DONE ? 0 : -ECANCELED;
    kio_finish_keep(f); /* the result stays in the task's slot */
    return KIO_READY;
}

static void handle_drop(kio_future *f)
{
    struct ki_task *task = ki_handle_task((struct kio_join_handle *)f);
    uintptr_t join;

    if (!task)
        return;
    f->waker.to = (struct kio_wakeable *)(uintptr_t)(ki_task_id(task) << 1 | 1);
    /* acquire: pairs with ki_task_over, which writes last. Otherwise acq_rel: who comes second frees. */
    join = ki_load_acquire(&task->join);
    if (!(join & KI_JOIN_OVER))
        join = ki_word_xchg(&task->join, KI_JOIN_DETACHED);
    if (join & KI_JOIN_OVER)
        ki_task_release(task, nest_for(task));
    else
        kio_waker_drop((kio_waker){ (struct kio_wakeable *)join });
}

static void handle_describe(const kio_future *f, char *text, size_t cap)
{
    snprintf(text, cap, "task %llu",
             (unsigned long long)kio_task_id((const struct kio_join_handle *)f));
}

/* What it waits for is the task itself: so a cycle may lead through it. */
static void handle_waits(const kio_future *f, struct kio_waits *to)
{
    struct ki_task *task = ki_handle_task((const struct kio_join_handle *)f);

    if (!task)
        return;
    to->what = "task";
    to->at = to->holder = task;
}

static const kio_future_type handle_type = {
    .name = "kio_join_handle",
    .kind = KIO_KIND_WAITER,
    .waits = handle_waits,
    .size = sizeof(struct kio_join_handle),
    .poll = handle_poll,
    .drop = handle_drop,
    .out_offset = offsetof(struct kio_join_handle, out),
    .out_size = sizeof(int),
    .describe = handle_describe,
};

void ki_handle_init(struct kio_join_handle *handle, struct ki_task *task, int error)
{
    kio_vacate_(&handle->kio);
    *handle = (struct kio_join_handle){
        .kio = { .type = &handle_type, .waker = { task ? &task->wakeable : NULL } },
        .out = error,
    };
}

uint64_t kio_task_id(const struct kio_join_handle *handle)
{
    uintptr_t word = (uintptr_t)handle->kio.waker.to;

    return word & 1 ? word >> 1 : word ? ki_task_id((struct ki_task *)word) : 0;
}

bool kio_is_finished(const struct kio_join_handle *handle)
{
    struct ki_task *task = ki_handle_task(handle);

    /* acquire: pairs with ki_task_over */
    return !task || (ki_load_acquire(&task->join) & KI_JOIN_OVER);
}

struct kio_abort_handle kio_abort_handle(const struct kio_join_handle *handle)
{
    return (struct kio_abort_handle){ ki_handle_task(handle), kio_task_id(handle) };
}

void kio_abort_by(struct kio_abort_handle abort)
{
    struct ki_task *task = abort.task;

    /* Ids are never used twice and the slot stays a task header, so a task that is gone is told
     * from one that has its slot now. */
    if (task && ki_task_ask_abort(task, abort.id))
        kio_waker_wake_by_ref(ki_task_waker(task));
}

bool kio_abort_is_finished(struct kio_abort_handle abort)
{
    struct ki_task *task = abort.task;
    uintptr_t join;

    if (!task || ki_task_id(task) != abort.id)
        return true;
    /* acquire: pairs with ki_task_over. Then once more: what was read may be the next task's; acquire also of
     * that, ki_task_new. */
    join = ki_load_acquire(&task->join);
    return (join & KI_JOIN_OVER) || ki_task_id(task) != abort.id;
}

void kio_abort(const struct kio_join_handle *handle)
{
    kio_abort_by(kio_abort_handle(handle));
}

void *kio_output_(const struct kio_join_handle *handle, size_t size)
{
    struct ki_task *task = ki_handle_task(handle);
    /* relaxed: who may ask knows that it is over, and acquired the result with that */
    uintptr_t join = task ? ki_load_relaxed(&task->join) : 0;
    kio_future *f;

    if (join != KI_JOIN_DONE)
        ki_guard_fail(ki_guard_here(), "look at the handle's out first: 0 means there is a result",
                      "kio_output of a task that %s",
                      !task                      ? "was never spawned, or whose handle was dropped"
                      : join == KI_JOIN_ABORTED ? "was aborted"
                                                : "has not ended");
    f = ki_task_future(task);
    if (f->type->out_size != size)
        ki_guard_fail(ki_guard_here(), "name the type that stands in the function's async_fn(...)",
                      "kio_output of %s, whose result has %u bytes, as a type of %zu",
                      f->type->name, (unsigned)f->type->out_size, size);
    return (char *)f + f->type->out_offset;
}
