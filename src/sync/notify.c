/*
 * Notify: a line, at most one permit, and a count of rounds for notify_waiters: a future compares
 * the count with the one at its birth, so it need not be polled to be among those that are woken.
 *
 * A future is a place in the line and no more, because there are many of them:
 *   kio.state     the notify; odd until it was polled or enabled; in the line also the last two bits
 *                 of the round in which it came there: kio_notify_waiters() lets go of the lock between
 *                 those it wakes, and who is polled in such a moment has been called; or over
 *   waiter.prev   NULL: not in the line; then waiter.next says why, under the lock:
 *                 odd: it was not in it yet; the round of its birth, doubled, and 1
 *                 GRANTED, GRANTED_LAST: chosen by notify_one, notify_last
 *                 CALLED: woken by notify_waiters, as ki_waiters_remove leaves it
 */
#include "waiters.h"
#include "../base/list.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <stdio.h>

#define CALLED       ((uintptr_t)0)
#define GRANTED      ((uintptr_t)2)
#define GRANTED_LAST ((uintptr_t)4)

static struct kio_notify *notify_of(const kio_future *f)
{
    return (struct kio_notify *)((uintptr_t)f->state & ~(uintptr_t)7);
}

_Static_assert(_Alignof(struct kio_notify) >= 8, "three bits of its address are free");

static uintptr_t round_bits(const struct kio_notify *n)
{
    return ((uintptr_t)n->rounds & 3) << 1;
}

static uintptr_t born_in(const struct kio_notify *n)
{
    return (uintptr_t)n->rounds * 2 + 1;
}

static uintptr_t why_out(const struct kio_notified *self)
{
    return (uintptr_t)self->waiter.next;
}

static bool is_granted(const struct kio_notified *self)
{
    return !self->waiter.prev && (why_out(self) == GRANTED || why_out(self) == GRANTED_LAST);
}

/* Under the lock: one notification, to the first or the last in line, or kept. */
static kio_waker give_locked(struct kio_notify *n, bool last)
{
    struct kio_waiter_ *w;

    if (!n->line.first) {
        n->permit = true;
        return (kio_waker){ NULL };
    }
    w = last ? ki_container(n->line.tail, struct kio_waiter_, next) : n->line.first;
    ki_waiters_remove(&n->line, w);
    w->next = (struct kio_waiter_ *)(last ? GRANTED_LAST : GRANTED);
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
static bool look_locked(struct kio_notify *n, struct kio_notified *self)
{
    if (self->waiter.prev) {
        if (((uintptr_t)self->kio.state & 6) == round_bits(n))
            return false;
        ki_waiters_remove(&n->line, &self->waiter);
        self->waiter.next = (struct kio_waiter_ *)CALLED;
        return true;
    }
    if (why_out(self) != born_in(n))
        return true; /* granted, called, or born before a call */
    if (n->permit) {
        n->permit = false;
        self->waiter.next = (struct kio_waiter_ *)GRANTED;
        return true;
    }
    ki_waiters_push(&n->line, &self->waiter);
    self->kio.state = (char *)n + round_bits(n);
    return false;
}

/* From now on it has something to give back. */
static void begin(struct kio_notified *self)
{
    self->kio.state = (void *)((uintptr_t)self->kio.state & ~(uintptr_t)1);
}

bool kio_notified_enable(struct kio_notified *self)
{
    struct kio_notify *n = notify_of(&self->kio);
    bool notified;

    if (kio_is_over_(&self->kio))
        return true;
    begin(self);
    ki_sync_lock(&n->lock);
    notified = look_locked(n, self);
    ki_sync_unlock(&n->lock);
    return notified;
}

static kio_poll notified_poll(kio_future *f, kio_context *cx)
{
    struct kio_notified *self = (struct kio_notified *)f;
    struct kio_notify *n = notify_of(f);
    kio_waker old = { NULL };
    bool notified;

    begin(self);
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    ki_sync_lock(&n->lock);
    notified = look_locked(n, self);
    if (notified)
        old = ki_waker_take(&self->waiter.waker);
    else
        old = ki_waiter_set(&self->waiter, cx->waker);
    ki_sync_unlock(&n->lock);
    kio_waker_drop(old);
    if (!notified)
        return KIO_PENDING;
    kio_coop_did_(cx);
    return ki_ready_now(f);
}

static void notified_drop(kio_future *f)
{
    struct kio_notified *self = (struct kio_notified *)f;
    struct kio_notify *n = notify_of(f);
    kio_waker wake = { NULL };
    kio_waker old;

    if (kio_is_fresh_(f))
        return;
    ki_sync_lock(&n->lock);
    if (self->waiter.prev)
        ki_waiters_remove(&n->line, &self->waiter);
    else if (is_granted(self)) /* chosen, and never looked: the next one's */
        wake = give_locked(n, why_out(self) == GRANTED_LAST);
    old = ki_waker_take(&self->waiter.waker);
    ki_sync_unlock(&n->lock);
    kio_waker_drop(old);
    kio_waker_wake(wake);
}

static void notified_waits(const kio_future *f, struct kio_waits *to)
{
    const struct kio_notified *self = (const struct kio_notified *)f;
    struct kio_notify *n = notify_of(f);

    to->what = "notify";
    to->at = n;
    ki_sync_lock(&n->lock);
    to->has = is_granted(self);
    ki_waiters_place(&n->line, &self->waiter, to);
    ki_sync_unlock(&n->lock);
}

static const kio_future_type notified_type = {
    .name = "kio_notified",
    .waits = notified_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_notified),
    .poll = notified_poll,
    .drop = notified_drop,
};

struct kio_notified *kio_notified(struct kio_notified *slot, struct kio_notify *notify)
{
    uintptr_t born;

    kio_guard_borrow_(notify, "kio_notified", "notify");
    kio_vacate_(&slot->kio);
    ki_sync_lock(&notify->lock);
    born = born_in(notify);
    ki_sync_unlock(&notify->lock);
    *slot = (struct kio_notified){
        .kio = { .type = &notified_type, .state = (const char *)notify + 1 },
    };
    slot->waiter.next = (struct kio_waiter_ *)born;
    return slot;
}
