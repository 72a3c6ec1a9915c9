/*
 * Notify: a line, at most one permit, and a count of rounds for notify_waiters: a future compares
 * the count with the one at its birth, so it need not be polled to be among those that are woken.
 */
#include "waiters.h"
#include "../base/list.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <stdio.h>

/* Under the lock: one notification, to the first or the last in line, or kept. */
static kio_waker give_locked(struct kio_notify *n, bool last)
{
    struct kio_notified *to;
    struct kio_waiter_ *w;

    if (!n->line.first) {
        n->permit = true;
        return (kio_waker){ NULL };
    }
    w = last ? ki_container(n->line.tail, struct kio_waiter_, next) : n->line.first;
    to = ki_container(w, struct kio_notified, waiter);
    to->granted = true;
    to->last = last;
    ki_waiters_remove(&n->line, w);
    return ki_waker_take(&w->waker);
}

static void give(struct kio_notify *n, bool last)
{
    kio_waker waker;

    ki_sync_lock(&n->lock);
    waker = give_locked(n, last);
    ki_sync_unlock(&n->lock);
    kio_waker_wake(waker);
}

void kio_notify_one(struct kio_notify *n)
{
    give(n, false);
}

void kio_notify_last(struct kio_notify *n)
{
    give(n, true);
}

void kio_notify_waiters(struct kio_notify *n)
{
    ki_sync_lock(&n->lock);
    n->rounds++;
    ki_waiters_wake_all(&n->line, &n->lock);
    ki_sync_unlock(&n->lock);
}

/* Under the lock: is it notified? It takes the permit, or its place in the line. */
static bool look_locked(struct kio_notified *self)
{
    struct kio_notify *n = self->of;

    if (self->granted || self->round != n->rounds)
        return true;
    if (!self->waiting && n->permit) {
        n->permit = false;
        self->granted = true;
        return true;
    }
    if (!self->waiting)
        ki_waiters_push(&n->line, &self->waiter);
    self->waiting = true;
    return false;
}

bool kio_notified_enable(struct kio_notified *self)
{
    bool notified;

    if (kio_is_over_(&self->kio))
        return true;
    ki_sync_lock(&self->of->lock);
    notified = look_locked(self);
    ki_sync_unlock(&self->of->lock);
    if (!self->kio.state)
        self->kio.state = self; /* from now on it has something to give back */
    return notified;
}

static kio_poll notified_poll(kio_future *f, kio_context *cx)
{
    struct kio_notified *self = (struct kio_notified *)f;
    kio_waker old = { NULL };
    bool notified;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    ki_sync_lock(&self->of->lock);
    notified = look_locked(self);
    if (!notified) {
        old = ki_waiter_set(&self->waiter, cx->waker);
    } else {
        if (self->waiter.prev)
            ki_waiters_remove(&self->of->line, &self->waiter);
        old = ki_waker_take(&self->waiter.waker);
        self->waiting = self->granted = false; /* it has been seen */
    }
    ki_sync_unlock(&self->of->lock);
    kio_waker_drop(old);
    if (!notified)
        return KIO_PENDING;
    kio_coop_did_(cx);
    return ki_ready_now(f);
}

static void notified_drop(kio_future *f)
{
    struct kio_notified *self = (struct kio_notified *)f;
    struct kio_notify *n = self->of;
    kio_waker wake = { NULL };
    kio_waker old;

    if (!self->waiting && !self->granted)
        return;
    ki_sync_lock(&n->lock);
    if (self->waiter.prev)
        ki_waiters_remove(&n->line, &self->waiter);
    else if (self->granted)
        wake = give_locked(n, self->last); /* chosen, and never looked: the next one's */
    old = ki_waker_take(&self->waiter.waker);
    ki_sync_unlock(&n->lock);
    self->waiting = self->granted = false;
    kio_waker_drop(old);
    kio_waker_wake(wake);
}

static void notified_waits(const kio_future *f, struct kio_waits *to)
{
    struct kio_notify *n = ((const struct kio_notified *)f)->of;

    to->what = "notify";
    to->at = n;
    ki_sync_lock(&n->lock);
    to->has = ((const struct kio_notified *)f)->granted;
    ki_waiters_place(&n->line, &((const struct kio_notified *)f)->waiter, to);
    ki_sync_unlock(&n->lock);
}

static const kio_future_type notified_type = {
    .name = "kio_notified",
    .waits = notified_waits,
    .size = sizeof(struct kio_notified),
    .poll = notified_poll,
    .drop = notified_drop,
};

struct kio_notified *kio_notified(struct kio_notified *slot, struct kio_notify *notify)
{
    uint64_t round;

    kio_guard_borrow_(notify, "kio_notified", "notify");
    kio_vacate_(&slot->kio);
    ki_sync_lock(&notify->lock);
    round = notify->rounds;
    ki_sync_unlock(&notify->lock);
    *slot = (struct kio_notified){
        .kio = { .type = &notified_type },
        .of = notify,
        .round = round,
    };
    return slot;
}
