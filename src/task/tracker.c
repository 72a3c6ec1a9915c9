/*
 * Task trackers: one counted word, and a notify for the moment in which it says closed and empty.
 *
 * word: CLOSED | tasks * TASK | handles * HANDLE. Memory goes when neither tasks nor handles are
 * left; a wait counts as a handle. All changes are read-modify-writes, acq_rel: who sees no tasks
 * sees what they did.
 *
 * The race: the last task of a closed tracker leaves while the last handle is dropped. So that it may
 * still notify, the task's count becomes a handle's in the same step, and is given back afterwards.
 */
#include "tracker.h"
#include "../base/atomic.h"
#include "../base/mem.h"
#include "../future/combine.h"
#include "../future/leaf.h"
#include "task.h"

#include <kioto/task_tracker.h>

#include <errno.h>

#define CLOSED ((uint64_t)1)
#define TASK   ((uint64_t)2)
#define HANDLE ((uint64_t)1 << 32)
#define TASKS  (HANDLE - TASK)

struct kio_tracker_ {
    ki_atomic(uint64_t) word;
    struct kio_notify quiet; /* closed and empty */
};

static bool is_quiet(uint64_t word)
{
    return (word & CLOSED) && !(word & TASKS);
}

static void give_back(struct kio_tracker_ *t)
{
    if ((ki_fetch_sub_acq_rel(&t->word, HANDLE) - HANDLE) <= CLOSED)
        ki_mem_free(t);
}

static void enter(struct kio_tracker_ *t)
{
    /* relaxed: by somebody who has a handle */
    ki_fetch_add_relaxed(&t->word, TASK);
}

void ki_tracker_leave(struct kio_tracker_ *t)
{
    uint64_t old = ki_load_relaxed(&t->word);
    uint64_t now;

    do {
        now = old - TASK;
        if (is_quiet(now) && now >= HANDLE)
            now += HANDLE; /* see the race above */
    } while (!ki_cas_weak_acq_rel(&t->word, &old, now));
    if (now <= CLOSED) {
        ki_mem_free(t);
    } else if (is_quiet(now)) {
        kio_notify_waiters(&t->quiet);
        give_back(t);
    }
}

/* ---- handles ------------------------------------------------------------------------------- */

int kio_task_tracker_new(struct kio_task_tracker *tracker)
{
    tracker->shared = ki_mem_zalloc(sizeof *tracker->shared);
    if (!tracker->shared)
        return -ENOMEM;
    ki_store_relaxed(&tracker->shared->word, HANDLE); /* nobody else knows it yet */
    return 0;
}

static struct kio_tracker_ *one_more(struct kio_tracker_ *t)
{
    ki_fetch_add_relaxed(&t->word, HANDLE); /* from one that lives */
    return t;
}

struct kio_task_tracker kio_task_tracker_clone(const struct kio_task_tracker *tracker)
{
    return (struct kio_task_tracker){ one_more(tracker->shared) };
}

void kio_task_tracker_drop(struct kio_task_tracker *tracker)
{
    struct kio_tracker_ *t = tracker->shared;

    tracker->shared = NULL;
    if (t)
        give_back(t);
}

bool kio_task_tracker_close(const struct kio_task_tracker *tracker)
{
    struct kio_tracker_ *t = tracker->shared;
    uint64_t old = ki_fetch_or_acq_rel(&t->word, CLOSED);

    if (old & CLOSED)
        return false;
    if (is_quiet(old | CLOSED))
        kio_notify_waiters(&t->quiet);
    return true;
}

bool kio_task_tracker_reopen(const struct kio_task_tracker *tracker)
{
    return ki_fetch_and_acq_rel(&tracker->shared->word, ~CLOSED) & CLOSED;
}

bool kio_task_tracker_is_closed(const struct kio_task_tracker *tracker)
{
    return ki_load_acquire(&tracker->shared->word) & CLOSED; /* pairs with every change */
}

size_t kio_task_tracker_len(const struct kio_task_tracker *tracker)
{
    /* acquire: pairs with ki_tracker_leave: what those that are gone did is seen */
    return (ki_load_acquire(&tracker->shared->word) & TASKS) / TASK;
}

/* ---- tasks --------------------------------------------------------------------------------- */

static struct ki_task_extra *extra_for(struct kio_tracker_ *t)
{
    struct ki_task_extra *extra = ki_task_extra_new("");

