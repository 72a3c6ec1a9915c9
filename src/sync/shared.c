/*
 * Shared: a block on the heap with the future in it, polled by those who wait, one at a time.
 *
 * Layout: | waker | refs | lock: handles, polling, woke, done, line | the future |
 * Access: what follows the lock under it; the future by whoever set `polling`, and, once `done`, its
 * result by all.
 * Life: `handles` counts handles and waits: at 0 the future is dropped. `refs` counts the handles
 * (one for all of them) and the clones of the waker: at 0 the memory goes. A leaf of the future may
 * keep a waker, so the two are not one: it would hold itself.
 *
 * A wait's poll joins the line, then polls the future if it was woken since it was polled last (as
 * every future is at first) and nobody polls it now. A wake of the future wakes the whole line, not
 * one of it: that one might be a branch that nobody polls any more, and hold up all others.
 *
 * The race: B is woken and finds A polling the future: B goes into the line and sleeps. If that wake
 * was meant for a poll after A's, somebody must poll again: the waker sets `woke` before it looks at
 * the line, and A, when its poll is over, wakes the line if `woke` is set. Both under the lock, so B
 * was in the line either before the waker looked or before A did.
 */
#include "waiters.h"
#include "../base/list.h"
#include "../base/mem.h"
#include "../future/guard.h"

#include <kioto/shared.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct kio_shared_ {
    struct kio_wakeable wakeable;
    ki_atomic(size_t) refs;
    struct kio_lock_ lock;
    size_t handles;
    bool polling, woke, done;
    struct ki_waiters line;
    kio_future future[] __attribute__((aligned(16))); /* the first part of its struct */
};

static struct kio_shared_ *checked(struct kio_shared_ *s, const char *call)
{
    if (kio_unlikely_(!s))
        ki_guard_fail(ki_guard_here(), "kio_share first, and use a handle only until it is dropped",
                      "%s got an empty handle", call);
    return s;
}

/* ---- its waker, and its memory ------------------------------------------------------------ */

static struct kio_shared_ *shared_of(struct kio_wakeable *self)
{
    return ki_container(self, struct kio_shared_, wakeable);
}

static void wake(struct kio_wakeable *self)
{
    struct kio_shared_ *s = shared_of(self);

    ki_sync_lock(&s->lock);
    s->woke = true;
    ki_waiters_wake_all(&s->line, &s->lock);
    ki_sync_unlock(&s->lock);
}

static void ref(struct kio_wakeable *self)
{
    ki_fetch_add_relaxed(&shared_of(self)->refs, 1); /* relaxed: from one that lives */
}

static void unref(struct kio_wakeable *self)
{
    struct kio_shared_ *s = shared_of(self);

    /* acq_rel: who frees comes after everybody's last use */
    if (ki_fetch_sub_acq_rel(&s->refs, 1) == 1)
        ki_mem_free(s);
}

static const kio_waker_type waker_type = {
    .name = "shared future",
    .wake = wake,
    .clone = ref,
    .drop = unref,
};

void *kio_share_alloc_(size_t size)
{
    struct kio_shared_ *s = ki_mem_alloc(sizeof *s + size);

    return s ? s->future : NULL;
}

int kio_share_(struct kio_shared *handle, kio_future *future)
{
    struct kio_shared_ *s;

    handle->state = NULL;
    if (!future)
        return -ENOMEM;
    s = (struct kio_shared_ *)((char *)future - offsetof(struct kio_shared_, future));
    memset(s, 0, offsetof(struct kio_shared_, future));
    s->wakeable.type = &waker_type;
    ki_store_relaxed(&s->refs, 1); /* relaxed: nobody else knows it yet */
    s->handles = 1;
    s->woke = true;
    handle->state = s;
    return 0;
}

/* ---- handles ------------------------------------------------------------------------------ */

static struct kio_shared_ *add_handle(struct kio_shared_ *s)
{
    ki_sync_lock(&s->lock);
    s->handles++;
    ki_sync_unlock(&s->lock);
    return s;
}

static void drop_handle(struct kio_shared_ *s)
{
    bool last;

    ki_sync_lock(&s->lock);
    last = --s->handles == 0;
    ki_sync_unlock(&s->lock);
    if (!last)
        return;
    kio_drop_(s->future); /* nobody polls it: who does has a handle */
    unref(&s->wakeable);
}

struct kio_shared kio_shared_clone(const struct kio_shared *handle)
{
    return (struct kio_shared){ add_handle(checked(handle->state, "kio_shared_clone")) };
}

void kio_shared_drop(struct kio_shared *handle)
{
    struct kio_shared_ *s = handle->state;

    handle->state = NULL;
    if (s)
        drop_handle(s);
}

