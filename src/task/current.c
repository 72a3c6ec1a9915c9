/* The running task: its id and its name; stepping back for the others; running without budget. */
#include "handle.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"
#include "../sched/sched.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static struct ki_task *running_task(void)
{
    struct ki_worker *w = ki_worker_here;

    return w && ki_here.root ? ki_task_of(w->run.self) : NULL;
}

_Thread_local uint64_t ki_job_id_here;

uint64_t kio_current_task_id(void)
{
    struct ki_task *task = running_task();

    return task ? ki_task_id(task) : ki_job_id_here;
}

int kio_task_set_name(const char *name)
{
    struct ki_task *task = running_task();
    struct ki_sched *sched;
    struct ki_task_extra *extra;
    struct ki_task_extra *old;

    if (!task)
        return -EINVAL;
    extra = ki_task_extra_new(name);
    if (!extra)
        return -ENOMEM;
    sched = ki_chunk_of(task)->sched;
    ki_lock(&sched->look, KI_RANK_RUNTIME);
    old = task->extra;
    if (old) {
        extra->tracker = old->tracker;
        extra->spawned = old->spawned;
        extra->function = old->function;
    }
    task->extra = extra;
    ki_unlock(&sched->look, KI_RANK_RUNTIME);
    ki_here.task_name = ki_task_name(task);
    ki_mem_free(old);
    return 0;
}

const char *kio_current_task_name(void)
{
    struct ki_task *task = running_task();

    return task ? ki_task_name(task) : NULL;
}

size_t kio_task_name(const struct kio_join_handle *handle, char *text, size_t cap)
{
    struct ki_task *task = ki_handle_task(handle);
    struct ki_sched *sched;
    const char *name;

    if (!task) {
        snprintf(text, cap, "%s", "");
        return 0;
    }
    sched = ki_chunk_of(task)->sched; /* the handle keeps the slot */
    ki_lock(&sched->look, KI_RANK_RUNTIME);
    name = ki_task_name(task);
    snprintf(text, cap, "%s", name ? name : "");
    cap = name ? strlen(name) : 0;
    ki_unlock(&sched->look, KI_RANK_RUNTIME);
    return cap;
}

/* ---- yield -------------------------------------------------------------------------------- */

static kio_poll yield_poll(kio_future *f, kio_context *cx)
{
    if (f->state) {
        kio_finish(f);
        return KIO_READY;
    }
    f->state = f;
    if (cx->run)
        cx->run->yielded = true;
    /* The task itself goes to the queue's back after this poll; a combinator's own waker, or
     * another executor's, has to be told. */
    if (!cx->run || cx->run->self != cx->waker.to)
        kio_waker_wake_by_ref(cx->waker);
    return KIO_PENDING;
}

static const kio_future_type yield_type = {
    .name = "kio_yield_now",
    .size = sizeof(struct kio_yield),
    .poll = yield_poll,
};

struct kio_yield *kio_yield_now(struct kio_yield *slot)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &yield_type };
    return slot;
}

/* ---- budget ------------------------------------------------------------------------------- */

static kio_poll consume_poll(kio_future *f, kio_context *cx)
{
    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type consume_type = {
    .name = "kio_consume_budget",
    .size = sizeof(struct kio_consume_budget),
    .poll = consume_poll,
};

struct kio_consume_budget *kio_consume_budget(struct kio_consume_budget *slot)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &consume_type };
    return slot;
}

bool kio_has_budget(void)
{
    return !running_task() || ki_worker_here->run.budget > 0;
}

/* ---- unconstrained ------------------------------------------------------------------------ */

static kio_poll unconstrained_poll(kio_future *f, kio_context *cx)
{
    struct kio_unconstrained *self = (struct kio_unconstrained *)f;
    int budget = cx->run ? cx->run->budget : 0;
    kio_poll answer;

    if (!f->state) {
        f->state = self;
        if (!self->inner->type || kio_is_over_(self->inner))
            ki_guard_fail(ki_guard_here(), "make the future first, in a slot of its own",
                          "kio_unconstrained was given an empty slot or a finished future");
    }
    if (cx->run)
        cx->run->budget = INT_MAX;
    answer = kio_poll_(self->inner, cx);
    if (cx->run)
        cx->run->budget = budget;
    if (answer == KIO_PENDING)
        return KIO_PENDING;
    if (self->inner->state == KIO_KEPT && f->child)
        kio_finish_keep(f);
    else
        kio_finish(f);
    return KIO_READY;
}

static void unconstrained_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                                  void *arg)
{
    each(arg, ((const struct kio_unconstrained *)f)->inner);
}

static const kio_future_type unconstrained_type = {
    .name = "kio_unconstrained",
    .members = unconstrained_members,
    .size = sizeof(struct kio_unconstrained),
    .poll = unconstrained_poll,
};

struct kio_unconstrained *kio_unconstrained_(struct kio_unconstrained *slot, kio_future *inner)
{
    kio_vacate_(&slot->kio);
    *slot = (struct kio_unconstrained){ .kio = { .type = &unconstrained_type }, .inner = inner };
    ki_take_over(&slot->kio, inner);
    return slot;
}
