/* Barrier: those that wait go on together; a count of rounds tells a woken one that its is over. */
#include "waiters.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <stdio.h>

/* Under the lock. */
static bool arrive_locked(struct kio_barrier_wait *self)
{
    struct kio_barrier *b = self->of;

    self->round = b->rounds;
    self->waiting = true;
    if (++b->arrived < b->count)
        return false;
    b->arrived = 0;
    b->rounds++;
    self->out = 1;
    return true;
}

static kio_poll wait_poll(kio_future *f, kio_context *cx)
{
    struct kio_barrier_wait *self = (struct kio_barrier_wait *)f;
    struct kio_barrier *b = self->of;
    kio_waker old = { NULL };
    bool over;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    ki_sync_lock(&b->lock);
    if (!self->waiting && arrive_locked(self))
        ki_waiters_wake_all(&b->line, &b->lock);
    over = self->round != b->rounds;
    if (!over) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&b->line, &self->waiter);
    } else {
        if (self->waiter.prev)
            ki_waiters_remove(&b->line, &self->waiter);
        old = ki_waker_take(&self->waiter.waker);
        self->waiting = false;
    }
    ki_sync_unlock(&b->lock);
    kio_waker_drop(old);
    if (!over)
        return KIO_PENDING;
    kio_coop_did_(cx);
    return ki_ready_now(f);
}

static void wait_drop(kio_future *f)
{
    struct kio_barrier_wait *self = (struct kio_barrier_wait *)f;
    struct kio_barrier *b = self->of;
    kio_waker old;

    if (!self->waiting)
        return;
    ki_sync_lock(&b->lock);
    if (self->round == b->rounds)
        b->arrived--; /* it has not arrived after all */
    if (self->waiter.prev)
        ki_waiters_remove(&b->line, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    ki_sync_unlock(&b->lock);
    self->waiting = false;
    kio_waker_drop(old);
}

static void barrier_waits(const kio_future *f, struct kio_waits *to)
{
    struct kio_barrier *b = ((const struct kio_barrier_wait *)f)->of;

    to->what = "barrier";
    to->at = b;
    ki_sync_lock(&b->lock);
    snprintf(to->text, sizeof to->text, "%zu of %zu have come", b->arrived, b->count);
    ki_sync_unlock(&b->lock);
}

static const kio_future_type wait_type = {
    .name = "kio_barrier_wait",
    .waits = barrier_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_barrier_wait),
    .poll = wait_poll,
    .drop = wait_drop,
    .out_offset = offsetof(struct kio_barrier_wait, out),
    .out_size = sizeof(int),
};

struct kio_barrier_wait *kio_barrier_wait(struct kio_barrier_wait *slot, struct kio_barrier *barrier)
{
    kio_guard_borrow_(barrier, "kio_barrier_wait", "barrier");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_barrier_wait){ .kio = { .type = &wait_type }, .of = barrier };
    return slot;
}