bool kio_shared_is_done(const struct kio_shared *handle)
{
    struct kio_shared_ *s = checked(handle->state, "kio_shared_is_done");
    bool done;

    ki_sync_lock(&s->lock);
    done = s->done;
    ki_sync_unlock(&s->lock);
    return done;
}

const void *kio_shared_output_(const struct kio_shared *handle, size_t size)
{
    const kio_future *f = checked(handle->state, "kio_shared_output")->future;

    if (!kio_shared_is_done(handle))
        ki_guard_fail(ki_guard_here(), "await kio_shared_wait first",
                      "kio_shared_output of %s, which has not ended", f->type->name);
    if (f->type->out_size != size)
        ki_guard_fail(ki_guard_here(), "name the type that stands in the function's async_fn(...)",
                      "kio_shared_output of %s, whose result has %u bytes, as a type of %zu",
                      f->type->name, (unsigned)f->type->out_size, size);
    return (const char *)f + f->type->out_offset;
}

/* ---- wait --------------------------------------------------------------------------------- */

/* What a wait has to do; POLL: it has set `polling`. */
enum turn { TURN_DONE, TURN_SLEEP, TURN_POLL };

static enum turn take_turn(struct kio_shared_wait *self, kio_waker waker)
{
    struct kio_shared_ *s = self->state;
    enum turn turn = TURN_SLEEP;
    kio_waker old = { NULL };

    ki_sync_lock(&s->lock);
    if (s->done) {
        turn = TURN_DONE;
    } else {
        old = ki_waiter_set(&self->waiter, waker);
        if (!self->waiter.prev)
            ki_waiters_push(&s->line, &self->waiter);
        if (s->woke && !s->polling) {
            s->woke = false;
            s->polling = true;
            turn = TURN_POLL;
        }
    }
    ki_sync_unlock(&s->lock);
    kio_waker_drop(old);
    return turn;
}

static void leave_line(struct kio_shared_wait *self)
{
    struct kio_shared_ *s = self->state;
    kio_waker old;

    ki_sync_lock(&s->lock);
    if (self->waiter.prev)
        ki_waiters_remove(&s->line, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    ki_sync_unlock(&s->lock);
    kio_waker_drop(old);
}

/* With the future's own waker, so that a wake reaches all, and this task's budget. */
static enum turn poll_future(struct kio_shared_wait *self, kio_context *cx)
{
    struct kio_shared_ *s = self->state;
    kio_context own = { .waker = { &s->wakeable }, .run = cx->run };
    bool done = kio_poll_(s->future, &own) == KIO_READY;

    ki_sync_lock(&s->lock);
    s->polling = false;
    s->done = done;
    if (done && self->waiter.prev) /* it need not be woken for what it sees itself */
        ki_waiters_remove(&s->line, &self->waiter);
    if (done || s->woke) /* see the race above */
        ki_waiters_wake_all(&s->line, &s->lock);
    ki_sync_unlock(&s->lock);
    return done ? TURN_DONE : TURN_SLEEP;
}

static kio_poll wait_poll(kio_future *f, kio_context *cx)
{
    struct kio_shared_wait *self = (struct kio_shared_wait *)f;
    enum turn turn;

    f->state = f;
    turn = take_turn(self, cx->waker);
    if (turn == TURN_POLL)
        turn = poll_future(self, cx);
    if (turn == TURN_SLEEP)
        return KIO_PENDING;
    self->out = 0;
    kio_finish(f);
    return KIO_READY;
}

static void wait_drop(kio_future *f)
{
    struct kio_shared_wait *self = (struct kio_shared_wait *)f;

    if (f->state)
        leave_line(self);
    drop_handle(self->state);
}

/* The future inside may be polled by another task at this moment: it is not shown. */
static void wait_waits(const kio_future *f, struct kio_waits *to)
{
    const struct kio_shared_wait *self = (const struct kio_shared_wait *)f;
    struct kio_shared_ *s = self->state;

    to->what = "shared future";
    to->at = s;
    ki_sync_lock(&s->lock);
    snprintf(to->text, sizeof to->text, "%s", s->future->type->name);
    ki_waiters_place(&s->line, &self->waiter, to);
    to->place = 0; /* all are woken together: nobody stands before another */
    ki_sync_unlock(&s->lock);
}

static const kio_future_type wait_type = {
    .name = "kio_shared_wait",
    .waits = wait_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_shared_wait),
    .poll = wait_poll,
    .drop = wait_drop,
    .out_offset = offsetof(struct kio_shared_wait, out),
    .out_size = sizeof(int),
};

struct kio_shared_wait *kio_shared_wait(struct kio_shared_wait *slot, const struct kio_shared *handle)
{
    struct kio_shared_ *s = add_handle(checked(handle->state, "kio_shared_wait"));

    kio_vacate_(&slot->kio);
    *slot = (struct kio_shared_wait){ .kio = { .type = &wait_type }, .state = s };
    return slot;
}
