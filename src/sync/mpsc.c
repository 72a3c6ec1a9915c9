/*
 * mpsc: a buffer, a line of waiting senders and one waiting receiver, under one small lock.
 *
 * Layout: the channel and, bounded, its ring are one allocation.
 * Room: a bounded channel has `cap` places. A place is taken by a queued message or promised
 * (`promised`: a permit, or a waiting send that was told it may go on). When a place gets free and
 * somebody waits, it is promised to the first in line at once: nobody overtakes.
 * Invariants: count + promised <= cap; somebody waits in line => count + promised == cap.
 * Access: everything under `lock`, but for what is fixed (cap, size, destroy).
 * Life: `refs` counts handles (senders, weak ones, the receiver, permits); the last frees.
 *
 * A lock rather than a lock-free queue: uncontended it costs two instructions more than one
 * compare-and-swap, and under it a message, the place in the line and the wake are one step,
 * which is what cancel safety asks for. Wakers are taken under the lock and woken after it.
 */
#include "mpsc.h"
#include "../base/list.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <stdio.h>

static void lock(struct kio_chan_ *c)
{
    ki_chan_lock(c);
}

static void unlock(struct kio_chan_ *c)
{
    ki_chan_unlock(c);
}

static KIO_NORETURN KIO_COLD void empty_handle(const char *call)
{
    ki_guard_fail(ki_guard_here(), "make the channel first, and use a handle only until it is dropped",
                  "%s got an empty handle", call);
}

static KIO_NORETURN KIO_COLD void wrong_size(const struct kio_chan_ *c, size_t size, const char *call)
{
    ki_guard_fail(ki_guard_here(), "hand over a pointer to the type the channel was made for",
                  "%s: the value has %zu bytes, the channel's messages %zu", call, size, c->buffer.size);
}

static inline struct kio_chan_ *checked(struct kio_chan_ *c, size_t size, const char *call)
{
    if (kio_unlikely_(!c))
        empty_handle(call);
    if (kio_unlikely_(size && size != c->buffer.size))
        wrong_size(c, size, call);
    return c;
}

struct kio_chan_ *ki_chan_checked(struct kio_chan_ *c, const char *call)
{
    return checked(c, 0, call);
}

/* ---- life --------------------------------------------------------------------------------- */

int kio_mpsc_new_(struct kio_chan_ **tx, struct kio_chan_ **rx, size_t size, size_t capacity)
{
    size_t ring = capacity == SIZE_MAX ? 0 : ki_buffer_ring_bytes(size, capacity);
    struct kio_chan_ *c;

    *tx = *rx = NULL;
    if (!capacity)
        return -EINVAL;
    if (ring == SIZE_MAX)
        return -ENOMEM;
    c = ki_mem_alloc_aligned(KI_CACHE_LINE, sizeof *c + ring);
    if (!c)
        return -ENOMEM;
    *c = (struct kio_chan_){ .cap = capacity, .senders = 1, .refs = 2 };
    ki_buffer_init(&c->buffer, size, capacity, capacity == SIZE_MAX ? NULL : c->ring);
    *tx = *rx = c;
    return 0;
}

void kio_rx_on_drop_(struct kio_chan_ *chan, void (*drop)(void *message))
{
    checked(chan, 0, "kio_rx_on_drop")->destroy = drop;
}

/* Under the lock; true: the caller unlocks and frees. */
static bool unref_locked(struct kio_chan_ *c)
{
    return --c->refs == 0;
}

void ki_chan_unlock_unref(struct kio_chan_ *c)
{
    bool last = unref_locked(c);

    unlock(c);
    if (last) {
        ki_biased_free(&c->lock);
        ki_buffer_free(&c->buffer);
        ki_mem_free(c);
    }
}

/* Wakes the closed() futures, some at a time; called with the lock, returns with it. */
static void wake_closing(struct kio_chan_ *c)
{
    while (c->closing.first) {
        struct kio_waiter_ *w = c->closing.first;
        kio_waker waker = ki_waker_take(&w->waker);

        ki_waiters_remove(&c->closing, w);
        unlock(c);
        kio_waker_wake(waker);
        lock(c);
    }
}

