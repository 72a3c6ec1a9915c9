/*
 * Broadcast: a ring of the last `cap` messages; positions count up for ever, each receiver has its
 * own. One that is more than cap behind has missed some, and is told how many.
 */
#include "waiters.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <string.h>

struct kio_broadcast_ {
    struct kio_lock_ lock;
    size_t senders, receivers, refs;
    size_t size, cap;
    uint64_t tail; /* position of the next message */
    struct ki_waiters line;
    _Alignas(16) char ring[];
};

static struct kio_broadcast_ *checked(struct kio_broadcast_ *b, const char *call)
{
    if (kio_unlikely_(!b))
        ki_guard_fail(ki_guard_here(), "make the channel first, and use a handle only until it is dropped",
                      "%s got an empty handle", call);
    return b;
}

int kio_broadcast_channel(struct kio_broadcast_tx *tx, struct kio_broadcast_rx *rx, size_t size,
                          size_t capacity)
{
    struct kio_broadcast_ *b = NULL;
    size_t bytes;

    tx->channel = rx->channel = NULL;
    rx->next = 0;
    if (!capacity)
        return -EINVAL;
    if (!__builtin_mul_overflow(size, capacity, &bytes) && bytes < SIZE_MAX / 2)
        b = ki_mem_alloc(sizeof *b + bytes);
    if (!b)
        return -ENOMEM;
    *b = (struct kio_broadcast_){
        .senders = 1,
        .receivers = 1,
        .refs = 2,
        .size = size,
        .cap = capacity,
    };
    tx->channel = rx->channel = b;
    return 0;
}

ssize_t kio_broadcast_send(struct kio_broadcast_tx *tx, const void *value)
{
    struct kio_broadcast_ *b = checked(tx->channel, "kio_broadcast_send");
    ssize_t count = -EPIPE;

    ki_sync_lock(&b->lock);
    if (b->receivers) {
        count = (ssize_t)b->receivers;
        if (b->size)
            memcpy(b->ring + b->tail % b->cap * b->size, value, b->size);
        b->tail++;
        ki_waiters_wake_all(&b->line, &b->lock);
    }
    ki_sync_unlock(&b->lock);
    return count;
}

struct kio_broadcast_tx kio_broadcast_tx_clone(const struct kio_broadcast_tx *tx)
{
    struct kio_broadcast_ *b = checked(tx->channel, "kio_broadcast_tx_clone");

    ki_sync_lock(&b->lock);
    b->senders++;
    b->refs++;
    ki_sync_unlock(&b->lock);
    return *tx;
}

struct kio_broadcast_rx kio_broadcast_subscribe(const struct kio_broadcast_tx *tx)
{
    struct kio_broadcast_ *b = checked(tx->channel, "kio_broadcast_subscribe");
    struct kio_broadcast_rx rx = { .channel = b };

    ki_sync_lock(&b->lock);
    b->receivers++;
    b->refs++;
    rx.next = b->tail;
    ki_sync_unlock(&b->lock);
    return rx;
}

static void unlock_unref(struct kio_broadcast_ *b)
{
    bool last = --b->refs == 0;

    ki_sync_unlock(&b->lock);
    if (last)
        ki_mem_free(b);
}

void kio_broadcast_tx_drop(struct kio_broadcast_tx *tx)
{
    struct kio_broadcast_ *b = tx->channel;

    if (!b)
        return;
    tx->channel = NULL;
    ki_sync_lock(&b->lock);
    if (--b->senders == 0)
        ki_waiters_wake_all(&b->line, &b->lock);
    unlock_unref(b);
}

void kio_broadcast_rx_drop(struct kio_broadcast_rx *rx)
{
    struct kio_broadcast_ *b = rx->channel;

    if (!b)
        return;
    rx->channel = NULL;
    ki_sync_lock(&b->lock);
    b->receivers--;
    unlock_unref(b);
}

/* Under the lock: true: self->out says what. */
static bool take_locked(struct kio_broadcast_recv *self)
{
    struct kio_broadcast_rx *rx = self->rx;
    struct kio_broadcast_ *b = rx->channel;

    if (b->tail - rx->next > b->cap) {
        self->missed = b->tail - rx->next - b->cap;
        rx->next += self->missed;
        self->out = -EOVERFLOW;
        return true;
    }
    if (rx->next != b->tail) {
        if (b->size)
            memcpy(self->value, b->ring + rx->next % b->cap * b->size, b->size);
        rx->next++;
        self->out = 1;
        return true;
    }
    self->out = 0;
    return b->senders == 0;
}

static kio_poll recv_poll(kio_future *f, kio_context *cx)
{
    struct kio_broadcast_recv *self = (struct kio_broadcast_recv *)f;
    struct kio_broadcast_ *b = checked(self->rx->channel, "kio_broadcast_recv");
    kio_waker old = { NULL };
    bool ready;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    ki_sync_lock(&b->lock);
    ready = take_locked(self);
    if (!ready) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&b->line, &self->waiter);
    }
    ki_sync_unlock(&b->lock);
    kio_waker_drop(old);
    if (!ready)
        return KIO_PENDING;
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static void recv_drop(kio_future *f)
{
    struct kio_broadcast_recv *self = (struct kio_broadcast_recv *)f;
    struct kio_broadcast_ *b = self->rx->channel;
    kio_waker old;

    if (!b)
        return;
    ki_sync_lock(&b->lock);
    if (self->waiter.prev)
        ki_waiters_remove(&b->line, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    ki_sync_unlock(&b->lock);
    kio_waker_drop(old);
}

static void recv_waits(const kio_future *f, struct kio_waits *to)
{
    to->what = "broadcast";
    to->ends = true;
    to->at = ((const struct kio_broadcast_recv *)f)->rx->channel;
}

static const kio_future_type recv_type = {
    .name = "kio_broadcast_recv",
    .waits = recv_waits,
    .size = sizeof(struct kio_broadcast_recv),
    .poll = recv_poll,
    .drop = recv_drop,
    .out_offset = offsetof(struct kio_broadcast_recv, out),
    .out_size = sizeof(int),
};

struct kio_broadcast_recv *kio_broadcast_recv(struct kio_broadcast_recv *slot,
                                              struct kio_broadcast_rx *rx, void *value)
{
    kio_guard_borrow_(rx, "kio_broadcast_recv", "rx");
    kio_guard_borrow_(value, "kio_broadcast_recv", "value");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_broadcast_recv){
        .kio = { .type = &recv_type },
        .rx = rx,
        .value = value,
    };
    return slot;
}
