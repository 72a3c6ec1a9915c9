/* Once: EMPTY, BUSY (one initialises), DONE. Who gives up while BUSY hands the turn to the next. */
#include "waiters.h"
#include "../base/list.h"
#include "../future/guard.h"

#include <errno.h>
#include <stdio.h>

enum { EMPTY, BUSY, DONE };

/* Under the lock: the turn goes to the first in line, or nobody has it. */
static kio_waker give_up_locked(struct kio_once_cell *o)
{
    struct kio_once_init *next;

    if (!o->line.first) {
        o->state = EMPTY;
        return (kio_waker){ NULL };
    }
    next = ki_container(o->line.first, struct kio_once_init, waiter);
    next->granted = true;
    o->holder = next->task;
    return ki_waiters_pop(&o->line);
}

static kio_poll once_poll(kio_future *f, kio_context *cx)
{
    struct kio_once_init *self = (struct kio_once_init *)f;
    struct kio_once_cell *o = self->of;
    kio_waker old = { NULL };
    bool done;
    bool granted;

    f->state = f;
    ki_sync_lock(&o->lock);
    done = o->state == DONE;
    self->task = ki_task_of_poll(cx);
    if (o->state == EMPTY) {
        o->state = BUSY;
        o->holder = self->task;
        self->granted = true;
    }
    if (!done && !self->granted) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiting)
            ki_waiters_push(&o->line, &self->waiter);
        self->waiting = true;
    }
    granted = self->granted;
    ki_sync_unlock(&o->lock);
    kio_waker_drop(old);
    if (done) {
        self->out = 0;
        kio_finish(f);
        return KIO_READY;
    }
    if (!granted)
        return KIO_PENDING;
    self->out = 1;
    kio_finish_keep(f); /* until kio_once_done, or given up */
    return KIO_READY;
}

static void once_drop(kio_future *f)
{
    struct kio_once_init *self = (struct kio_once_init *)f;
    struct kio_once_cell *o = self->of;
    kio_waker wake = { NULL };
    kio_waker old;

    if (!self->waiting && !self->granted) /* in this order: others grant while it waits */
        return;
    ki_sync_lock(&o->lock);
    if (self->granted && o->state == BUSY)
        wake = give_up_locked(o);
    else if (self->waiter.prev)
        ki_waiters_remove(&o->line, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    ki_sync_unlock(&o->lock);
    self->granted = self->waiting = false;
    kio_waker_drop(old);
    kio_waker_wake(wake);
}

static void once_waits(const kio_future *f, struct kio_waits *to)
{
    const struct kio_once_init *self = (const struct kio_once_init *)f;
    struct kio_once_cell *o = self->of;

    to->what = "once";
    to->at = o;
    ki_sync_lock(&o->lock);
    to->has = self->granted && o->state == BUSY;
    if (o->state == BUSY)
        to->holder = o->holder;
    ki_waiters_place(&o->line, &self->waiter, to);
    ki_sync_unlock(&o->lock);
}

static const kio_future_type once_type = {
    .name = "kio_once_init",
    .waits = once_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_once_init),
    .poll = once_poll,
    .drop = once_drop,
    .out_offset = offsetof(struct kio_once_init, out),
    .out_size = sizeof(int),
};

struct kio_once_init *kio_once_init(struct kio_once_init *slot, struct kio_once_cell *once)
{
    kio_guard_borrow_(once, "kio_once_init", "once");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_once_init){ .kio = { .type = &once_type }, .of = once };
    return slot;
}

int kio_try_once_init_(struct kio_once_init *slot, struct kio_once_cell *once, kio_future *scope)
{
    int now;

    kio_once_init(slot, once);
    ki_sync_lock(&once->lock);
    now = once->state;
    if (now == EMPTY) {
        once->state = BUSY;
        once->holder = ki_here.root; /* no context here: the task by its frame */
    }
    ki_sync_unlock(&once->lock);
    if (now != EMPTY) {
        kio_drop(slot);
        return now == DONE ? 0 : -EBUSY;
    }
    slot->granted = true;
    slot->out = 1;
    kio_finish_keep(&slot->kio);
    if (scope && kio_is_within_(scope, &slot->kio))
        kio_adopt_(scope, &slot->kio);
    return 1;
}

void kio_once_done(struct kio_once_init *guard)
{
    struct kio_once_cell *o = guard->of;

    if (!guard->kio.type || !guard->granted)
        ki_guard_fail(ki_guard_here(), "call it once, by who got 1 from kio_once_init",
                      "kio_once_done by one that does not initialise");
    ki_sync_lock(&o->lock);
    o->state = DONE;
    ki_waiters_wake_all(&o->line, &o->lock);
    ki_sync_unlock(&o->lock);
    guard->granted = false;
    kio_drop(guard);
}

bool kio_once_is_done(struct kio_once_cell *o)
{
    bool done;

    ki_sync_lock(&o->lock);
    done = o->state == DONE;
    ki_sync_unlock(&o->lock);
    return done;
}