/* Senders in the line see that it is closed. The lock as above. */
static void wake_line(struct kio_chan_ *c)
{
    while (c->line.first) {
        struct kio_waiter_ *w = c->line.first;
        kio_waker waker = ki_waker_take(&w->waker);

        ki_waiters_remove(&c->line, w);
        unlock(c);
        kio_waker_wake(waker);
        lock(c);
    }
}

struct kio_chan_ *kio_tx_clone_(struct kio_chan_ *c)
{
    checked(c, 0, "kio_tx_clone");
    lock(c);
    c->senders++;
    c->refs++;
    unlock(c);
    return c;
}

void kio_tx_drop_(struct kio_chan_ **chan)
{
    struct kio_chan_ *c = *chan;
    kio_waker waker = { NULL };

    if (!c)
        return;
    *chan = NULL;
    lock(c);
    if (--c->senders == 0)
        waker = ki_waker_take(&c->receiver);
    ki_chan_unlock_unref(c);
    kio_waker_wake(waker);
}

void kio_rx_close_(struct kio_chan_ *c)
{
    kio_waker waker;

    checked(c, 0, "kio_rx_close");
    lock(c);
    c->closed = true;
    waker = ki_waker_take(&c->receiver);
    wake_line(c);
    wake_closing(c);
    unlock(c);
    kio_waker_wake(waker);
}

/* Destroys what nobody will receive; with the lock, which is let go for each destructor. Nothing is
 * pushed any more, so a message stays where it lies until it is destroyed. */
static void drain(struct kio_chan_ *c)
{
    while (c->destroy && c->buffer.count) {
        void *message = ki_buffer_front(&c->buffer);

        unlock(c);
        c->destroy(message);
        lock(c);
        ki_buffer_skip(&c->buffer);
    }
    ki_buffer_free(&c->buffer);
    c->buffer.count = 0;
}

void kio_rx_drop_(struct kio_chan_ **chan)
{
    struct kio_chan_ *c = *chan;
    kio_waker waker;

    if (!c)
        return;
    *chan = NULL;
    lock(c);
    c->closed = c->rx_gone = true;
    waker = ki_waker_take(&c->receiver);
    wake_line(c);
    wake_closing(c);
    drain(c);
    ki_chan_unlock_unref(c);
    kio_waker_drop(waker);
}

/* Under the lock: nothing more will be sent. What is queued may still be received. */
static bool over_locked(const struct kio_chan_ *c)
{
    return (c->closed || !c->senders) && !c->promised;
}

bool kio_chan_rx_is_closed_(struct kio_chan_ *c)
{
    bool closed;

    checked(c, 0, "kio_rx_is_closed");
    lock(c);
    closed = c->closed || over_locked(c);
    unlock(c);
    return closed;
}

bool kio_chan_is_closed_(struct kio_chan_ *c)
{
    bool closed;

    checked(c, 0, "kio_tx_is_closed");
    lock(c);
    closed = c->closed;
    unlock(c);
    return closed;
}

size_t kio_chan_room_(struct kio_chan_ *c)
{
    size_t room;

    checked(c, 0, "kio_tx_capacity");
    lock(c);
    room = c->cap == SIZE_MAX ? SIZE_MAX : ki_chan_free_places(c);
    unlock(c);
    return room;
}

size_t kio_chan_capacity_(struct kio_chan_ *c)
{
    return checked(c, 0, "kio_tx_max_capacity")->cap;
}

size_t kio_chan_message_size_(const struct kio_chan_ *c)
{
    return c->buffer.size;
}

size_t kio_chan_len_(struct kio_chan_ *c)
{
    size_t count;

    checked(c, 0, "kio_rx_len");
    lock(c);
    count = c->buffer.count;
    unlock(c);
    return count;
}

