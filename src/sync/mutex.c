/*
 * Mutex: handed over to the first in line, so `held` stays set from one to the next. The future that
 * has locked is the guard: it ends "kept", and its type's drop unlocks.
 */
#include "waiters.h"
#include "../base/list.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <stdio.h>

/* Under the lock: the next in line gets it, or it is free. */
static kio_waker hand_over_locked(struct kio_mutex *m)
{
    struct kio_lock *next;

    if (!m->line.first) {
        m->held = false;
        return (kio_waker){ NULL };
    }
    next = ki_container(m->line.first, struct kio_lock, waiter);
    next->granted = true;
    m->holder = next->task;
    return ki_waiters_pop(&m->line);
}

static kio_poll lock_poll(kio_future *f, kio_context *cx)
{
    struct kio_lock *self = (struct kio_lock *)f;
    struct kio_mutex *m = self->of;
    kio_waker old = { NULL };
    bool granted;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    ki_sync_lock(&m->lock);
    if (!self->granted && !self->waiting && !m->held) {
        m->held = true;
        m->holder = ki_task_of_poll(cx);
        self->granted = true;
    }
    if (!self->granted) {
        self->task = ki_task_of_poll(cx);
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiting)
            ki_waiters_push(&m->line, &self->waiter);
        self->waiting = true;
    }
    granted = self->granted;
    ki_sync_unlock(&m->lock);
    kio_waker_drop(old);
    if (!granted)
        return KIO_PENDING;
    kio_coop_did_(cx);
    self->out = 0;
    kio_finish_keep(f);
    return KIO_READY;
}

/* Unlocks, leaves the line, or passes on what it was granted and never saw. */
static void lock_drop(kio_future *f)
{
    struct kio_lock *self = (struct kio_lock *)f;
    struct kio_mutex *m = self->of;
    kio_waker wake = { NULL };
    kio_waker old;

    if (!self->waiting && !self->granted) /* in this order: others grant while it waits */
        return;
    ki_sync_lock(&m->lock);
    if (self->granted)
        wake = hand_over_locked(m);
    else if (self->waiter.prev)
        ki_waiters_remove(&m->line, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    ki_sync_unlock(&m->lock);
    self->granted = self->waiting = false;
    kio_waker_drop(old);
    kio_waker_wake(wake);
}

static void lock_waits(const kio_future *f, struct kio_waits *to)
{
    const struct kio_lock *self = (const struct kio_lock *)f;
    struct kio_mutex *m = self->of;

    to->what = "mutex";
    to->at = m;
    ki_sync_lock(&m->lock);
    to->has = self->granted;
    if (m->held) {
        to->holder = m->holder;
        if (!m->holder)
            snprintf(to->text, sizeof to->text, "locked outside of tasks");
    }
    ki_waiters_place(&m->line, &self->waiter, to);
    ki_sync_unlock(&m->lock);
}

static const kio_future_type lock_type = {
    .name = "kio_lock",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_lock),
    .waits = lock_waits,
    .poll = lock_poll,
    .drop = lock_drop,
    .out_offset = offsetof(struct kio_lock, out),
    .out_size = sizeof(int),
};

struct kio_lock *kio_lock(struct kio_lock *slot, struct kio_mutex *mutex)
{
    kio_guard_borrow_(mutex, "kio_lock", "mutex");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_lock){ .kio = { .type = &lock_type }, .of = mutex };
    return slot;
}

int kio_try_lock_(struct kio_lock *slot, struct kio_mutex *mutex, kio_future *scope)
{
    bool got;

    kio_lock(slot, mutex);
    ki_sync_lock(&mutex->lock);
    got = !mutex->held;
    mutex->held = true;
    if (got)
        mutex->holder = ki_here.root; /* no context here: the task by its frame */
    ki_sync_unlock(&mutex->lock);
    slot->granted = got;
    if (!got) {
        kio_drop(slot);
        return -EAGAIN;
    }
    kio_finish_keep(&slot->kio);
    if (scope && kio_is_within_(scope, &slot->kio))
        kio_adopt_(scope, &slot->kio);
    return 0;
}

void kio_blocking_lock(struct kio_lock *slot, struct kio_mutex *mutex)
{
    kio_lock(slot, mutex);
    ki_block_thread(&slot->kio, "kio_blocking_lock");
}