    if (extra) {
        extra->tracker = t;
        enter(t);
    }
    return extra;
}

static void not_spawned(struct ki_task_extra *extra)
{
    ki_tracker_leave(extra->tracker);
    ki_mem_free(extra);
}

struct kio_nursery_ kio_tracked_alloc_(const struct kio_task_tracker *tracker,
                                       struct kio_runtime *rt, const kio_future_type *type)
{
    struct ki_task_extra *extra = extra_for(tracker->shared);
    struct kio_nursery_ made;

    if (!extra)
        return (struct kio_nursery_){ .error = -ENOMEM };
    made = kio_task_alloc_(rt, type);
    if (made.task)
        made.extra = extra;
    else
        not_spawned(extra);
    return made;
}

int kio_tracked_blocking_(const struct kio_task_tracker *tracker, struct kio_join_handle *handle,
                          kio_blocking_fn fn, void *arg, kio_future *scope)
{
    struct ki_task_extra *extra = extra_for(tracker->shared);
    struct kio_tracker_ *t = one_more(tracker->shared);
    int err;

    /* Without memory for it the job is spawned nowhere, which the handle says too. */
    err = extra ? ki_spawn_blocking_with(handle, fn, arg, scope, extra) : -ENOMEM;
    if (!extra)
        ki_handle_failed(handle, err, scope);
    else if (err)
        ki_tracker_leave(t);
    give_back(t);
    return err;
}

/* ---- futures ------------------------------------------------------------------------------- */

static kio_poll tracked_poll(kio_future *f, kio_context *cx)
{
    struct kio_tracked *self = (struct kio_tracked *)f;

    f->state = self;
    if (!kio_is_over_(self->inner) && kio_poll_(self->inner, cx) == KIO_PENDING)
        return KIO_PENDING;
    if (self->inner->state != KIO_KEPT || !f->child) {
        kio_finish(f);
        return KIO_READY;
    }
    kio_finish_keep(f);
    return KIO_READY;
}

/* After the inner future, if it was ours, is gone. */
static void tracked_drop(kio_future *f)
{
    ki_tracker_leave(((struct kio_tracked *)f)->shared);
}

static const kio_future_type tracked_type = {
    .name = "kio_task_tracker_track",
    .size = sizeof(struct kio_tracked),
    .poll = tracked_poll,
    .drop = tracked_drop,
};

struct kio_tracked *kio_task_tracker_track_(struct kio_tracked *slot,
                                            const struct kio_task_tracker *tracker,
                                            kio_future *inner)
{
    kio_vacate_(&slot->kio);
    *slot = (struct kio_tracked){
        .kio = { .type = &tracked_type },
        .inner = inner,
        .shared = tracker->shared,
    };
    enter(slot->shared);
    ki_take_in(&slot->kio, inner, "kio_task_tracker_track");
    return slot;
}

/* ---- wait ---------------------------------------------------------------------------------- */

static kio_poll wait_poll(kio_future *f, kio_context *cx)
{
    struct kio_tracker_wait *self = (struct kio_tracker_wait *)f;

    f->state = self;
    /* acquire: pairs with ki_tracker_leave. quiet counts since the making, so nothing is missed. */
    if (!is_quiet(ki_load_acquire(&self->shared->word)) &&
        kio_poll_(&self->quiet.kio, cx) == KIO_PENDING)
        return KIO_PENDING;
    kio_finish(f);
    return KIO_READY;
}

static void wait_drop(kio_future *f)
{
    struct kio_tracker_wait *self = (struct kio_tracker_wait *)f;

    kio_drop(&self->quiet);
    give_back(self->shared);
}

static const kio_future_type wait_type = {
    .name = "kio_task_tracker_wait",
    .size = sizeof(struct kio_tracker_wait),
    .poll = wait_poll,
    .drop = wait_drop,
};

struct kio_tracker_wait *kio_task_tracker_wait(struct kio_tracker_wait *slot,
                                               const struct kio_task_tracker *tracker)
{
    kio_vacate_(&slot->kio);
    *slot = (struct kio_tracker_wait){
        .kio = { .type = &wait_type },
        .shared = one_more(tracker->shared),
    };
    kio_notified(&slot->quiet, &slot->shared->quiet);
    return slot;
}