/* ---- weak senders ------------------------------------------------------------------------- */

struct kio_chan_ *kio_tx_downgrade_(struct kio_chan_ *c)
{
    checked(c, 0, "kio_tx_downgrade");
    lock(c);
    c->weaks++;
    c->refs++;
    unlock(c);
    return c;
}

int kio_tx_upgrade_(struct kio_chan_ *c, struct kio_chan_ **tx)
{
    int err = -EPIPE;

    checked(c, 0, "kio_tx_upgrade");
    *tx = NULL;
    lock(c);
    if (c->senders) {
        c->senders++;
        c->refs++;
        *tx = c;
        err = 0;
    }
    unlock(c);
    return err;
}

void kio_weak_tx_drop_(struct kio_chan_ **weak)
{
    struct kio_chan_ *c = *weak;

    if (!c)
        return;
    *weak = NULL;
    lock(c);
    c->weaks--;
    ki_chan_unlock_unref(c);
}

size_t kio_chan_senders_(struct kio_chan_ *c)
{
    size_t count;

    checked(c, 0, "kio_tx_strong_count");
    lock(c);
    count = c->senders;
    unlock(c);
    return count;
}

size_t kio_chan_weaks_(struct kio_chan_ *c)
{
    size_t count;

    checked(c, 0, "kio_tx_weak_count");
    lock(c);
    count = c->weaks;
    unlock(c);
    return count;
}

/* ---- sending ------------------------------------------------------------------------------ */

static bool has_room(const struct kio_chan_ *c)
{
    return c->buffer.count + c->promised < c->cap; /* SIZE_MAX is never reached */
}

/* Under the lock, with room for it. 0 or -ENOMEM; *waker: the receiver's, to be woken. */
static int put_locked(struct kio_chan_ *c, const void *value, kio_waker *waker)
{
    if (!ki_buffer_push(&c->buffer, value))
        return -ENOMEM;
    *waker = ki_waker_take(&c->receiver);
    return 0;
}

/* Under the lock: a place got free: it is promised to the first in line, who stays there until it has
 * all it waits for. */
static kio_waker pass_on_locked(struct kio_chan_ *c)
{
    struct kio_waiter_ *w = c->line.first;
    struct kio_send *send;

    if (!w)
        return (kio_waker){ NULL };
    send = ki_container(w, struct kio_send, waiter);
    c->promised++;
    if (kio_unlikely_(send->many) && !ki_reserve_many_got_one(send))
        return (kio_waker){ NULL };
    ki_waiters_remove(&c->line, w);
    send->assigned = true;
    return ki_waker_take(&w->waker);
}

/* Under the lock: a promised place is given up. The receiver may be waiting for just that. */
static kio_waker give_up_locked(struct kio_chan_ *c)
{
    c->promised--;
    if (!c->line.first && over_locked(c) && !c->buffer.count)
        return ki_waker_take(&c->receiver);
    return pass_on_locked(c);
}

void ki_chan_give_up(struct kio_chan_ *c, size_t places)
{
    if (!c->line.first && places > 1) { /* at once: there may be very many */
        c->promised -= places - 1;
        places = 1;
    }
    while (places--) {
        kio_waker waker = give_up_locked(c);

        if (waker.to) {
            unlock(c);
            kio_waker_wake(waker);
            lock(c);
        }
    }
}

/* 0, -EPIPE, -ENOMEM; -EAGAIN: no room. */
static inline int send_now(struct kio_chan_ *c, const void *value)
{
    kio_waker waker = { NULL };
    int err;

    lock(c);
    if (c->closed)
        err = -EPIPE;
    else if (!has_room(c))
        err = -EAGAIN;
    else
        err = put_locked(c, value, &waker);
    unlock(c);
    kio_waker_wake(waker);
    return err;
}

int kio_try_send_(struct kio_chan_ *c, const void *value, size_t size)
{
    return send_now(checked(c, size, "kio_try_send"), value);
}

