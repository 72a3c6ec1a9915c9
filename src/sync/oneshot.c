/*
 * oneshot: one message from one sender to one receiver, in one allocation.
 *
 * Access: everything under `lock`. Life: `ends` counts the handles; the second to go frees.
 */
#include <kioto/channel.h>

#include "waiters.h"
#include "../base/lock.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct kio_once_ {
    struct ki_lock lock;
    uint8_t ends;
    bool sent;     /* the message lies in value */
    bool tx_gone;  /* the sender was dropped or has sent */
    bool closed;   /* the receiver was dropped or closed */
    size_t size;
    kio_waker receiver, sender;
    void (*destroy)(void *message);
    _Alignas(16) char value[];
};

static struct kio_once_ *checked(struct kio_once_ *o, size_t size, const char *call)
{
    if (kio_unlikely_(!o))
        ki_guard_fail(ki_guard_here(), "a oneshot handle is used once: make a new channel",
                      "%s got an empty handle", call);
    if (kio_unlikely_(size && size != o->size))
        ki_guard_fail(ki_guard_here(), "hand over a pointer to the type the channel was made for",
                      "%s: the value has %zu bytes, the channel's message %zu", call, size, o->size);
    return o;
}

static void lock(struct kio_once_ *o)
{
    ki_lock(&o->lock, KI_RANK_SYNC);
}

static void unlock(struct kio_once_ *o)
{
    ki_unlock(&o->lock, KI_RANK_SYNC);
}

/* One end goes: unlocks, and frees after the second. */
static void unlock_leave(struct kio_once_ *o)
{
    bool last = --o->ends == 0;

    unlock(o);
    if (!last)
        return;
    if (o->sent && o->destroy)
        o->destroy(o->value);
    ki_mem_free(o);
}

int kio_oneshot_channel(struct kio_oneshot_tx *tx, struct kio_oneshot_rx *rx, size_t size)
{
    struct kio_once_ *o = size > SIZE_MAX / 2 ? NULL : ki_mem_alloc(sizeof *o + size);

    tx->once = rx->once = o;
    if (!o)
        return -ENOMEM;
    *o = (struct kio_once_){ .ends = 2, .size = size };
    return 0;
}

void kio_oneshot_on_drop(struct kio_oneshot_rx *rx, void (*drop)(void *message))
{
    checked(rx->once, 0, "kio_oneshot_on_drop")->destroy = drop;
}

int kio_oneshot_send_(struct kio_oneshot_tx *tx, const void *value, size_t size)
{
    struct kio_once_ *o = checked(tx->once, size, "kio_oneshot_send");
    kio_waker waker = { NULL };
    kio_waker old;
    int err = -EPIPE;

    tx->once = NULL;
    lock(o);
    o->tx_gone = true;
    if (!o->closed) {
        if (o->size)
            memcpy(o->value, value, o->size);
        o->sent = true;
        waker = ki_waker_take(&o->receiver);
        err = 0;
    }
    old = ki_waker_take(&o->sender);
    unlock_leave(o);
    kio_waker_drop(old);
    kio_waker_wake(waker);
    return err;
}

void kio_oneshot_tx_drop(struct kio_oneshot_tx *tx)
{
    struct kio_once_ *o = tx->once;
    kio_waker waker;
    kio_waker old;

    if (!o)
        return;
    tx->once = NULL;
    lock(o);
    o->tx_gone = true;
    waker = ki_waker_take(&o->receiver);
    old = ki_waker_take(&o->sender);
    unlock_leave(o);
    kio_waker_drop(old);
    kio_waker_wake(waker);
}

bool kio_oneshot_is_closed(const struct kio_oneshot_tx *tx)
{
    struct kio_once_ *o = checked(tx->once, 0, "kio_oneshot_is_closed");
    bool closed;

    lock(o);
    closed = o->closed;
    unlock(o);
    return closed;
}

void kio_oneshot_rx_close(struct kio_oneshot_rx *rx)
{
    struct kio_once_ *o = rx->once;
    kio_waker waker;

    if (!o)
        return;
    lock(o);
    o->closed = true;
    waker = ki_waker_take(&o->sender);
    unlock(o);
    kio_waker_wake(waker);
}

