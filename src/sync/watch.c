/*
 * Watch: one value with a version; receivers remember the version they have seen.
 *
 * Access: all of it under the lock; size is fixed. A receiver's `seen` is its owner's.
 * Life: `refs` counts handles; the last one frees. Who wakes with the lock let go holds one.
 *
 * Functions of the user look at the value and change it under the lock: it would have to be copied
 * otherwise, twice for a change. So they may not come back here, and `looking` finds those that do.
 */
#include "waiters.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <kioto/watch.h>

#include <errno.h>
#include <string.h>

struct kio_watch_ {
    struct kio_lock_ lock;
    size_t senders, receivers, refs;
    size_t size;
    uint64_t version;
    struct ki_waiters line;    /* for a change */
    struct ki_waiters closing; /* for the last receiver to go */
    _Alignas(16) char value[];
};

/* The channel whose lock this thread holds while a function of the user's runs. */
static _Thread_local const struct kio_watch_ *looking;

static KIO_COLD void misused(const struct kio_watch_ *w, size_t size, const char *call)
{
    if (!w)
        ki_guard_fail(ki_guard_here(), "make the channel first, and use a handle only until it is dropped",
                      "%s got an empty handle", call);
    if (looking == w)
        ki_guard_fail(ki_guard_here(), "use the channel after the function has returned",
                      "%s inside a function that looks at the value of the same channel", call);
    ki_guard_fail(ki_guard_here(), "hand over a pointer to the type the channel was made for",
                  "%s: the value has %zu bytes, the channel's %zu", call, size, w->size);
}

static struct kio_watch_ *checked(struct kio_watch_ *w, size_t size, const char *call)
{
    if (kio_unlikely_(!w || looking == w || (size && size != w->size)))
        misused(w, size, call);
    return w;
}

static void lock(struct kio_watch_ *w)
{
    ki_sync_lock(&w->lock);
}

static void unlock(struct kio_watch_ *w)
{
    ki_sync_unlock(&w->lock);
}

static void copy(void *to, const void *from, size_t size)
{
    if (size)
        memcpy(to, from, size);
}

/* ---- handles ------------------------------------------------------------------------------ */

int kio_watch_new_(struct kio_watch_ **tx, struct kio_watch_rx_ *rx, size_t size, const void *value)
{
    struct kio_watch_ *w = size > SIZE_MAX / 2 ? NULL : ki_mem_alloc(sizeof *w + size);

    *tx = w;
    *rx = (struct kio_watch_rx_){ .watch = w };
    if (!w)
        return -ENOMEM;
    *w = (struct kio_watch_){ .senders = 1, .receivers = 1, .refs = 2, .size = size };
    copy(w->value, value, size);
    return 0;
}

struct kio_watch_ *kio_watch_tx_clone_(struct kio_watch_ *w)
{
    checked(w, 0, "kio_watch_tx_clone");
    lock(w);
    w->senders++;
    w->refs++;
    unlock(w);
    return w;
}

struct kio_watch_rx_ kio_watch_subscribe_(struct kio_watch_ *w)
{
    struct kio_watch_rx_ rx = { .watch = checked(w, 0, "kio_watch_subscribe") };

    lock(w);
    w->receivers++;
    w->refs++;
    rx.seen = w->version;
    unlock(w);
    return rx;
}

struct kio_watch_rx_ kio_watch_rx_clone_(const struct kio_watch_rx_ *rx)
{
    struct kio_watch_ *w = checked(rx->watch, 0, "kio_watch_rx_clone");

    lock(w);
    w->receivers++;
    w->refs++;
    unlock(w);
    return *rx;
}

static void unlock_unref(struct kio_watch_ *w)
{
    bool last = --w->refs == 0;

    unlock(w);
    if (last)
        ki_mem_free(w);
}

void kio_watch_tx_drop_(struct kio_watch_ **tx)
{
    struct kio_watch_ *w = *tx;

    if (!w)
        return;
    checked(w, 0, "kio_watch_tx_drop");
    *tx = NULL;
    lock(w);
    if (--w->senders == 0)
        ki_waiters_wake_all(&w->line, &w->lock);
    unlock_unref(w);
}

void kio_watch_rx_drop_(struct kio_watch_rx_ *rx)
{
    struct kio_watch_ *w = rx->watch;

    if (!w)
        return;
    checked(w, 0, "kio_watch_rx_drop");
    rx->watch = NULL;
    lock(w);
    if (--w->receivers == 0)
        ki_waiters_wake_all(&w->closing, &w->lock);
    unlock_unref(w);
}

size_t kio_watch_senders_(struct kio_watch_ *w)
{
    size_t count;

    checked(w, 0, "kio_watch_sender_count");
    lock(w);
    count = w->senders;
    unlock(w);
    return count;
}

size_t kio_watch_receivers_(struct kio_watch_ *w)
{
    size_t count;

    checked(w, 0, "kio_watch_receiver_count");
    lock(w);
    count = w->receivers;
    unlock(w);
    return count;
}