/* 0, an error, or -EAGAIN: it waits. value NULL: takes a permit instead of sending. */
KIO_NOINLINE int ki_send_step(struct kio_send *self, kio_context *cx)
{
    struct kio_chan_ *c = self->chan;
    kio_waker wake = { NULL };
    kio_waker old = { NULL };
    int err = -EAGAIN;

    lock(c);
    if (self->assigned) {
        /* A promise holds after a close, not after the receiver's end. */
        if (self->value || c->rx_gone)
            c->promised--;
        err = c->rx_gone ? -EPIPE : self->value ? put_locked(c, self->value, &wake) : 0;
        self->assigned = false;
    } else if (c->closed) {
        err = -EPIPE;
    } else if (!self->waiting && has_room(c)) {
        if (self->value)
            err = put_locked(c, self->value, &wake);
        else
            err = (c->promised++, 0);
    } else {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiting)
            ki_waiters_push(&c->line, &self->waiter);
        self->waiting = true;
    }
    if (err != -EAGAIN) {
        if (self->waiter.prev) /* closed, and wake_line has not come to it */
            ki_waiters_remove(&c->line, &self->waiter);
        if (self->waiting)
            old = ki_waker_take(&self->waiter.waker);
        self->waiting = false;
        if (!self->value && !err)
            c->refs++; /* the permit's */
    }
    unlock(c);
    kio_waker_drop(old);
    kio_waker_wake(wake);
    return err;
}

static KIO_NOINLINE kio_poll send_poll_slow(kio_future *f, kio_context *cx)
{
    struct kio_send *self = (struct kio_send *)f;
    int err;

    f->state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    err = ki_send_step(self, cx);
    if (err == -EAGAIN)
        return KIO_PENDING;
    kio_coop_did_(cx);
    self->out = err;
    return ki_ready_now(f);
}

static KIO_NOINLINE kio_poll wake_and_be_ready(kio_waker waker)
{
    kio_waker_wake(waker);
    return KIO_READY;
}

/* The usual case has no call but at its end, so nothing is kept across one: a free lock, room, a message
 * of 8 or 16 bytes. The others go to a function of their own. */
static kio_poll send_poll(kio_future *f, kio_context *cx)
{
    struct kio_send *self = (struct kio_send *)f;
    struct kio_chan_ *c = self->chan;
    bool alone = ki_alone(); /* and stays it in here, where nothing is called: so there is no lock to take */
    kio_waker waker;

    if (kio_unlikely_(self->waiting || !ki_coop_can(cx) || (!alone && !ki_chan_try_lock(c))))
        return send_poll_slow(f, cx);
    if (kio_unlikely_(c->closed || !has_room(c) || !ki_buffer_push_quick(&c->buffer, self->value))) {
        if (!alone)
            unlock(c);
        return send_poll_slow(f, cx);
    }
    waker = ki_waker_take(&c->receiver);
    if (!alone)
        unlock(c);
    kio_coop_did_(cx);
    self->out = 0;
    ki_ready_now(f);
    return waker.to ? wake_and_be_ready(waker) : KIO_READY;
}

