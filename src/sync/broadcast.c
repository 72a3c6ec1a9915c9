/*
 * Broadcast: a ring of the last `cap` messages; positions count up for ever, each receiver has its
 * own. One that is more than cap behind has missed some, and is told how many.
 *
 * Layout: the channel, the ring, and a count for each place in it: `left`, the receivers that have yet
 * to get that message. Receivers are plain structs that their owners move about, so there is no list
 * of them; the counts tell what a list would.
 * Invariants: left[p] is the number of receivers with next <= p, for tail - cap <= p < tail; so it does
 * not grow from newer to older messages.
 * Access: all of it under the lock, but for what is fixed (cap, size, copied, drop). A receiver's `next`
 * is its owner's.
 * Life: `refs` counts handles; the last one frees. When no receiver is left, no message is.
 */
#include "waiters.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <kioto/broadcast.h>

#include <errno.h>
#include <string.h>

/* What drop() gets is moved out of the ring to the stack, because the ring goes on meanwhile. */
#define KI_OWNING_MAX 256

struct kio_broadcast_ {
    struct kio_lock_ lock;
    size_t senders, weaks, receivers, refs;
    size_t size, cap;
    uint64_t tail;             /* position of the next message */
    struct ki_waiters line;    /* receivers */
    struct ki_waiters closing; /* for the last receiver to go */
    void (*copied)(void *message);
    void (*drop)(void *message);
    size_t *left;              /* behind the ring */
    _Alignas(16) char ring[];
};

static KIO_COLD void misused(const struct kio_broadcast_ *b, size_t size, const char *call)
{
    if (!b)
        ki_guard_fail(ki_guard_here(), "make the channel first, and use a handle only until it is dropped",
                      "%s got an empty handle", call);
    ki_guard_fail(ki_guard_here(), "hand over a pointer to the type the channel was made for",
                  "%s: the value has %zu bytes, the channel's messages %zu", call, size, b->size);
}

static struct kio_broadcast_ *checked(struct kio_broadcast_ *b, size_t size, const char *call)
{
    if (kio_unlikely_(!b || (size && size != b->size)))
        misused(b, size, call);
    return b;
}

static void lock(struct kio_broadcast_ *b)
{
    ki_sync_lock(&b->lock);
}

static void unlock(struct kio_broadcast_ *b)
{
    ki_sync_unlock(&b->lock);
}

static void copy(void *to, const void *from, size_t size)
{
    if (size)
        memcpy(to, from, size);
}

/* Where in the ring a position lies: a division, so it is asked once. */
static size_t place_of(const struct kio_broadcast_ *b, uint64_t position)
{
    return (size_t)(position % b->cap);
}

/* The oldest position that is kept. */
static uint64_t oldest(const struct kio_broadcast_ *b)
{
    return b->tail > b->cap ? b->tail - b->cap : 0;
}

/* ---- handles ------------------------------------------------------------------------------ */

int kio_broadcast_new_(struct kio_broadcast_ **tx, struct kio_broadcast_rx_ *rx, size_t size,
                       size_t capacity)
{
    struct kio_broadcast_ *b = NULL;
    size_t ring, counts, bytes;

    *tx = NULL;
    *rx = (struct kio_broadcast_rx_){ .channel = NULL };
    if (!capacity)
        return -EINVAL;
    if (!__builtin_mul_overflow(size, capacity, &ring) && ring < SIZE_MAX / 4 &&
        !__builtin_mul_overflow(sizeof *b->left, capacity, &counts) && counts < SIZE_MAX / 4) {
        ring = (ring + _Alignof(size_t) - 1) & ~(_Alignof(size_t) - 1);
        bytes = sizeof *b + ring + counts;
        b = ki_mem_alloc(bytes);
    }
    if (!b)
        return -ENOMEM;
    *b = (struct kio_broadcast_){
        .senders = 1,
        .receivers = 1,
        .refs = 2,
        .size = size,
        .cap = capacity,
        .left = (size_t *)(void *)(b->ring + ring),
    };
    memset(b->left, 0, counts);
    *tx = rx->channel = b;
    return 0;
}

int kio_broadcast_on_drop_(struct kio_broadcast_ *b, void (*copied)(void *message),
                           void (*drop)(void *message))
{
    if (checked(b, 0, "kio_broadcast_on_drop")->size > KI_OWNING_MAX)
        return -EINVAL;
    b->copied = copied;
    b->drop = drop;
    return 0;
}

struct kio_broadcast_ *kio_broadcast_tx_clone_(struct kio_broadcast_ *b)
{
    checked(b, 0, "kio_broadcast_tx_clone");
    lock(b);
    b->senders++;
    b->refs++;
    unlock(b);
    return b;
}

struct kio_broadcast_ *kio_broadcast_downgrade_(struct kio_broadcast_ *b)
{
    checked(b, 0, "kio_broadcast_downgrade");
    lock(b);
    b->weaks++;
    b->refs++;
    unlock(b);
    return b;
}

