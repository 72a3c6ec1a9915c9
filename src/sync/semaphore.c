/*
 * Semaphore. Permits that come back go to the first in line when they suffice for its whole request;
 * those behind it wait, so nobody overtakes. Invariant: somebody waits => permits < its need.
 */
#include "waiters.h"
#include "../base/list.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <stdio.h>

/* Grants what can be granted; called and returns with the lock. */
static void grant(struct kio_semaphore *s)
{
    while (s->line.first) {
        struct kio_acquire *a = ki_container(s->line.first, struct kio_acquire, waiter);
        kio_waker waker;

        if (a->need > s->permits)
            return;
        s->permits -= a->need;
        a->granted = true;
        waker = ki_waiters_pop(&s->line);
        ki_sync_unlock(&s->lock);
        kio_waker_wake(waker);
        ki_sync_lock(&s->lock);
    }
}

int kio_try_acquire(struct kio_semaphore *s, size_t count)
{
    int err = 0;

    ki_sync_lock(&s->lock);
    if (s->closed)
        err = -EPIPE;
    else if (s->line.first || s->permits < count)
        err = -EAGAIN;
    else
        s->permits -= count;
    ki_sync_unlock(&s->lock);
    return err;
}

static KIO_COLD void too_many(const char *call)
{
    ki_guard_fail(ki_guard_here(), "release what was acquired, once",
                  "%s: a semaphore has at most KIO_SEMAPHORE_MAX permits", call);
}

void kio_semaphore_init(struct kio_semaphore *s, size_t permits)
{
    if (permits > KIO_SEMAPHORE_MAX)
        too_many("kio_semaphore_init");
    *s = (struct kio_semaphore){ .permits = permits };
}

void kio_release(struct kio_semaphore *s, size_t count)
{
    ki_sync_lock(&s->lock);
    if (kio_unlikely_(count > KIO_SEMAPHORE_MAX - s->permits)) {
        ki_sync_unlock(&s->lock); /* who handles the abort may use it */
        too_many("kio_release");
    }
    s->permits += count;
    grant(s);
    ki_sync_unlock(&s->lock);
}

size_t kio_semaphore_forget(struct kio_semaphore *s, size_t count)
{
    ki_sync_lock(&s->lock);
    if (count > s->permits)
        count = s->permits;
    s->permits -= count;
    ki_sync_unlock(&s->lock);
    return count;
}

bool kio_semaphore_is_closed(struct kio_semaphore *s)
{
    bool closed;

    ki_sync_lock(&s->lock);
    closed = s->closed;
    ki_sync_unlock(&s->lock);
    return closed;
}

void kio_semaphore_close(struct kio_semaphore *s)
{
    ki_sync_lock(&s->lock);
    s->closed = true;
    ki_waiters_wake_all(&s->line, &s->lock);
    ki_sync_unlock(&s->lock);
}

size_t kio_semaphore_available(struct kio_semaphore *s)
{
    size_t permits;

    ki_sync_lock(&s->lock);
    permits = s->permits;
    ki_sync_unlock(&s->lock);
    return permits;
}

/* 0, -EPIPE, or -EAGAIN: it waits. */
static int acquire_step(struct kio_acquire *self, kio_context *cx)
{
    struct kio_semaphore *s = self->of;
    kio_waker old = { NULL };
    int err = -EAGAIN;

    ki_sync_lock(&s->lock);
    if (self->granted) {
        err = 0;
    } else if (s->closed) {
        err = -EPIPE;
    } else if (!self->waiting && !s->line.first && s->permits >= self->need) {
        s->permits -= self->need;
        err = 0;
    } else {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiting)
            ki_waiters_push(&s->line, &self->waiter);
        self->waiting = true;
    }
    if (err != -EAGAIN && self->waiting) {
        if (self->waiter.prev) /* closed, and who wakes all has not come to it */
            ki_waiters_remove(&s->line, &self->waiter);
        old = ki_waker_take(&self->waiter.waker);
        self->waiting = false;
    }
    ki_sync_unlock(&s->lock);
    kio_waker_drop(old);
    return err;
}

static kio_poll acquire_poll(kio_future *f, kio_context *cx)
{
    struct kio_acquire *self = (struct kio_acquire *)f;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    self->out = acquire_step(self, cx);
    if (self->out == -EAGAIN)
        return KIO_PENDING;
    kio_coop_did_(cx);
    return ki_ready_now(f);
}

static void acquire_drop(kio_future *f)
{
    struct kio_acquire *self = (struct kio_acquire *)f;
    struct kio_semaphore *s = self->of;
    kio_waker old;

    if (!self->waiting)
        return;
    ki_sync_lock(&s->lock);
    if (self->granted)
        s->permits += self->need;
    else if (self->waiter.prev)
        ki_waiters_remove(&s->line, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    grant(s); /* what it held up goes on */
    ki_sync_unlock(&s->lock);
    kio_waker_drop(old);
}

/* Permits belong to nobody: anybody may give them back. So there is no holder to name. */
static void acquire_waits(const kio_future *f, struct kio_waits *to)
{
    const struct kio_acquire *self = (const struct kio_acquire *)f;
    struct kio_semaphore *s = self->of;

    to->what = "semaphore";
    to->at = s;
    ki_sync_lock(&s->lock);
    to->has = to->shares = self->granted;
    snprintf(to->text, sizeof to->text, "%zu wanted, %zu free", self->need, s->permits);
    ki_waiters_place(&s->line, &self->waiter, to);
    ki_sync_unlock(&s->lock);
}

static const kio_future_type acquire_type = {
    .name = "kio_acquire",
    .waits = acquire_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_acquire),
    .poll = acquire_poll,
    .drop = acquire_drop,
    .out_offset = offsetof(struct kio_acquire, out),
    .out_size = sizeof(int),
};

struct kio_acquire *kio_acquire(struct kio_acquire *slot, struct kio_semaphore *semaphore,
                                size_t count)
{
    kio_guard_borrow_(semaphore, "kio_acquire", "semaphore");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_acquire){
        .kio = { .type = &acquire_type },
        .of = semaphore,
        .need = count,
    };
    return slot;
}

int kio_blocking_acquire(struct kio_semaphore *semaphore, size_t count)
{
    struct kio_acquire acquire = { 0 };

    kio_acquire(&acquire, semaphore, count);
    ki_block_thread(&acquire.kio, "kio_blocking_acquire");
    return acquire.out;
}