/* Leaves the line; a place that was promised goes to the next. */
void ki_send_leave(struct kio_send *self)
{
    struct kio_chan_ *c = self->chan;
    kio_waker wake = { NULL };
    kio_waker old = { NULL };

    if (!self->waiting)
        return;
    self->waiting = false;
    lock(c);
    if (self->assigned)
        wake = give_up_locked(c);
    else if (self->waiter.prev)
        ki_waiters_remove(&c->line, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    unlock(c);
    kio_waker_drop(old);
    kio_waker_wake(wake);
}

static void send_drop(kio_future *f)
{
    ki_send_leave((struct kio_send *)f);
}

static void chan_describe(struct kio_chan_ *c, char *text, size_t cap)
{
    snprintf(text, cap, "channel %p, %zu queued", (void *)c, kio_chan_len_(c));
}

static void send_describe(const kio_future *f, char *text, size_t cap)
{
    chan_describe(((const struct kio_send *)f)->chan, text, cap);
}

/* What both ends show: how full it is, and what is known of the other end. */
static void chan_waits_locked(const struct kio_chan_ *c, struct kio_waits *to)
{
    to->what = "channel";
    to->at = c;
    to->ends = true;
    if (c->cap == SIZE_MAX)
        snprintf(to->text, sizeof to->text, "%zu queued, %zu senders", c->buffer.count, c->senders);
    else
        snprintf(to->text, sizeof to->text, "%zu of %zu queued, %zu senders%s", c->buffer.count,
                 c->cap, c->senders, c->line.first ? ", some wait" : "");
}

void ki_send_waits(const kio_future *f, struct kio_waits *to)
{
    const struct kio_send *self = (const struct kio_send *)f;
    struct kio_chan_ *c = self->chan;

    lock(c);
    chan_waits_locked(c, to);
    snprintf(to->text, sizeof to->text, "%zu of %zu queued, the receiver %s", c->buffer.count, c->cap,
             c->receiver.to ? "waits" : "does not wait");
    to->has = self->assigned;
    ki_waiters_place(&c->line, &self->waiter, to);
    unlock(c);
}

static const kio_future_type send_type = {
    .name = "kio_send",
    .waits = ki_send_waits,
    .kind = KIO_KIND_WAITER,
    .late = true,
    .size = sizeof(struct kio_send),
    .poll = send_poll,
    .drop = send_drop,
    .out_offset = offsetof(struct kio_send, out),
    .out_size = sizeof(int),
    .describe = send_describe,
};

void ki_send_init(struct kio_send *slot, struct kio_chan_ *chan, const void *value)
{
    slot->kio = (kio_future){ .type = &send_type };
    slot->chan = chan;
    slot->value = value;
    slot->waiter.prev = NULL;
    slot->waiter.waker.to = NULL;
    slot->waiting = slot->assigned = slot->many = false;
}

/* What a constructor checks, in one condition: so it keeps nothing across a call. Where it does not hold
 * another function finds out why. */
static inline bool all_is_well(const kio_future *slot, const struct kio_chan_ *chan,
                               const void *value, size_t size)
{
    return chan && (size == chan->buffer.size || !size) && !ki_on_poll_stack(value) &&
           !kio_is_taken_(slot);
}

static KIO_NOINLINE struct kio_send *send_checked(struct kio_send *slot, struct kio_chan_ *chan,
                                                  const void *value, size_t size)
{
    checked(chan, size, "kio_send");
    ki_guard_borrow(value, "kio_send", "value");
    kio_vacate_(&slot->kio);
    /* NULL stands for "a permit only" inside; a message of no bytes may have no address. */
    ki_send_init(slot, chan, value ? value : slot);
    return slot;
}

struct kio_send *kio_send_(struct kio_send *slot, struct kio_chan_ *chan, const void *value,
                           size_t size)
{
    if (kio_unlikely_(!value || !all_is_well(&slot->kio, chan, value, size)))
        return send_checked(slot, chan, value, size);
    ki_send_init(slot, chan, value);
    return slot;
}

int kio_blocking_send_(struct kio_chan_ *chan, const void *value, size_t size)
{
    struct kio_send send = { 0 };

    kio_send_(&send, chan, value, size);
    ki_block_thread(&send.kio, "kio_blocking_send");
    return send.out;
}

/* ---- permits ------------------------------------------------------------------------------ */

static kio_poll reserve_poll(kio_future *f, kio_context *cx)
{
    struct kio_reserve *self = (struct kio_reserve *)f;
    int err;

    f->state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    err = ki_send_step(&self->send, cx);
    if (err == -EAGAIN)
        return KIO_PENDING;
    kio_coop_did_(cx);
    self->out = err;
    if (!err)
        *self->permit = self->send.chan;
    return ki_ready_now(f);
}

static void reserve_drop(kio_future *f)
{
    ki_send_leave(&((struct kio_reserve *)f)->send);
}

static void reserve_describe(const kio_future *f, char *text, size_t cap)
{
    chan_describe(((const struct kio_reserve *)f)->send.chan, text, cap);
}

static void reserve_waits(const kio_future *f, struct kio_waits *to)
{
    ki_send_waits(&((const struct kio_reserve *)f)->send.kio, to);
}

static const kio_future_type reserve_type = {
    .name = "kio_reserve",
    .waits = reserve_waits,
    .size = sizeof(struct kio_reserve),
    .poll = reserve_poll,
    .drop = reserve_drop,
    .out_offset = offsetof(struct kio_reserve, out),
    .out_size = sizeof(int),
    .describe = reserve_describe,
};

struct kio_reserve *kio_reserve_(struct kio_reserve *slot, struct kio_chan_ *chan,
                                 struct kio_chan_ **permit)
{
    checked(chan, 0, "kio_reserve");
    kio_guard_borrow_(permit, "kio_reserve", "permit");
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &reserve_type };
    slot->permit = permit;
    *permit = NULL;
    ki_send_init(&slot->send, chan, NULL);
    return slot;
}

