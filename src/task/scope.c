/*
 * Scopes: child tasks that borrow from their parent's frame.
 *
 * Layout: a child's task frame is a shell (struct child) with the user's future, the inner one,
 * behind it. The shell belongs to the task and lives as long; the inner future belongs to the scope,
 * which can drop it without the scheduler: the borrowing ends there, the empty shell later.
 *
 * A child's word says who may touch its inner future:
 *   IDLE             nobody does
 *   address | flags  the thread with this ki_here polls it; WANTED: it drops it when the poll returns
 *   CLAIMED          the scope's owner drops it
 *   OVER             it is gone, the child has left the scope
 * Transitions:
 *   poll       cas IDLE -> address       acquire; CLAIMED: later, OVER: the shell ends
 *   suspended  cas address -> IDLE       release; fails when WANTED was set
 *   drop       cas IDLE -> CLAIMED       acquire: pairs with the last poll's release
 *              cas address -> | WANTED
 *   dropped    store OVER                release: pairs with the shell's next poll
 *
 * Lists: every child whose inner future lives is in one of the scope's two lists, under its lock.
 * A child that leaves touches the scope for the last time when it unlocks. So who finds the lists
 * empty under the lock knows that nobody touches the frame that the scope lies in any more.
 *
 * The drop of a scope (the owner's thread, synchronous): children that wait are claimed and dropped
 * here, one after another; those that are being polled are marked WANTED, then this thread sleeps
 * until the last of them has left. Each wait ends with one poll of a child on another thread. That
 * this cannot be a deadlock: docs/decisions/0008-scopes.md. The one case that would be, a child up
 * the stack of this very thread, is a guard.
 */
#include <kioto/scope.h>

#include "task.h"
#include "../base/atomic.h"
#include "../future/combine.h"
#include "../future/guard.h"
#include "../future/thread_waker.h"
#include "../sched/sched.h"

#include <errno.h>

#define IDLE    ((uintptr_t)0)
#define CLAIMED ((uintptr_t)1)
#define OVER    ((uintptr_t)2)
#define WANTED  ((uintptr_t)4)
#define POLLER  (~(uintptr_t)7) /* an address of a ki_here, aligned as pointers are */

/* Children that are woken between two locks. */
#define BATCH 16

struct kio_scope_child_ {
    kio_future kio; /* the task's future */
    struct kio_scope *scope;
    struct kio_scope_child_ *next, **prev;
    ki_atomic(uintptr_t) word;
    struct ki_task *task; /* whose frame this is */
    const char *name;     /* of the inner future's type, for the dump */
};
#define child kio_scope_child_

#define SHELL ((sizeof(struct child) + 15) & ~(size_t)15) /* frames are aligned to 16 */

static kio_future *inner_of(struct child *c)
{
    return (kio_future *)((char *)c + SHELL);
}

static void lock(struct kio_scope *s)
{
    ki_lock((struct ki_lock *)&s->lock, KI_RANK_SYNC); /* of the same shape */
}

static void unlock(struct kio_scope *s)
{
    ki_unlock((struct ki_lock *)&s->lock, KI_RANK_SYNC);
}

static void link_to(struct child **list, struct child *c)
{
    c->next = *list;
    c->prev = list;
    if (c->next)
        c->next->prev = &c->next;
    *list = c;
}