int kio_broadcast_upgrade_(struct kio_broadcast_ *b, struct kio_broadcast_ **tx)
{
    int err = -EPIPE;

    checked(b, 0, "kio_broadcast_upgrade");
    *tx = NULL;
    lock(b);
    if (b->senders) {
        b->senders++;
        b->refs++;
        *tx = b;
        err = 0;
    }
    unlock(b);
    return err;
}

struct kio_broadcast_rx_ kio_broadcast_subscribe_(struct kio_broadcast_ *b)
{
    struct kio_broadcast_rx_ rx = { .channel = checked(b, 0, "kio_broadcast_subscribe") };

    lock(b);
    b->receivers++;
    b->refs++;
    rx.next = b->tail;
    unlock(b);
    return rx;
}

static void unlock_unref(struct kio_broadcast_ *b)
{
    bool last = --b->refs == 0;

    unlock(b);
    if (last)
        ki_mem_free(b);
}

void kio_broadcast_tx_drop_(struct kio_broadcast_ **tx)
{
    struct kio_broadcast_ *b = *tx;

    if (!b)
        return;
    *tx = NULL;
    lock(b);
    if (--b->senders == 0)
        ki_waiters_wake_all(&b->line, &b->lock);
    unlock_unref(b);
}

void kio_broadcast_weak_tx_drop_(struct kio_broadcast_ **weak)
{
    struct kio_broadcast_ *b = *weak;

    if (!b)
        return;
    *weak = NULL;
    lock(b);
    b->weaks--;
    unlock_unref(b);
}

/* Under the lock, which is let go for each drop(): this receiver will not get what was sent so far. */
static void forget(struct kio_broadcast_ *b, uint64_t next)
{
    _Alignas(16) char message[KI_OWNING_MAX];

    for (uint64_t end = b->tail; next < end; next++) {
        size_t place;

        if (next < oldest(b))
            next = oldest(b); /* who overwrote them has ended them; there may be others by now */
        if (next >= end)
            break;
        place = place_of(b, next);
        if (--b->left[place] || !b->drop)
            continue;
        copy(message, b->ring + place * b->size, b->size);
        unlock(b);
        b->drop(message);
        lock(b);
    }
}

void kio_broadcast_rx_drop_(struct kio_broadcast_rx_ *rx)
{
    struct kio_broadcast_ *b = rx->channel;

    if (!b)
        return;
    rx->channel = NULL;
    lock(b);
    if (--b->receivers == 0)
        ki_waiters_wake_all(&b->closing, &b->lock);
    forget(b, rx->next);
    unlock_unref(b);
}

/* ---- counts ------------------------------------------------------------------------------- */

static size_t count(struct kio_broadcast_ *b, const size_t *of)
{
    size_t n;

    lock(b);
    n = *of;
    unlock(b);
    return n;
}

size_t kio_broadcast_senders_(struct kio_broadcast_ *b)
{
    return count(b, &checked(b, 0, "kio_broadcast_strong_count")->senders);
}

size_t kio_broadcast_weaks_(struct kio_broadcast_ *b)
{
    return count(b, &checked(b, 0, "kio_broadcast_weak_count")->weaks);
}

size_t kio_broadcast_receivers_(struct kio_broadcast_ *b)
{
    return count(b, &checked(b, 0, "kio_broadcast_receiver_count")->receivers);
}

size_t kio_broadcast_kept_(struct kio_broadcast_ *b)
{
    uint64_t first;
    size_t kept;

    checked(b, 0, "kio_broadcast_tx_len");
    lock(b);
    first = b->tail; /* a linear scan: as long as its answer */
    while (first > oldest(b) && b->left[place_of(b, first - 1)])
        first--;
    kept = (size_t)(b->tail - first);
    unlock(b);
    return kept;
}

uint64_t kio_broadcast_behind_(const struct kio_broadcast_rx_ *rx)
{
    struct kio_broadcast_ *b = checked(rx->channel, 0, "kio_broadcast_rx_len");
    uint64_t behind;

    lock(b);
    behind = b->tail - rx->next;
    unlock(b);
    return behind;
}

/* ---- sending ------------------------------------------------------------------------------ */

