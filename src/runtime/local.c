/*
 * Local sets: a scheduler of one thread (sched/current.c) that is run inside the polls of a future.
 *
 * Layout: a set has a scheduler of its own from the pool, so its tasks have their own queue, memory
 * and wakers; whoever waits for events is the runtime outside. Its park seam has only unpark: a wake
 * from outside of the set's own polls (another task of this thread, another thread) puts the task in
 * the scheduler's inbox and wakes who runs the set, through `runner`, a waker cell.
 * Access: a run binds the set to its thread for good. `here` is the set whose poll this thread is in.
 *
 * The race: a wake comes when a poll of the set ends. The poll leaves its waker in the cell first;
 * ki_current_step then marks the scheduler asleep and looks at the inbox a last time; the waker pushes
 * first, then looks at asleep. See current.c.
 */
#include <kioto/local.h>

#include "runtime.h"
#include "../base/list.h"
#include "../base/mem.h"
#include "../future/combine.h"
#include "../future/guard.h"
#include "../future/waker.h"
#include "../task/handle.h"

#include <errno.h>

struct kio_local_ {
    struct ki_sched *sched;
    struct ki_park park;
    struct ki_cell runner;
    struct kio_local_run *running; /* the future that runs it: one at a time */
    const void *thread;            /* that it is bound to; NULL: none yet */
};

static _Thread_local struct kio_local_ *here;

/* Inside the scheduler's gate: the set is there. */
static void unpark(struct ki_park *park)
{
    ki_cell_wake(&ki_container(park, struct kio_local_, park)->runner);
}

int kio_local_set_new(struct kio_local_set *set)
{
    struct kio_local_ *local = set->local = ki_mem_zalloc(sizeof *local);

    if (local)
        local->sched = ki_sched_get(KIO_CURRENT_THREAD);
    if (!local || !local->sched) {
        ki_mem_free(local);
        set->local = NULL;
        return -ENOMEM;
    }
    local->park.unpark = unpark;
    local->sched->hooks = (struct kio_hooks){ 0 };
    local->sched->before_sleep = NULL; /* of its former runtime */
    return ki_current_open(local->sched, &local->park, NULL, 0, false, false);
}

void kio_local_set_drop(struct kio_local_set *set)
{
    struct kio_local_ *local = set->local;
    struct kio_local_ *before = here;

    set->local = NULL;
    if (!local)
        return;
    here = NULL;
    if (ki_current_close(local->sched))
        ki_guard_fail(ki_guard_here(), "drop it where it is run, outside of its tasks",
                      "a local set is dropped by one of its own tasks");
    here = before;
    ki_sched_put(local->sched);
    ki_cell_clear(&local->runner);
    ki_mem_free(local);
}

size_t kio_local_set_len(const struct kio_local_set *set)
{
    return ki_current_live(set->local->sched);
}

/* ---- spawning ------------------------------------------------------------------------------ */

static void check_thread(const struct kio_local_ *local, const char *call)
{
    if (local->thread && local->thread != &ki_here)
        ki_guard_fail(ki_guard_here(), "use a set on the thread that first ran it",
                      "%s on another thread than the local set's", call);
}

static struct kio_nursery_ alloc(struct kio_local_ *local, const kio_future_type *type)
{
    struct ki_task *task;

    check_thread(local, "kio_local_spawn");
    task = ki_task_new(&local->sched->arena, ki_current_nest(local->sched), type->size);
    if (!task)
        return (struct kio_nursery_){ .error = -ENOMEM };
    return (struct kio_nursery_){ .task = task, .frame = ki_task_future(task) };
}

struct kio_nursery_ kio_local_alloc_(const struct kio_local_set *set, const kio_future_type *type)
{
    struct kio_runtime *rt = ki_context_runtime();

