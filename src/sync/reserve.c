/*
 * Room in an mpsc channel for several messages, and room that travels with its sender.
 *
 * Several places are collected one by one by who is first in the line: pass_on_locked() in mpsc.c
 * promises each place that gets free to the first, and that one stays first until it has all of
 * them. Collecting by several reservations one after another would be no line: two that each have
 * half of the channel would wait for each other.
 *
 * Access: `got` and the send's flags under the channel's lock; `got` places are promised.
 * Life: struct kio_reserved holds one reference as long as places are left in it.
 */
#include "mpsc.h"
#include "../base/list.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>

/* Beyond it nobody has memory, and sums of a few stay below SIZE_MAX. */
#define KI_RESERVE_MAX (SIZE_MAX >> 3)

static bool never_fits(const struct kio_chan_ *c, size_t need)
{
    return need > c->cap || need > KI_RESERVE_MAX;
}

/* ---- several ------------------------------------------------------------------------------ */

bool ki_reserve_many_got_one(struct kio_send *send)
{
    struct kio_reserve_many *many = ki_container(send, struct kio_reserve_many, send);

    return ++many->got == many->need;
}

/* Under the lock: the places are the caller's. */
static void hand_over(struct kio_chan_ *c, size_t places, struct kio_chan_ **reserved, size_t *count)
{
    if (!places)
        return;
    c->refs++;
    *reserved = c;
    *count = places;
}

/* 0, -EPIPE, or -EAGAIN: it waits. */
static int reserve_many_step(struct kio_reserve_many *self, kio_context *cx)
{
    struct kio_send *send = &self->send;
    struct kio_chan_ *c = send->chan;
    kio_waker old = { NULL };
    int err = 0;

    ki_chan_lock(c);
    if (!send->waiting && !c->closed) { /* when others wait there is no room */
        size_t room = ki_chan_free_places(c);

        self->got = room < self->need ? room : self->need;
        c->promised += self->got;
    }
    if (c->rx_gone || (c->closed && !send->assigned)) {
        err = -EPIPE;
        ki_chan_give_up(c, self->got);
        self->got = 0;
    } else if (self->got == self->need) {
        hand_over(c, self->got, self->reserved, self->count);
    } else {
        err = -EAGAIN;
        old = ki_waiter_set(&send->waiter, cx->waker);
        if (!send->waiting)
            ki_waiters_push(&c->line, &send->waiter);
    }
    if (err != -EAGAIN && send->waiting) {
        if (send->waiter.prev) /* closed, and who wakes all has not come to it */
            ki_waiters_remove(&c->line, &send->waiter);
        old = ki_waker_take(&send->waiter.waker);
    }
    send->waiting = err == -EAGAIN;
    ki_chan_unlock(c);
    kio_waker_drop(old);
    return err;
}

static kio_poll reserve_many_poll(kio_future *f, kio_context *cx)
{
    struct kio_reserve_many *self = (struct kio_reserve_many *)f;
    int err = -EINVAL;

    f->state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    if (!never_fits(self->send.chan, self->need))
        err = reserve_many_step(self, cx);
    if (err == -EAGAIN)
        return KIO_PENDING;
    kio_coop_did_(cx);
    self->out = err;
    return ki_ready_now(f);
}

static void reserve_many_drop(kio_future *f)
{
    struct kio_reserve_many *self = (struct kio_reserve_many *)f;
    struct kio_send *send = &self->send;
    struct kio_chan_ *c = send->chan;
    kio_waker old;

    if (!send->waiting)
        return;
    send->waiting = false;
    ki_chan_lock(c);
    if (send->waiter.prev)
        ki_waiters_remove(&c->line, &send->waiter);
    old = ki_waker_take(&send->waiter.waker);
    ki_chan_give_up(c, self->got);
    ki_chan_unlock(c);
    kio_waker_drop(old);
}

static void reserve_many_waits(const kio_future *f, struct kio_waits *to)
{
    ki_send_waits(&((const struct kio_reserve_many *)f)->send.kio, to);
}

static const kio_future_type reserve_many_type = {
    .name = "kio_reserve_many",
    .waits = reserve_many_waits,
    .size = sizeof(struct kio_reserve_many),
    .poll = reserve_many_poll,
    .drop = reserve_many_drop,
    .out_offset = offsetof(struct kio_reserve_many, out),
    .out_size = sizeof(int),
};

struct kio_reserve_many *kio_reserve_many_(struct kio_reserve_many *slot, struct kio_chan_ *chan,
                                           size_t need, struct kio_chan_ **reserved, size_t *count)
{
    ki_chan_checked(chan, "kio_reserve_many");
    kio_guard_borrow_(reserved, "kio_reserve_many", "reserved");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_reserve_many){
        .kio = { .type = &reserve_many_type },
        .reserved = reserved,
        .count = count,
        .need = need,
    };
    ki_send_init(&slot->send, chan, NULL);
    slot->send.many = true;
    *reserved = NULL;
    *count = 0;
    return slot;
}