ssize_t kio_broadcast_send_(struct kio_broadcast_ *b, const void *value, size_t size)
{
    _Alignas(16) char overwritten[KI_OWNING_MAX];
    bool lost = false;
    ssize_t told = -EPIPE;

    checked(b, size, "kio_broadcast_send");
    lock(b);
    if (b->receivers) {
        size_t place = place_of(b, b->tail);
        char *message = b->ring + place * b->size;

        lost = b->left[place] && b->drop;
        if (lost)
            copy(overwritten, message, b->size);
        copy(message, value, b->size);
        b->left[place] = b->receivers;
        told = (ssize_t)b->receivers;
        b->tail++;
        ki_waiters_wake_all(&b->line, &b->lock);
    }
    unlock(b);
    if (lost)
        b->drop(overwritten);
    return told;
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* Under the lock. 1, 0, -EOVERFLOW with *missed, or -EAGAIN. */
static int take_locked(struct kio_broadcast_rx_ *rx, void *value, uint64_t *missed)
{
    struct kio_broadcast_ *b = rx->channel;
    size_t place;

    if (kio_unlikely_(rx->next < oldest(b))) {
        *missed = oldest(b) - rx->next;
        rx->next += *missed;
        return -EOVERFLOW;
    }
    if (rx->next == b->tail)
        return b->senders ? -EAGAIN : 0;
    place = place_of(b, rx->next);
    copy(value, b->ring + place * b->size, b->size);
    if (--b->left[place] && b->copied)
        b->copied(value);
    rx->next++;
    return 1;
}

int kio_broadcast_try_recv_(struct kio_broadcast_rx_ *rx, void *value, size_t size, uint64_t *missed)
{
    struct kio_broadcast_ *b = checked(rx->channel, size, "kio_broadcast_try_recv");
    uint64_t unasked;
    int got;

    lock(b);
    got = take_locked(rx, value, missed ? missed : &unasked);
    unlock(b);
    return got;
}

static kio_poll recv_poll(kio_future *f, kio_context *cx)
{
    struct kio_broadcast_recv *self = (struct kio_broadcast_recv *)f;
    struct kio_broadcast_ *b = checked(self->rx->channel, 0, "kio_broadcast_recv");
    kio_waker old = { NULL };
    int got;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    lock(b);
    got = take_locked(self->rx, self->value, &self->missed);
    if (got == -EAGAIN) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&b->line, &self->waiter);
    }
    unlock(b);
    kio_waker_drop(old);
    if (got == -EAGAIN)
        return KIO_PENDING;
    kio_coop_did_(cx);
    self->out = got;
    kio_finish(f);
    return KIO_READY;
}

/* Leaves one of b's lines; nothing of the future is left there. */
static void leave(struct kio_broadcast_ *b, struct ki_waiters *line, struct kio_waiter_ *waiter)
{
    kio_waker old;

    lock(b);
    if (waiter->prev)
        ki_waiters_remove(line, waiter);
    old = ki_waker_take(&waiter->waker);
    unlock(b);
    kio_waker_drop(old);
}

static void recv_drop(kio_future *f)
{
    struct kio_broadcast_recv *self = (struct kio_broadcast_recv *)f;
    struct kio_broadcast_ *b = self->rx->channel;

    if (b)
        leave(b, &b->line, &self->waiter);
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
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_broadcast_recv),
    .poll = recv_poll,
    .drop = recv_drop,
    .out_offset = offsetof(struct kio_broadcast_recv, out),
    .out_size = sizeof(int),
};

struct kio_broadcast_recv *kio_broadcast_recv_(struct kio_broadcast_recv *slot,
                                               struct kio_broadcast_rx_ *rx, void *value, size_t size)
{
    checked(rx->channel, size, "kio_broadcast_recv");
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

int kio_broadcast_blocking_recv_(struct kio_broadcast_rx_ *rx, void *value, size_t size,
                                 uint64_t *missed)
{
    struct kio_broadcast_recv recv = { 0 };

    kio_broadcast_recv_(&recv, rx, value, size);
    ki_block_thread(&recv.kio, "kio_broadcast_blocking_recv");
    if (missed && recv.out == -EOVERFLOW)
        *missed = recv.missed;
    return recv.out;
}

/* ---- closed() ----------------------------------------------------------------------------- */

static kio_poll closed_poll(kio_future *f, kio_context *cx)
{
    struct kio_broadcast_closed *self = (struct kio_broadcast_closed *)f;
    struct kio_broadcast_ *b = self->channel;
    kio_waker old = { NULL };
    bool closed;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    lock(b);
    closed = !b->receivers;
    if (!closed) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&b->closing, &self->waiter);
    }
    unlock(b);
    kio_waker_drop(old);
    if (!closed)
        return KIO_PENDING;
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static void closed_drop(kio_future *f)
{
    struct kio_broadcast_closed *self = (struct kio_broadcast_closed *)f;

    leave(self->channel, &self->channel->closing, &self->waiter);
}

static void closed_waits(const kio_future *f, struct kio_waits *to)
{
    to->what = "broadcast";
    to->ends = true;
    to->at = ((const struct kio_broadcast_closed *)f)->channel;
    snprintf(to->text, sizeof to->text, "for the last receiver to go");
}

static const kio_future_type closed_type = {
    .name = "kio_broadcast_closed",
    .waits = closed_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_broadcast_closed),
    .poll = closed_poll,
    .drop = closed_drop,
};

struct kio_broadcast_closed *kio_broadcast_closed_(struct kio_broadcast_closed *slot,
                                                   struct kio_broadcast_ *channel)
{
    checked(channel, 0, "kio_broadcast_closed");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_broadcast_closed){ .kio = { .type = &closed_type }, .channel = channel };
    return slot;
}
