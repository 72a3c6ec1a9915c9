/*
 * Rwlock: one line for readers and writers, in order of arrival: a writer that waits holds up the
 * readers behind it, so it is not starved; readers at the head go in together.
 */
#include "waiters.h"
#include "../base/list.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <stdio.h>

static bool may_enter(const struct kio_rwlock *rw, bool write)
{
    if (rw->writing)
        return false;
    return write ? !rw->readers : !rw->max_readers || rw->readers < rw->max_readers;
}

static void enter(struct kio_rwlock *rw, const struct kio_rw_guard *g)
{
    if (g->write) {
        rw->writing = true;
        rw->holder = g->task;
    } else {
        rw->readers++;
    }
}

/* Lets in who may come now; called and returns with the lock. */
static void admit(struct kio_rwlock *rw)
{
    while (rw->line.first) {
        struct kio_rw_guard *g = ki_container(rw->line.first, struct kio_rw_guard, waiter);
        kio_waker waker;

        if (!may_enter(rw, g->write))
            return;
        enter(rw, g);
        g->granted = true;
        waker = ki_waiters_pop(&rw->line);
        ki_sync_unlock(&rw->lock);
        kio_waker_wake(waker);
        ki_sync_lock(&rw->lock);
    }
}

static kio_poll rw_poll(kio_future *f, kio_context *cx)
{
    struct kio_rw_guard *self = (struct kio_rw_guard *)f;
    struct kio_rwlock *rw = self->of;
    kio_waker old = { NULL };
    bool granted;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    ki_sync_lock(&rw->lock);
    self->task = ki_task_of_poll(cx);
    if (!self->granted && !self->waiting && !rw->line.first && may_enter(rw, self->write)) {
        enter(rw, self);
        self->granted = true;
    }
    if (!self->granted) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiting)
            ki_waiters_push(&rw->line, &self->waiter);
        self->waiting = true;
    }
    granted = self->granted;
    ki_sync_unlock(&rw->lock);
    kio_waker_drop(old);
    if (!granted)
        return KIO_PENDING;
    kio_coop_did_(cx);
    self->out = 0;
    kio_finish_keep(f);
    return KIO_READY;
}

static void rw_drop(kio_future *f)
{
    struct kio_rw_guard *self = (struct kio_rw_guard *)f;
    struct kio_rwlock *rw = self->of;
    kio_waker old;

    if (!self->waiting && !self->granted) /* in this order: others grant while it waits */
        return;
    ki_sync_lock(&rw->lock);
    if (self->granted && self->write)
        rw->writing = false;
    else if (self->granted)
        rw->readers--;
    else if (self->waiter.prev)
        ki_waiters_remove(&rw->line, &self->waiter);
    self->granted = self->waiting = false;
    old = ki_waker_take(&self->waiter.waker);
    admit(rw); /* also when a writer that held readers up has left the line */
    ki_sync_unlock(&rw->lock);
    kio_waker_drop(old);
}

static void rw_waits(const kio_future *f, struct kio_waits *to)
{
    const struct kio_rw_guard *self = (const struct kio_rw_guard *)f;
    struct kio_rwlock *rw = self->of;

    to->what = "rwlock";
    to->at = rw;
    ki_sync_lock(&rw->lock);
    to->has = self->granted;
    if (to->has)
        snprintf(to->text, sizeof to->text, self->write ? "to write" : "to read");
    else
        snprintf(to->text, sizeof to->text, "to %s, %zu read it", self->write ? "write" : "read",
                 rw->readers);
    if (rw->writing)
        to->holder = rw->holder;
    ki_waiters_place(&rw->line, &self->waiter, to);
    ki_sync_unlock(&rw->lock);
}

static const kio_future_type rw_type = {
    .name = "kio_read_lock or kio_write_lock",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_rw_guard),
    .waits = rw_waits,
    .poll = rw_poll,
    .drop = rw_drop,
    .out_offset = offsetof(struct kio_rw_guard, out),
    .out_size = sizeof(int),
};

static struct kio_rw_guard *make(struct kio_rw_guard *slot, struct kio_rwlock *rw, bool write)
{
    kio_guard_borrow_(rw, "kio_read_lock or kio_write_lock", "rwlock");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_rw_guard){ .kio = { .type = &rw_type }, .of = rw, .write = write };
    return slot;
}

struct kio_rw_guard *kio_read_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw)
{
    return make(slot, rw, false);
}

struct kio_rw_guard *kio_write_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw)
{
    return make(slot, rw, true);
}

void kio_rwlock_init(struct kio_rwlock *rw, size_t max_readers)
{
    if (!max_readers)
        ki_guard_fail(ki_guard_here(), "a zeroed kio_rwlock lets any number in",
                      "kio_rwlock_init for 0 readers");
    *rw = (struct kio_rwlock){ .max_readers = max_readers };
}

int kio_try_rw_lock_(struct kio_rw_guard *slot, struct kio_rwlock *rw, bool write, kio_future *scope)
{
    bool got;

    make(slot, rw, write);
    slot->task = ki_here.root; /* no context here: the task by its frame */
    ki_sync_lock(&rw->lock);
    got = !rw->line.first && may_enter(rw, write);
    if (got)
        enter(rw, slot);
    ki_sync_unlock(&rw->lock);
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

void kio_blocking_read_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw)
{
    ki_block_thread(&make(slot, rw, false)->kio, "kio_blocking_read_lock");
}

void kio_blocking_write_lock(struct kio_rw_guard *slot, struct kio_rwlock *rw)
{
    ki_block_thread(&make(slot, rw, true)->kio, "kio_blocking_write_lock");
}

void kio_rw_downgrade(struct kio_rw_guard *guard)
{
    struct kio_rwlock *rw = guard->of;

    if (!guard->kio.type || !guard->granted || !guard->write)
        ki_guard_fail(ki_guard_here(), "downgrade a guard of kio_write_lock that was awaited",
                      "kio_rw_downgrade of a guard that does not hold the lock for writing");
    ki_sync_lock(&rw->lock);
    guard->write = false;
    rw->writing = false;
    rw->readers++;
    admit(rw);
    ki_sync_unlock(&rw->lock);
}
