/* Set once: a pointer, whether it is set, and a line of those who wait for it, under one lock. */
#include "waiters.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>

int kio_set_once(struct kio_set_once *cell, void *value)
{
    int err = 0;

    ki_sync_lock(&cell->lock);
    if (cell->set) {
        err = -EEXIST;
    } else {
        cell->set = true;
        cell->value = value;
        ki_waiters_wake_all(&cell->line, &cell->lock);
    }
    ki_sync_unlock(&cell->lock);
    return err;
}

/* Whether it is set, and to what. */
static bool look(struct kio_set_once *cell, void **value)
{
    bool set;

    ki_sync_lock(&cell->lock);
    set = cell->set;
    *value = cell->value;
    ki_sync_unlock(&cell->lock);
    return set;
}

void *kio_set_once_get(struct kio_set_once *cell)
{
    void *value;

    look(cell, &value);
    return value;
}

bool kio_set_once_is_set(struct kio_set_once *cell)
{
    void *value;

    return look(cell, &value);
}

void *kio_set_once_take(struct kio_set_once *cell)
{
    void *value;

    ki_sync_lock(&cell->lock);
    value = cell->value;
    cell->set = false;
    cell->value = NULL;
    ki_sync_unlock(&cell->lock);
    return value;
}

static kio_poll wait_poll(kio_future *f, kio_context *cx)
{
    struct kio_set_once_wait *self = (struct kio_set_once_wait *)f;
    struct kio_set_once *cell = self->of;
    kio_waker old = { NULL };
    bool set;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    ki_sync_lock(&cell->lock);
    set = cell->set;
    self->out = cell->value;
    if (!set) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&cell->line, &self->waiter);
    } else {
        if (self->waiter.prev)
            ki_waiters_remove(&cell->line, &self->waiter);
        old = ki_waker_take(&self->waiter.waker);
    }
    ki_sync_unlock(&cell->lock);
    kio_waker_drop(old);
    if (!set)
        return KIO_PENDING;
    kio_coop_did_(cx);
    return ki_ready_now(f);
}

static void wait_drop(kio_future *f)
{
    struct kio_set_once_wait *self = (struct kio_set_once_wait *)f;
    struct kio_set_once *cell = self->of;
    kio_waker old;

    if (!f->state)
        return;
    ki_sync_lock(&cell->lock);
    if (self->waiter.prev)
        ki_waiters_remove(&cell->line, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    ki_sync_unlock(&cell->lock);
    kio_waker_drop(old);
}

static void wait_waits(const kio_future *f, struct kio_waits *to)
{
    const struct kio_set_once_wait *self = (const struct kio_set_once_wait *)f;

    to->what = "set once";
    to->at = self->of;
    ki_sync_lock(&self->of->lock);
    ki_waiters_place(&self->of->line, &self->waiter, to);
    to->place = 0; /* all are woken together: nobody stands before another */
    ki_sync_unlock(&self->of->lock);
}

static const kio_future_type wait_type = {
    .name = "kio_set_once_wait",
    .waits = wait_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_set_once_wait),
    .poll = wait_poll,
    .drop = wait_drop,
    .out_offset = offsetof(struct kio_set_once_wait, out),
    .out_size = sizeof(void *),
};

struct kio_set_once_wait *kio_set_once_wait(struct kio_set_once_wait *slot, struct kio_set_once *cell)
{
    kio_guard_borrow_(cell, "kio_set_once_wait", "cell");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_set_once_wait){ .kio = { .type = &wait_type }, .of = cell };
    return slot;
}