static void unlink_child(struct child *c)
{
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

/* Drops a child's future as if it were its task that did: guards and task-locals see no other. */
static void drop_inner(struct child *c)
{
    struct ki_here here = ki_here;

    ki_here_set((struct ki_here){ .stack_base = here.stack_base, .root = inner_of(c) });
    kio_drop_(inner_of(c));
    ki_here_set(here);
}

/* ---- canceling ---------------------------------------------------------------------------- */

struct told {
    kio_waker waker[BATCH]; /* tasks': valid for ever */
    unsigned count;
};

/* Under the lock: moves some to the list of those that know. */
static void tell_some(struct kio_scope *s, struct told *batch)
{
    batch->count = 0;
    while (s->fresh && !s->dropping && batch->count < BATCH) {
        struct child *c = s->fresh;

        unlink_child(c);
        link_to(&s->told, c);
        batch->waker[batch->count++] = ki_task_waker(c->task);
    }
}

static void cancel(struct kio_scope *s, int error)
{
    struct told batch;

    lock(s);
    if (!s->error)
        s->error = error;
    /* relaxed: the wake of each child orders it before the poll that reads it */
    ki_bare_store_relaxed(&s->canceled, 1);
    do {
        tell_some(s, &batch);
        unlock(s);
        for (unsigned i = 0; i < batch.count; i++)
            kio_waker_wake_by_ref(batch.waker[i]);
        lock(s);
    } while (batch.count);
    unlock(s);
}

void kio_scope_cancel(struct kio_scope *scope)
{
    if (scope->kio.type)
        cancel(scope, 0);
}

size_t kio_scope_len(struct kio_scope *scope)
{
    size_t count;

    lock(scope);
    count = scope->count;
    unlock(scope);
    return count;
}

/* ---- a child's task ------------------------------------------------------------------------ */

/* The inner future is gone. The scope is not touched after the unlock. */
static void leave(struct child *c, int error, bool cut)
{
    struct kio_scope *s = c->scope;
    struct ki_thread_waker *dropper = NULL;
    kio_waker joiner = { NULL };

    if (error)
        cancel(s, error);
    lock(s);
    unlink_child(c);
    ki_bare_store_relaxed(&s->count, s->count - 1); /* scope_describe looks without the lock */
    s->cut |= cut;
    if (!s->count) {
        joiner = s->joiner;
        s->joiner.to = NULL;
    }
    if (!s->told)
        dropper = s->dropper;
    unlock(s);
    kio_waker_wake(joiner);
    if (dropper) /* in memory that stays */
        kio_waker_wake_by_ref((kio_waker){ &dropper->wakeable });
}

static void cut_short(struct child *c)
{
    drop_inner(c);
    leave(c, 0, true);
}

static int error_of(const kio_future *f)
{
    return f->type->out_size ? ki_error_of(f) : 0;
}

/* This thread has the inner future. */
static kio_poll poll_inner(struct child *c, kio_context *cx)
{
    kio_future *inner = inner_of(c);
    kio_future *root = ki_here.root;
    uintptr_t mine = (uintptr_t)&ki_here;
    kio_poll answer;

    if (ki_bare_load_relaxed(&c->scope->canceled)) { /* relaxed: see cancel */
        cut_short(c);
        return KIO_READY;
    }
    ki_here_root(inner);
    answer = kio_poll_(inner, cx);
    ki_here_root(root);
    if (answer == KIO_READY) {
        int error = error_of(inner);

        if (inner->state == KIO_KEPT)
            drop_inner(c);
        leave(c, error, false);
        return KIO_READY;
    }
    /* release: pairs with the claim, and with the next poll. */
    if (ki_cas_strong_acq_rel(&c->word, &mine, IDLE))
        return KIO_PENDING;
    cut_short(c); /* WANTED */
    return KIO_READY;
}

static kio_poll child_poll(kio_future *f, kio_context *cx)
{
    struct child *c = (struct child *)f;
    uintptr_t word = IDLE;

    f->state = f;
    /* acquire: pairs with the last poll's end; with OVER */
    if (ki_cas_strong_acq_rel(&c->word, &word, (uintptr_t)&ki_here)) {
        if (poll_inner(c, cx) == KIO_PENDING)
            return KIO_PENDING;
        ki_store_relaxed(&c->word, OVER); /* for child_drop, on this thread */
    } else if (word == CLAIMED) {
        return KIO_PENDING; /* woken again when it is OVER */
    }
    kio_finish(f);
    return KIO_READY;
}

/* By its task's end, or by the runtime's shutdown: no other thread runs then. */
static void child_drop(kio_future *f)
{
    struct child *c = (struct child *)f;
    uintptr_t word = IDLE;

    if (ki_cas_strong_acq_rel(&c->word, &word, (uintptr_t)&ki_here)) { /* as child_poll */
        cut_short(c);
        ki_store_relaxed(&c->word, OVER);
    }
}

static void child_describe(const kio_future *f, char *text, size_t cap)
{
    snprintf(text, cap, "%s", ((const struct child *)f)->name);
}

static const kio_future_type child_type = {
    .name = "kio_scope_spawn",
    .size = sizeof(struct child),
    .poll = child_poll,
    .drop = child_drop,
    .describe = child_describe,
};

/* ---- the scope's future -------------------------------------------------------------------- */

static kio_poll join_poll(kio_future *f, kio_context *cx)
{
    struct kio_scope *s = (struct kio_scope *)f;
    kio_waker old;
    bool over;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    lock(s);
    over = !s->count;
    old = s->joiner;
    if (over)
        s->joiner.to = NULL;
    else if (!kio_waker_will_wake(old, cx->waker))
        s->joiner = kio_waker_clone(cx->waker);
    else
        old.to = NULL;
    unlock(s);
    kio_waker_drop(old);
    if (!over)
        return KIO_PENDING;
    kio_coop_did_(cx);
    s->out = s->error ? s->error : s->cut ? -ECANCELED : 0;
    kio_finish(f);
    return KIO_READY;
}

KIO_COLD static void own_child_fault(const struct child *c)
{
    ki_guard_fail(ki_guard_here(),
                  "let the function that owns the scope end on its own task: a child must not drop it",
                  "a scope is dropped by its child %s, which would wait for itself", c->name);
}

/* Under the lock. True: the child is this thread's to drop; false: it will leave by itself. */
static bool claim(struct child *c)
{
    uintptr_t word = IDLE;

    /* acquire: pairs with the end of the last poll */
    while (!ki_cas_strong_acq_rel(&c->word, &word, CLAIMED)) {
        if ((word & POLLER) == (uintptr_t)&ki_here)
            own_child_fault(c);
        /* acq_rel: pairs with the cas at the poll's end, which fails */
        if (ki_cas_strong_acq_rel(&c->word, &word, word | WANTED))
            return false;
        word = IDLE;
    }
    return true;
}

/* Called and returns with the lock. */
static void drop_claimed(struct kio_scope *s, struct child *c)
{
    kio_waker waker = ki_task_waker(c->task);

    unlink_child(c);
    s->count--;
    unlock(s);
    drop_inner(c);
    ki_store_release(&c->word, OVER); /* pairs with child_poll; c is not touched after it */
    kio_waker_wake_by_ref(waker);
    lock(s);
}

/* Called and returns with the lock: afterwards `told` has those that are being polled. */
static void claim_all(struct kio_scope *s)
{
    while (s->fresh) {
        struct child *c = s->fresh;

        if (claim(c)) {
            drop_claimed(s, c);
        } else {
            unlink_child(c);
            link_to(&s->told, c);
        }
    }
}

/* Called and returns with the lock. */
static void wait_for_polls(struct kio_scope *s)
{
    struct ki_thread_waker *w = ki_thread_waker_get();

    s->dropper = w;
    while (s->told) {
        uint32_t seen = ki_thread_waker_count(w);

        unlock(s);
        ki_thread_waker_sleep(w, seen, -1);
        lock(s);
        claim_all(s); /* what they have spawned meanwhile */
    }
    s->dropper = NULL;
    ki_thread_waker_put(w);
}

static void scope_drop(kio_future *f)
{
    struct kio_scope *s = (struct kio_scope *)f;

    lock(s);
    s->dropping = true;
    ki_bare_store_relaxed(&s->canceled, 1);
    while (s->told) { /* by a cancel: claimed or waited for as the others */
        struct child *c = s->told;

        unlink_child(c);
        link_to(&s->fresh, c);
    }
    claim_all(s);
    if (s->told)
        wait_for_polls(s);
    unlock(s);
    kio_waker_drop(s->joiner);
    s->joiner.to = NULL;
}

static void scope_describe(const kio_future *f, char *text, size_t cap)
{
    /* relaxed: a text for people */
    snprintf(text, cap, "%zu children", ki_bare_load_relaxed(&((const struct kio_scope *)f)->count));
}

static const kio_future_type scope_type = {
    .name = "kio_scope",
    .size = sizeof(struct kio_scope),
    .poll = join_poll,
    .drop = scope_drop,
    .out_offset = offsetof(struct kio_scope, out),
    .out_size = sizeof(int),
    .describe = scope_describe,
};

/* By its owner it becomes the newest child: what was there before is dropped after it. Others only
 * look whether it ever was opened: its state is the owner's, who may be polling or dropping it. */
static void open_scope(struct kio_scope *s, kio_future *owner)
{
    if (owner && kio_is_within_(owner, &s->kio)) {
        if (!kio_is_live(s))
            *s = (struct kio_scope){ .kio = { .type = &scope_type } };
        kio_adopt_(owner, &s->kio);
    } else if (!s->kio.type) {
        ki_guard_fail(ki_guard_here(),
                      "make it a field of `self`, and spawn or join first in the function it belongs to",
                      "a kio_scope that no async function owns is used");
    }
}

struct kio_scope *kio_scope_join_(struct kio_scope *scope, kio_future *owner)
{
    open_scope(scope, owner);
    return scope;
}

/* ---- spawning ------------------------------------------------------------------------------ */

/* The drop takes place on the thread that polls the owner: it must be one of the runtime's. */
static void check_thread(struct ki_task *task)
{
    struct ki_sched *sched = ki_chunk_of(task)->sched;

    if (sched->flavor == KIO_CURRENT_THREAD && !ki_thread_runs(sched))
        ki_guard_fail(ki_guard_here(), "spawn into a scope where its owner's runtime is the current one",
                      "kio_scope_spawn onto another runtime, whose tasks stay on its own thread");
}

struct kio_nursery_ kio_scope_alloc_(struct kio_scope *scope, const kio_future_type *type,
                                     kio_future *owner)
{
    struct kio_nursery_ made;
    struct child *c;

    if (!ki_here.root)
        ki_guard_fail(ki_guard_here(), "call it in an async function that a runtime runs",
                      "kio_scope_spawn outside a task");
    open_scope(scope, owner);
    if (ki_bare_load_relaxed(&scope->canceled)) /* relaxed: a child that comes too late is dropped */
        return (struct kio_nursery_){ .error = -ECANCELED };
    made = kio_task_alloc_(NULL, &(kio_future_type){ .size = SHELL + type->size });
    if (!made.frame)
        return made;
    check_thread(made.task);
    c = made.frame;
    *c = (struct child){
        .kio = { .type = &child_type },
        .scope = scope,
        .task = made.task,
        .name = type->name,
    };
    made.frame = inner_of(c);
    return made;
}

int kio_scope_start_(struct kio_scope *scope, struct kio_nursery_ *made)
{
    if (!made->task)
        return made->error;
    lock(scope);
    link_to(&scope->fresh, (struct child *)ki_task_future(made->task));
    ki_bare_store_relaxed(&scope->count, scope->count + 1); /* as in leave */
    unlock(scope);
    return kio_task_start_(NULL, made, NULL, NULL);
}