/* ---- sending ------------------------------------------------------------------------------ */

/* Under the lock, which is let go for the wakes: the value is a new one. The caller's handle holds w. */
static void tell(struct kio_watch_ *w)
{
    w->version++;
    ki_waiters_wake_all(&w->line, &w->lock);
}

int kio_watch_send_(struct kio_watch_ *w, const void *value, size_t size)
{
    int err = -EPIPE;

    checked(w, size, "kio_watch_send");
    lock(w);
    if (w->receivers) {
        copy(w->value, value, w->size);
        tell(w);
        err = 0;
    }
    unlock(w);
    return err;
}

void kio_watch_send_replace_(struct kio_watch_ *w, const void *value, size_t size, void *old)
{
    checked(w, size, "kio_watch_send_replace");
    lock(w);
    if (old)
        copy(old, w->value, w->size);
    copy(w->value, value, w->size);
    tell(w);
    unlock(w);
}

void kio_watch_send_modify_(struct kio_watch_ *w, kio_watch_change *change, void *arg)
{
    checked(w, 0, "kio_watch_send_modify");
    lock(w);
    looking = w;
    change(w->value, arg);
    looking = NULL;
    tell(w);
    unlock(w);
}

bool kio_watch_send_if_modified_(struct kio_watch_ *w, kio_watch_change_if *change, void *arg)
{
    bool changed;

    checked(w, 0, "kio_watch_send_if_modified");
    lock(w);
    looking = w;
    changed = change(w->value, arg);
    looking = NULL;
    if (changed)
        tell(w);
    unlock(w);
    return changed;
}

/* ---- reading ------------------------------------------------------------------------------ */

void kio_watch_get_(struct kio_watch_rx_ *rx, void *value, size_t size)
{
    struct kio_watch_ *w = checked(rx->watch, size, "kio_watch_get");

    lock(w);
    copy(value, w->value, w->size);
    rx->seen = w->version;
    unlock(w);
}

void kio_watch_peek_(struct kio_watch_ *w, void *value, size_t size)
{
    checked(w, size, "kio_watch_peek");
    lock(w);
    copy(value, w->value, w->size);
    unlock(w);
}

/* Under the lock. */
static void look_locked(struct kio_watch_ *w, kio_watch_look *look, void *arg)
{
    looking = w;
    look(w->value, arg);
    looking = NULL;
}

void kio_watch_borrow_(struct kio_watch_ *w, kio_watch_look *look, void *arg)
{
    checked(w, 0, "kio_watch_borrow");
    lock(w);
    look_locked(w, look, arg);
    unlock(w);
}

void kio_watch_borrow_and_update_(struct kio_watch_rx_ *rx, kio_watch_look *look, void *arg)
{
    struct kio_watch_ *w = checked(rx->watch, 0, "kio_watch_borrow_and_update");

    lock(w);
    look_locked(w, look, arg);
    rx->seen = w->version;
    unlock(w);
}

int kio_watch_has_changed_(const struct kio_watch_rx_ *rx)
{
    struct kio_watch_ *w = checked(rx->watch, 0, "kio_watch_has_changed");
    int answer;

    lock(w);
    answer = rx->seen != w->version ? 1 : w->senders ? 0 : -EPIPE;
    unlock(w);
    return answer;
}

void kio_watch_mark_(struct kio_watch_rx_ *rx, bool seen)
{
    struct kio_watch_ *w = checked(rx->watch, 0, "kio_watch_mark_changed or _unchanged");

    lock(w);
    rx->seen = w->version - !seen; /* below the first version it wraps: not the same, which is all */
    unlock(w);
}

/* ---- changed() ---------------------------------------------------------------------------- */

static kio_poll changed_poll(kio_future *f, kio_context *cx)
{
    struct kio_watch_changed *self = (struct kio_watch_changed *)f;
    struct kio_watch_ *w = checked(self->rx->watch, 0, "kio_watch_changed");
    kio_waker old = { NULL };
    bool ready = true;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    lock(w);
    if (self->rx->seen != w->version) {
        self->rx->seen = w->version;
        self->out = 0;
    } else if (!w->senders) {
        self->out = -EPIPE;
    } else {
        ready = false;
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&w->line, &self->waiter);
    }
    unlock(w);
    kio_waker_drop(old);
    if (!ready)
        return KIO_PENDING;
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

/* Leaves one of w's lines; nothing of the future is left there. */
static void leave(struct kio_watch_ *w, struct ki_waiters *line, struct kio_waiter_ *waiter)
{
    kio_waker old;

    lock(w);
    if (waiter->prev)
        ki_waiters_remove(line, waiter);
    old = ki_waker_take(&waiter->waker);
    unlock(w);
    kio_waker_drop(old);
}