int kio_try_reserve_(struct kio_chan_ *c, struct kio_chan_ **permit)
{
    int err = 0;

    checked(c, 0, "kio_try_reserve");
    *permit = NULL;
    lock(c);
    if (c->closed) {
        err = -EPIPE;
    } else if (!has_room(c)) {
        err = -EAGAIN;
    } else {
        c->promised++;
        c->refs++;
        *permit = c;
    }
    unlock(c);
    return err;
}

int kio_permit_send_(struct kio_chan_ **permit, const void *value, size_t size)
{
    struct kio_chan_ *c = checked(*permit, size, "kio_permit_send");
    kio_waker waker = { NULL };
    int err;

    *permit = NULL;
    lock(c);
    c->promised--;
    err = c->rx_gone ? -EPIPE : put_locked(c, value, &waker);
    if (err && over_locked(c) && !c->buffer.count)
        waker = ki_waker_take(&c->receiver); /* it waited for this one */
    ki_chan_unlock_unref(c);
    kio_waker_wake(waker);
    return err;
}

void kio_permit_drop_(struct kio_chan_ **permit)
{
    struct kio_chan_ *c = *permit;
    kio_waker waker;

    if (!c)
        return;
    *permit = NULL;
    lock(c);
    waker = give_up_locked(c);
    ki_chan_unlock_unref(c);
    kio_waker_wake(waker);
}

/* ---- closed() ----------------------------------------------------------------------------- */

static kio_poll closed_poll(kio_future *f, kio_context *cx)
{
    struct kio_tx_closed *self = (struct kio_tx_closed *)f;
    struct kio_chan_ *c = self->chan;
    kio_waker old = { NULL };
    bool closed;

    f->state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    lock(c);
    closed = c->closed;
    if (!closed) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&c->closing, &self->waiter);
    }
    unlock(c);
    kio_waker_drop(old);
    if (!closed)
        return KIO_PENDING;
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static void closed_drop(kio_future *f)
{
    struct kio_tx_closed *self = (struct kio_tx_closed *)f;
    struct kio_chan_ *c = self->chan;
    kio_waker old;

    lock(c);
    if (self->waiter.prev)
        ki_waiters_remove(&c->closing, &self->waiter);
    old = ki_waker_take(&self->waiter.waker);
    unlock(c);
    kio_waker_drop(old);
}

static const kio_future_type closed_type = {
    .name = "kio_tx_closed",
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_tx_closed),
    .poll = closed_poll,
    .drop = closed_drop,
};