    if (set)
        return alloc(set->local, type);
    if (here)
        return alloc(here, type);
    if (!rt || rt->flavor != KIO_CURRENT_THREAD || !ki_worker_of(rt->sched))
        ki_guard_fail(ki_guard_here(),
                      "call it in a task of a current_thread runtime, or in what kio_local_run_until runs",
                      "kio_spawn_local where no local tasks run");
    return kio_task_alloc_(rt, type);
}

int kio_local_start_(struct kio_nursery_ *made, struct kio_join_handle *handle, kio_future *scope)
{
    struct ki_task *task = made->task;
    struct ki_sched *sched = task ? ki_chunk_of(task)->sched : NULL;
    struct kio_runtime *rt = ki_context_runtime();

    if (rt && sched == rt->sched)
        return kio_task_start_(rt, made, handle, scope);
    if (handle)
        ki_handle_build(handle, made, scope);
    if (!task)
        return made->error;
    ki_current_count(sched);
    ki_current_spawn(sched, ki_worker_of(sched), task); /* not in its poll: as a wake from outside */
    return 0;
}

/* ---- running ------------------------------------------------------------------------------- */

/* The first poll binds the set to its thread, and the slot to the set. */
static void take_set(struct kio_local_run *self)
{
    struct kio_local_ *local = self->local;

    if (ki_worker_here && ki_worker_here->sched->flavor == KIO_MULTI_THREAD)
        ki_guard_fail(ki_guard_here(),
                      "run it on a thread of its own, in kio_block_on, or on a current_thread runtime",
                      "a local set is run by a task of a multi_thread runtime, which moves between threads");
    if (local->running && local->running != self)
        ki_guard_fail(ki_guard_here(), "run a set by one future, and spawn the rest into it",
                      "a local set is run by two futures at once");
    check_thread(local, "kio_local_run_until");
    local->running = self;
    local->thread = &ki_here;
}

static kio_poll run_inner(struct kio_local_run *self, kio_context *cx)
{
    struct kio_local_ *before = here;
    kio_poll answer;

    here = self->local;
    answer = kio_is_over_(self->inner) ? KIO_READY : kio_poll_(self->inner, cx);
    here = before;
    return answer;
}

/* True: more wait. */
static bool run_tasks(struct kio_local_ *local)
{
    struct kio_local_ *before = here;
    bool more;

    here = local;
    more = ki_current_step(local->sched, KI_TURN_INTERVAL);
    here = before;
    return more;
}

static kio_poll run_poll(kio_future *f, kio_context *cx)
{
    struct kio_local_run *self = (struct kio_local_run *)f;
    bool more;

    f->state = self;
    take_set(self);
    ki_cell_set(&self->local->runner, cx->waker); /* before the look: see the race above */
    if (self->inner && run_inner(self, cx) == KIO_READY)
        return ki_finish_with_kept(f);
    more = run_tasks(self->local);
    if (!self->inner && !ki_current_live(self->local->sched)) {
        kio_finish(f);
        return KIO_READY;
    }
    if (more)
        kio_waker_wake_by_ref(cx->waker);
    return KIO_PENDING;
}

static void run_drop(kio_future *f)
{
    struct kio_local_run *self = (struct kio_local_run *)f;

    if (self->local->running == self)
        self->local->running = NULL;
}

static const kio_future_type run_type = {
    .name = "kio_local_run_until",
    .size = sizeof(struct kio_local_run),
    .poll = run_poll,
    .drop = run_drop,
};

static struct kio_local_run *make(struct kio_local_run *slot, const struct kio_local_set *set)
{
    kio_vacate_(&slot->kio);
    *slot = (struct kio_local_run){ .kio = { .type = &run_type }, .local = set->local };
    return slot;
}

struct kio_local_run *kio_local_run_until_(struct kio_local_run *slot,
                                           const struct kio_local_set *set, kio_future *inner)
{
    make(slot, set)->inner = inner;
    ki_take_in(&slot->kio, inner, "kio_local_run_until");
    return slot;
}

struct kio_local_run *kio_local_set_wait(struct kio_local_run *slot, const struct kio_local_set *set)
{
    return make(slot, set);
}