static void changed_drop(kio_future *f)
{
    struct kio_watch_changed *self = (struct kio_watch_changed *)f;
    struct kio_watch_ *w = self->rx->watch;

    if (w)
        leave(w, &w->line, &self->waiter);
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
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_watch_changed),
    .poll = changed_poll,
    .drop = changed_drop,
    .out_offset = offsetof(struct kio_watch_changed, out),
    .out_size = sizeof(int),
};

struct kio_watch_changed *kio_watch_changed_(struct kio_watch_changed *slot, struct kio_watch_rx_ *rx)
{
    kio_guard_borrow_(rx, "kio_watch_changed", "rx");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_watch_changed){ .kio = { .type = &changed_type }, .rx = rx };
    return slot;
}

/* ---- wait_for() --------------------------------------------------------------------------- */

/* Under the lock: whether the condition holds; asked once for each value. */
static bool holds_locked(struct kio_watch_wait_for *self, struct kio_watch_ *w)
{
    bool holds;

    if (self->waiting && self->looked == w->version)
        return false;
    looking = w;
    holds = self->condition(w->value, self->arg);
    looking = NULL;
    self->looked = self->rx->seen = w->version;
    if (holds && self->value)
        copy(self->value, w->value, w->size);
    return holds;
}

static kio_poll wait_for_poll(kio_future *f, kio_context *cx)
{
    struct kio_watch_wait_for *self = (struct kio_watch_wait_for *)f;
    struct kio_watch_ *w = checked(self->rx->watch, 0, "kio_watch_wait_for");
    kio_waker old = { NULL };
    bool holds;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    lock(w);
    holds = holds_locked(self, w);
    self->out = holds ? 0 : -EPIPE;
    self->waiting = !holds && w->senders;
    if (self->waiting) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&w->line, &self->waiter);
    }
    unlock(w);
    kio_waker_drop(old);
    if (self->waiting)
        return KIO_PENDING;
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static void wait_for_drop(kio_future *f)
{
    struct kio_watch_wait_for *self = (struct kio_watch_wait_for *)f;
    struct kio_watch_ *w = self->rx->watch;

    if (w)
        leave(w, &w->line, &self->waiter);
}

static void wait_for_waits(const kio_future *f, struct kio_waits *to)
{
    to->what = "watch";
    to->ends = true;
    to->at = ((const struct kio_watch_wait_for *)f)->rx->watch;
}

static const kio_future_type wait_for_type = {
    .name = "kio_watch_wait_for",
    .waits = wait_for_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_watch_wait_for),
    .poll = wait_for_poll,
    .drop = wait_for_drop,
    .out_offset = offsetof(struct kio_watch_wait_for, out),
    .out_size = sizeof(int),
};

struct kio_watch_wait_for *kio_watch_wait_for_(struct kio_watch_wait_for *slot,
                                               struct kio_watch_rx_ *rx,
                                               kio_watch_condition *condition, void *arg, void *value)
{
    kio_guard_borrow_(rx, "kio_watch_wait_for", "rx");
    kio_guard_borrow_(arg, "kio_watch_wait_for", "arg");
    kio_guard_borrow_(value, "kio_watch_wait_for", "value");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_watch_wait_for){
        .kio = { .type = &wait_for_type },
        .rx = rx,
        .condition = condition,
        .arg = arg,
        .value = value,
    };
    return slot;
}

/* ---- closed() ----------------------------------------------------------------------------- */

static kio_poll closed_poll(kio_future *f, kio_context *cx)
{
    struct kio_watch_closed *self = (struct kio_watch_closed *)f;
    struct kio_watch_ *w = self->watch;
    kio_waker old = { NULL };
    bool closed;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    lock(w);
    closed = !w->receivers;
    if (!closed) {
        old = ki_waiter_set(&self->waiter, cx->waker);
        if (!self->waiter.prev)
            ki_waiters_push(&w->closing, &self->waiter);
    }
    unlock(w);
    kio_waker_drop(old);
    if (!closed)
        return KIO_PENDING;
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static void closed_drop(kio_future *f)
{
    struct kio_watch_closed *self = (struct kio_watch_closed *)f;

    leave(self->watch, &self->watch->closing, &self->waiter);
}

static void closed_waits(const kio_future *f, struct kio_waits *to)
{
    to->what = "watch";
    to->ends = true;
    to->at = ((const struct kio_watch_closed *)f)->watch;
    snprintf(to->text, sizeof to->text, "for the last receiver to go");
}

static const kio_future_type closed_type = {
    .name = "kio_watch_closed",
    .waits = closed_waits,
    .kind = KIO_KIND_WAITER,
    .size = sizeof(struct kio_watch_closed),
    .poll = closed_poll,
    .drop = closed_drop,
};

struct kio_watch_closed *kio_watch_closed_(struct kio_watch_closed *slot, struct kio_watch_ *watch)
{
    checked(watch, 0, "kio_watch_closed");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_watch_closed){ .kio = { .type = &closed_type }, .watch = watch };
    return slot;
}