struct kio_tx_closed *kio_tx_closed_(struct kio_tx_closed *slot, struct kio_chan_ *chan)
{
    checked(chan, 0, "kio_tx_closed");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_tx_closed){ .kio = { .type = &closed_type }, .chan = chan };
    return slot;
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* Under the lock, which is let go for each wake: up to max messages. */
static KIO_NOINLINE size_t take_locked(struct kio_chan_ *c, char *values, size_t max)
{
    size_t count = 0;

    while (count < max && c->buffer.count) {
        kio_waker next;

        ki_buffer_pop(&c->buffer, values + count * c->buffer.size);
        count++;
        next = c->closed ? (kio_waker){ NULL } : pass_on_locked(c);
        if (kio_unlikely_(next.to != NULL)) {
            unlock(c);
            kio_waker_wake(next);
            lock(c);
        }
    }
    return count;
}

int kio_try_recv_(struct kio_chan_ *c, void *value, size_t size)
{
    int got;

    checked(c, size, "kio_try_recv");
    lock(c);
    got = (int)take_locked(c, value, 1); /* the waker that a receive has left stays */
    if (!got && !over_locked(c))
        got = -EAGAIN;
    unlock(c);
    return got;
}

/* Out of the channel: nothing of this future is left there. */
static void recv_leave(struct kio_recv *self)
{
    struct kio_chan_ *c = self->chan;
    kio_waker old;

    if (!self->waiting)
        return;
    self->waiting = false;
    lock(c);
    old = ki_waker_take(&c->receiver);
    unlock(c);
    kio_waker_drop(old);
}

/* Unlocks. How many were taken; SIZE_MAX: pending. */
static inline size_t recv_step_unlock(struct kio_recv *self, kio_context *cx, size_t max)
{
    struct kio_chan_ *c = self->chan;
    kio_waker old = { NULL };
    size_t count = 1;

    if (!c->buffer.count && !over_locked(c)) {
        if (!kio_waker_will_wake(c->receiver, cx->waker)) {
            old = c->receiver;
            c->receiver = kio_waker_clone(cx->waker);
        }
        unlock(c);
        kio_waker_drop(old);
        self->waiting = true;
        return SIZE_MAX;
    }
    if (max == 1 && c->buffer.count && !c->line.first) /* nobody to pass the place on to */
        ki_buffer_pop(&c->buffer, self->value);
    else
        count = take_locked(c, self->value, max);
    old = ki_waker_take(&c->receiver); /* empty, or this was polled without a wake */
    unlock(c);
    kio_waker_drop(old);
    kio_coop_did_(cx);
    self->waiting = false;
    return count;
}

static KIO_NOINLINE kio_poll recv_poll_unlock(kio_future *f, kio_context *cx)
{
    struct kio_recv *self = (struct kio_recv *)f;
    size_t count;

    f->state = self;
    count = recv_step_unlock(self, cx, 1);
    if (count == SIZE_MAX)
        return KIO_PENDING;
    self->out = (int)count;
    return ki_ready_now(f);
}

static KIO_NOINLINE kio_poll recv_poll_slow(kio_future *f, kio_context *cx)
{
    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    lock(((struct kio_recv *)f)->chan);
    return recv_poll_unlock(f, cx);
}

/* As send_poll: the usual case is a free lock, a message of 8 or 16 bytes, nobody to pass the place on
 * to, no waker of an earlier poll. */
static kio_poll recv_poll(kio_future *f, kio_context *cx)
{
    struct kio_recv *self = (struct kio_recv *)f;
    struct kio_chan_ *c = self->chan;
    bool alone = ki_alone(); /* as in send_poll */

    if (kio_unlikely_(!ki_coop_can(cx) || (!alone && !ki_chan_try_lock(c))))
        return recv_poll_slow(f, cx);
    if (kio_unlikely_(c->line.first || c->receiver.to || !ki_buffer_pop_quick(&c->buffer, self->value))) {
        if (alone)
            ki_chan_lock_alone(c);
        return recv_poll_unlock(f, cx);
    }
    if (!alone)
        unlock(c);
    kio_coop_did_(cx);
    self->out = 1;
    return ki_ready_now(f);
}

static void recv_drop(kio_future *f)
{
    recv_leave((struct kio_recv *)f);
}

