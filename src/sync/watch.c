/* Watch: one value with a version; receivers remember the version they have seen. */
#include "waiters.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <string.h>

struct kio_watch_ {
    struct kio_lock_ lock;
    bool tx_gone;
    size_t receivers;
    size_t size;
    uint64_t version;
    struct ki_waiters line;
    _Alignas(16) char value[];
};

static struct kio_watch_ *checked(struct kio_watch_ *w, const char *call)
{
    if (kio_unlikely_(!w))
        ki_guard_fail(ki_guard_here(), "make the channel first, and use a handle only until it is dropped",
                      "%s got an empty handle", call);
    return w;
}

static void store(struct kio_watch_ *w, const void *value)
{
    if (w->size)
        memcpy(w->value, value, w->size);
}

int kio_watch_channel(struct kio_watch_tx *tx, struct kio_watch_rx *rx, size_t size,
                      const void *value)
{
    struct kio_watch_ *w = size > SIZE_MAX / 2 ? NULL : ki_mem_alloc(sizeof *w + size);

    tx->watch = rx->watch = w;
    rx->seen = 0;
    if (!w)
        return -ENOMEM;
    *w = (struct kio_watch_){ .receivers = 1, .size = size };
    store(w, value);
    return 0;
}

int kio_watch_send(struct kio_watch_tx *tx, const void *value)
{
    struct kio_watch_ *w = checked(tx->watch, "kio_watch_send");
    int err = -EPIPE;

    ki_sync_lock(&w->lock);
    if (w->receivers) {
        store(w, value);
        w->version++;
        ki_waiters_wake_all(&w->line, &w->lock);
        err = 0;
    }
    ki_sync_unlock(&w->lock);
    return err;
}

void kio_watch_get(struct kio_watch_rx *rx, void *value)
{
    struct kio_watch_ *w = checked(rx->watch, "kio_watch_get");

    ki_sync_lock(&w->lock);
    if (w->size)
        memcpy(value, w->value, w->size);
    rx->seen = w->version;
    ki_sync_unlock(&w->lock);
}

int kio_watch_has_changed(const struct kio_watch_rx *rx)
{
    struct kio_watch_ *w = checked(rx->watch, "kio_watch_has_changed");
    int answer;

    ki_sync_lock(&w->lock);
    answer = rx->seen != w->version ? 1 : w->tx_gone ? -EPIPE : 0;
    ki_sync_unlock(&w->lock);
    return answer;
}

struct kio_watch_rx kio_watch_subscribe(const struct kio_watch_tx *tx)
{
    struct kio_watch_ *w = checked(tx->watch, "kio_watch_subscribe");
    struct kio_watch_rx rx = { .watch = w };

    ki_sync_lock(&w->lock);
    w->receivers++;
    rx.seen = w->version;
    ki_sync_unlock(&w->lock);
    return rx;
}

static void unlock_leave(struct kio_watch_ *w)
{
    bool last = w->tx_gone && !w->receivers;

    ki_sync_unlock(&w->lock);
    if (last)
        ki_mem_free(w);
}

void kio_watch_tx_drop(struct kio_watch_tx *tx)
{
    struct kio_watch_ *w = tx->watch;

    if (!w)
        return;
    tx->watch = NULL;
    ki_sync_lock(&w->lock);
    w->receivers++; /* holds it while the lock is let go */
    w->tx_gone = true;
    ki_waiters_wake_all(&w->line, &w->lock);
    w->receivers--;
    unlock_leave(w);
}

void kio_watch_rx_drop(struct kio_watch_rx *rx)
{
    struct kio_watch_ *w = rx->watch;

    if (!w)
        return;
    rx->watch = NULL;
    ki_sync_lock(&w->lock);
    w->receivers--;
    unlock_leave(w);
}

static kio_poll changed_poll(kio_future *f, kio_context *cx)
{
    struct kio_watch_changed *self = (struct kio_watch_changed *)f;
    struct kio_watch_ *w = checked(self->rx->watch, "kio_watch_changed");
    kio_waker old = { NULL };
    bool ready = true;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    ki_sync_lock(&w->lock);
    if (self->rx->seen != w->version) {
        self->rx->seen = w->version;
        self->out = 0;
    } else if (w->tx_gone) {
        self->out = -EPIPE;
    } else {
        ready = false;
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&w->line, &self->waiter);
    }
    ki_sync_unlock(&w->lock);
    kio_waker_drop(old);
    if (!ready)
        return KIO_PENDING;
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static void changed_drop(kio_future *f)
{
    struct kio_watch_changed *self = (struct kio_watch_changed *)f;
    struct kio_watch_ *w = self->rx->watch;
    kio_waker old;

    if (!w)
        return;
    ki_sync_lock(&w->lock);
    if (self->waiter.prev)
        ki_waiters_remove(&w->line, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    ki_sync_unlock(&w->lock);
    kio_waker_drop(old);
}

static void changed_waits(const kio_future *f, struct kio_waits *to)
{
    struct kio_watch_ *w = ((const struct kio_watch_changed *)f)->rx->watch;

    to->what = "watch";
    to->ends = true;
    to->at = w;
}

static const kio_future_type changed_type = {
    .name = "kio_watch_changed",
    .waits = changed_waits,
    .size = sizeof(struct kio_watch_changed),
    .poll = changed_poll,
    .drop = changed_drop,
    .out_offset = offsetof(struct kio_watch_changed, out),
    .out_size = sizeof(int),
};

struct kio_watch_changed *kio_watch_changed(struct kio_watch_changed *slot, struct kio_watch_rx *rx)
{
    kio_guard_borrow_(rx, "kio_watch_changed", "rx");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_watch_changed){ .kio = { .type = &changed_type }, .rx = rx };
    return slot;
}