void kio_oneshot_rx_drop(struct kio_oneshot_rx *rx)
{
    struct kio_once_ *o = rx->once;
    kio_waker waker;
    kio_waker old;

    if (!o)
        return;
    rx->once = NULL;
    lock(o);
    o->closed = true;
    waker = ki_waker_take(&o->sender);
    old = ki_waker_take(&o->receiver);
    unlock_leave(o);
    kio_waker_drop(old);
    kio_waker_wake(waker);
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* 1, 0 (then rx is used up), or -EAGAIN: cx's waker (if any) is left. */
static int take(struct kio_oneshot_rx *rx, void *value, kio_context *cx)
{
    struct kio_once_ *o = rx->once;
    kio_waker old = { NULL };
    int got;

    lock(o);
    if (!o->sent && !o->tx_gone && !o->closed) {
        if (cx && !kio_waker_will_wake(o->receiver, cx->waker)) {
            old = o->receiver;
            o->receiver = kio_waker_clone(cx->waker);
        }
        unlock(o);
        kio_waker_drop(old);
        return -EAGAIN;
    }
    got = o->sent;
    if (got && o->size)
        memcpy(value, o->value, o->size);
    o->sent = false;
    o->closed = true;
    old = ki_waker_take(&o->receiver);
    rx->once = NULL;
    unlock_leave(o);
    kio_waker_drop(old);
    return got;
}

int kio_oneshot_try_recv_(struct kio_oneshot_rx *rx, void *value, size_t size)
{
    checked(rx->once, size, "kio_oneshot_try_recv");
    return take(rx, value, NULL);
}

static kio_poll recv_poll(kio_future *f, kio_context *cx)
{
    struct kio_oneshot_recv *self = (struct kio_oneshot_recv *)f;
    int got;

    f->state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    checked(self->rx->once, 0, "kio_oneshot_recv");
    got = take(self->rx, self->value, cx);
    if (got == -EAGAIN) {
        self->waiting = true;
        return KIO_PENDING;
    }
    kio_coop_did_(cx);
    self->out = got;
    return ki_ready_now(f);
}

static void recv_drop(kio_future *f)
{
    struct kio_oneshot_recv *self = (struct kio_oneshot_recv *)f;
    struct kio_once_ *o = self->rx->once;
    kio_waker old;

    if (!self->waiting || !o)
        return;
    lock(o);
    old = ki_waker_take(&o->receiver);
    unlock(o);
    kio_waker_drop(old);
}

static void once_describe(const kio_future *f, char *text, size_t cap)
{
    snprintf(text, cap, "oneshot %p", (void *)((const struct kio_oneshot_recv *)f)->rx->once);
}

static const kio_future_type recv_type = {
    .name = "kio_oneshot_recv",
    .size = sizeof(struct kio_oneshot_recv),
    .poll = recv_poll,
    .drop = recv_drop,
    .out_offset = offsetof(struct kio_oneshot_recv, out),
    .out_size = sizeof(int),
    .describe = once_describe,
};

struct kio_oneshot_recv *kio_oneshot_recv_(struct kio_oneshot_recv *slot, struct kio_oneshot_rx *rx,
                                           void *value, size_t size)
{
    checked(rx->once, size, "kio_oneshot_recv");
    kio_guard_borrow_(rx, "kio_oneshot_recv", "rx");
    kio_guard_borrow_(value, "kio_oneshot_recv", "value");
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &recv_type };
    slot->rx = rx;
    slot->value = value;
    slot->waiting = false;
    return slot;
}

int kio_oneshot_blocking_recv_(struct kio_oneshot_rx *rx, void *value, size_t size)
{
    struct kio_oneshot_recv recv = { 0 };

    kio_oneshot_recv_(&recv, rx, value, size);
    ki_block_thread(&recv.kio, "kio_oneshot_blocking_recv");
    return recv.out;
}

/* ---- closed() ----------------------------------------------------------------------------- */

static kio_poll closed_poll(kio_future *f, kio_context *cx)
{
    struct kio_oneshot_closed *self = (struct kio_oneshot_closed *)f;
    struct kio_once_ *o = self->once;
    kio_waker old = { NULL };
    bool closed;

    f->state = self;
    lock(o);
    closed = o->closed;
    if (!closed && !kio_waker_will_wake(o->sender, cx->waker)) {
        old = o->sender;
        o->sender = kio_waker_clone(cx->waker);
    }
    unlock(o);
    kio_waker_drop(old);
    self->waiting = !closed;
    return closed ? ki_ready_now(f) : KIO_PENDING;
}

static void closed_drop(kio_future *f)
{
    struct kio_oneshot_closed *self = (struct kio_oneshot_closed *)f;
    kio_waker old;

    if (!self->waiting)
        return;
    lock(self->once);
    old = ki_waker_take(&self->once->sender);
    unlock(self->once);
    kio_waker_drop(old);
}

static const kio_future_type closed_type = {
    .name = "kio_oneshot_closed",
    .size = sizeof(struct kio_oneshot_closed),
    .poll = closed_poll,
    .drop = closed_drop,
};

struct kio_oneshot_closed *kio_oneshot_closed(struct kio_oneshot_closed *slot,
                                              const struct kio_oneshot_tx *tx)
{
    struct kio_once_ *o = checked(tx->once, 0, "kio_oneshot_closed");

    kio_vacate_(&slot->kio);
    *slot = (struct kio_oneshot_closed){ .kio = { .type = &closed_type }, .once = o };
    return slot;
}