static void recv_describe(const kio_future *f, char *text, size_t cap)
{
    chan_describe(((const struct kio_recv *)f)->chan, text, cap);
}

static void recv_waits(const kio_future *f, struct kio_waits *to)
{
    struct kio_chan_ *c = ((const struct kio_recv *)f)->chan;

    lock(c);
    chan_waits_locked(c, to);
    unlock(c);
}

static const kio_future_type recv_type = {
    .name = "kio_recv",
    .waits = recv_waits,
    .late = true,
    .size = sizeof(struct kio_recv),
    .poll = recv_poll,
    .drop = recv_drop,
    .out_offset = offsetof(struct kio_recv, out),
    .out_size = sizeof(int),
    .describe = recv_describe,
};

static inline struct kio_recv *recv_init(struct kio_recv *slot, struct kio_chan_ *chan,
                                         void *value)
{
    slot->kio = (kio_future){ .type = &recv_type };
    slot->chan = chan;
    slot->value = value;
    slot->waiting = false;
    return slot;
}

static KIO_NOINLINE struct kio_recv *recv_checked(struct kio_recv *slot, struct kio_chan_ *chan,
                                                  void *value, size_t size)
{
    checked(chan, size, "kio_recv");
    ki_guard_borrow(value, "kio_recv", "value");
    kio_vacate_(&slot->kio);
    return recv_init(slot, chan, value);
}

struct kio_recv *kio_recv_(struct kio_recv *slot, struct kio_chan_ *chan, void *value, size_t size)
{
    if (kio_unlikely_(!all_is_well(&slot->kio, chan, value, size)))
        return recv_checked(slot, chan, value, size);
    return recv_init(slot, chan, value);
}

static kio_poll recv_many_poll(kio_future *f, kio_context *cx)
{
    struct kio_recv_many *self = (struct kio_recv_many *)f;
    size_t got = 0;

    f->state = self;
    if (self->max) {
        if (!kio_coop_may_(cx))
            return KIO_PENDING;
        lock(self->recv.chan);
        got = recv_step_unlock(&self->recv, cx, self->max);
        if (got == SIZE_MAX)
            return KIO_PENDING;
    }
    self->out = got;
    return ki_ready_now(f);
}

static void recv_many_drop(kio_future *f)
{
    recv_leave(&((struct kio_recv_many *)f)->recv);
}

static void recv_many_waits(const kio_future *f, struct kio_waits *to)
{
    recv_waits(&((const struct kio_recv_many *)f)->recv.kio, to);
}

static const kio_future_type recv_many_type = {
    .name = "kio_recv_many",
    .waits = recv_many_waits,
    .late = true,
    .size = sizeof(struct kio_recv_many),
    .poll = recv_many_poll,
    .drop = recv_many_drop,
    .out_offset = offsetof(struct kio_recv_many, out),
    .out_size = sizeof(size_t),
};

struct kio_recv_many *kio_recv_many_(struct kio_recv_many *slot, struct kio_chan_ *chan,
                                     void *values, size_t size, size_t max)
{
    checked(chan, size, "kio_recv_many");
    kio_guard_borrow_(values, "kio_recv_many", "values");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_recv_many){
        .kio = { .type = &recv_many_type },
        .recv = { .chan = chan, .value = values },
        .max = max,
    };
    return slot;
}

int kio_blocking_recv_(struct kio_chan_ *chan, void *value, size_t size)
{
    struct kio_recv recv = { 0 };

    kio_recv_(&recv, chan, value, size);
    ki_block_thread(&recv.kio, "kio_blocking_recv");
    return recv.out;
}

size_t kio_blocking_recv_many_(struct kio_chan_ *chan, void *values, size_t size, size_t max)
{
    struct kio_recv_many many = { 0 };

    kio_recv_many_(&many, chan, values, size, max);
    ki_block_thread(&many.kio, "kio_blocking_recv_many");
    return many.out;
}