int kio_try_reserve_many_(struct kio_chan_ *c, size_t need, struct kio_chan_ **reserved, size_t *count)
{
    int err = 0;

    ki_chan_checked(c, "kio_try_reserve_many");
    *reserved = NULL;
    *count = 0;
    ki_chan_lock(c);
    if (c->closed) {
        err = -EPIPE;
    } else if (never_fits(c, need)) {
        err = -EINVAL;
    } else if (need > ki_chan_free_places(c)) {
        err = -EAGAIN;
    } else {
        c->promised += need;
        hand_over(c, need, reserved, count);
    }
    ki_chan_unlock(c);
    return err;
}

bool kio_reserved_next_(struct kio_chan_ **reserved, size_t *count, struct kio_chan_ **permit)
{
    struct kio_chan_ *c = *reserved;

    *permit = c;
    if (!c)
        return false;
    if (--*count == 0) {
        *reserved = NULL; /* the reference goes with the last one */
        return true;
    }
    ki_chan_lock(c);
    c->refs++;
    ki_chan_unlock(c);
    return true;
}

void kio_reserved_drop_(struct kio_chan_ **reserved, size_t *count)
{
    struct kio_chan_ *c = *reserved;
    size_t left = *count;

    if (!c)
        return;
    *reserved = NULL;
    *count = 0;
    ki_chan_lock(c);
    ki_chan_give_up(c, left);
    ki_chan_unlock_unref(c);
}

/* ---- with the sender ---------------------------------------------------------------------- */

static kio_poll reserve_owned_poll(kio_future *f, kio_context *cx)
{
    struct kio_reserve_owned *self = (struct kio_reserve_owned *)f;
    int err;

    f->state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    err = ki_send_step(&self->send, cx);
    if (err == -EAGAIN)
        return KIO_PENDING;
    kio_coop_did_(cx);
    self->out = err;
    if (!err) {
        *self->permit = self->send.chan;
        *self->tx = NULL;
    }
    return ki_ready_now(f);
}

static void reserve_owned_drop(kio_future *f)
{
    ki_send_leave(&((struct kio_reserve_owned *)f)->send);
}

static void reserve_owned_waits(const kio_future *f, struct kio_waits *to)
{
    ki_send_waits(&((const struct kio_reserve_owned *)f)->send.kio, to);
}

static const kio_future_type reserve_owned_type = {
    .name = "kio_reserve_owned",
    .waits = reserve_owned_waits,
    .size = sizeof(struct kio_reserve_owned),
    .poll = reserve_owned_poll,
    .drop = reserve_owned_drop,
    .out_offset = offsetof(struct kio_reserve_owned, out),
    .out_size = sizeof(int),
};

struct kio_reserve_owned *kio_reserve_owned_(struct kio_reserve_owned *slot, struct kio_chan_ **tx,
                                             struct kio_chan_ **permit)
{
    struct kio_chan_ *c = ki_chan_checked(*tx, "kio_reserve_owned");

    kio_guard_borrow_(tx, "kio_reserve_owned", "tx");
    kio_guard_borrow_(permit, "kio_reserve_owned", "permit");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_reserve_owned){
        .kio = { .type = &reserve_owned_type },
        .tx = tx,
        .permit = permit,
    };
    ki_send_init(&slot->send, c, NULL);
    *permit = NULL;
    return slot;
}

int kio_try_reserve_owned_(struct kio_chan_ **tx, struct kio_chan_ **permit)
{
    int err = kio_try_reserve_(ki_chan_checked(*tx, "kio_try_reserve_owned"), permit);

    if (!err)
        *tx = NULL;
    return err;
}

/* The permit has two references: its own, which is the permit's of mpsc.c, and the sender's. */
int kio_owned_permit_send_(struct kio_chan_ **permit, const void *value, size_t size,
                           struct kio_chan_ **tx)
{
    struct kio_chan_ *c = ki_chan_checked(*permit, "kio_owned_permit_send");
    int err = kio_permit_send_(permit, value, size);

    *tx = c;
    return err;
}

void kio_owned_permit_release_(struct kio_chan_ **permit, struct kio_chan_ **tx)
{
    struct kio_chan_ *c = ki_chan_checked(*permit, "kio_owned_permit_release");

    kio_permit_drop_(permit);
    *tx = c;
}

void kio_owned_permit_drop_(struct kio_chan_ **permit)
{
    struct kio_chan_ *tx = *permit;

    kio_permit_drop_(permit);
    kio_tx_drop_(&tx);
}
