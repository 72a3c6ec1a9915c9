/*
 * oneshot: one message from one sender to one receiver, in one allocation and without a lock.
 *
 * Layout: one word, a state in the low bits and, while OPEN, the receiver's waker above it. The
 * waker is part of the word, so whoever moves the state on takes the waker with it: neither end
 * looks at a waker that the other may be writing.
 *
 *   OPEN     both ends live; with a waker: the receiver waits
 *   CLOSED   both live, the receiver takes no message any more
 *   SENT     the sender is gone, the message lies in value     -> the receiver frees
 *   TX_GONE  the sender is gone, no message will come          -> the receiver frees
 *   RX_GONE  the receiver is gone                              -> the sender frees
 *
 *   sender:   OPEN -> SENT, TX_GONE; CLOSED -> TX_GONE         receiver's waker is the sender's then
 *   receiver: OPEN -> OPEN with another waker, CLOSED; CLOSED -> RX_GONE
 *
 * Access: value is the sender's until SENT, the receiver's from then on; destroy is the receiver's.
 * Every transition is one compare-and-swap, acq_rel: release for value and for what the waker points
 * at, acquire for what the other end did before, which whoever frees must have seen.
 */
#include <kioto/channel.h>

#include "buffer.h"
#include "../base/alone.h"
#include "../base/block.h"
#include "../future/guard.h"
#include "../future/leaf.h"
#include "../future/waker.h"

#include <errno.h>
#include <stdio.h>

enum state { OPEN, CLOSED, SENT, TX_GONE, RX_GONE };
#define STATE ((uintptr_t)7) /* mask; a wakeable is aligned to a pointer's size */
_Static_assert(_Alignof(struct kio_wakeable) > STATE, "the state fits below the waker");

struct kio_once_ {
    ki_atomic(uintptr_t) word;
    struct ki_cell sender; /* who waits for closed() */
    size_t size;
    void (*destroy)(void *message);
    _Alignas(16) char value[];
};

static KIO_NORETURN KIO_COLD void misused(const struct kio_once_ *o, size_t size, const char *call)
{
    if (!o)
        ki_guard_fail(ki_guard_here(), "a oneshot handle is used once: make a new channel",
                      "%s got an empty handle", call);
    ki_guard_fail(ki_guard_here(), "hand over a pointer to the type the channel was made for",
                  "%s: the value has %zu bytes, the channel's message %zu", call, size, o->size);
}

static inline struct kio_once_ *checked(struct kio_once_ *o, size_t size, const char *call)
{
    if (kio_unlikely_(!o || (size && size != o->size)))
        misused(o, size, call);
    return o;
}

static enum state state_of(uintptr_t word)
{
    return (enum state)(word & STATE);
}

static kio_waker waker_of(uintptr_t word)
{
    return (kio_waker){ (struct kio_wakeable *)(word & ~STATE) };
}

/* By the second end to go. */
static void destroy(struct kio_once_ *o)
{
    ki_cell_clear_alone(&o->sender);
    ki_block_put(o, sizeof *o + o->size);
}

int kio_oneshot_new_(struct kio_once_ **tx, struct kio_once_ **rx, size_t size)
{
    struct kio_once_ *o = size > SIZE_MAX / 2 ? NULL : ki_block_get(sizeof *o + size);

    *tx = *rx = o;
    if (!o)
        return -ENOMEM;
    *o = (struct kio_once_){ .size = size };
    return 0;
}

void kio_oneshot_on_drop_(struct kio_once_ *once, void (*drop)(void *message))
{
    checked(once, 0, "kio_oneshot_on_drop")->destroy = drop;
}

/* ---- the sender's end --------------------------------------------------------------------- */

/* The sender goes, to SENT or TX_GONE. True: the receiver had neither closed nor gone. */
static bool leave_tx(struct kio_once_ *o, enum state to)
{
    uintptr_t word = ki_load_acquire(&o->word); /* acquire: RX_GONE is the last word, and we free */

    for (;;) {
        enum state now = state_of(word);

        if (now == RX_GONE) {
            destroy(o);
            return false;
        }
        /* acq_rel: pairs with the receiver's, see above. After it the receiver may free o. */
        if (ki_word_cas(&o->word, &word, (uintptr_t)(now == OPEN ? to : TX_GONE))) {
            kio_waker_wake(waker_of(word));
            return now == OPEN;
        }
    }
}

int kio_oneshot_send_(struct kio_once_ **tx, const void *value, size_t size)
{
    struct kio_once_ *o = checked(*tx, size, "kio_oneshot_send");

    *tx = NULL;
    ki_copy(o->value, value, o->size);
    return leave_tx(o, SENT) ? 0 : -EPIPE;
}

void kio_oneshot_tx_drop_(struct kio_once_ **tx)
{
    struct kio_once_ *o = *tx;

    if (!o)
        return;
    *tx = NULL;
    leave_tx(o, TX_GONE);
}

static bool is_closed(struct kio_once_ *o)
{
    enum state now = state_of(ki_load_acquire(&o->word)); /* acquire: what the receiver did before */

    return now == CLOSED || now == RX_GONE;
}

bool kio_oneshot_is_closed_(struct kio_once_ *once)
{
    return is_closed(checked(once, 0, "kio_oneshot_is_closed"));
}

/* ---- the receiver's end ------------------------------------------------------------------- */

/* OPEN becomes CLOSED. Gives the state that o is in then; never OPEN. */
static enum state close_rx(struct kio_once_ *o)
{
    uintptr_t word = ki_load_acquire(&o->word); /* acquire: value, and the last word of the sender */

    while (state_of(word) == OPEN) {
        if (ki_word_cas(&o->word, &word, CLOSED)) {
            kio_waker_wake(waker_of(word)); /* our own: to find it closed */
            ki_cell_wake(&o->sender);
            return CLOSED;
        }
    }
    return state_of(word);
}

/* The receiver goes, from CLOSED, SENT or TX_GONE. */
static void leave_rx(struct kio_once_ *o, enum state now)
{
    uintptr_t word = now;

    /* acq_rel: pairs with leave_tx. It fails when the sender has gone meanwhile. */
    if (now != CLOSED || !ki_word_cas(&o->word, &word, RX_GONE))
        destroy(o);
}

void kio_oneshot_rx_close_(struct kio_once_ *once)
{
    if (once)
        close_rx(once);
}

bool kio_oneshot_is_empty_(struct kio_once_ *once)
{
    /* relaxed: the receiver asks, and reads the value only when it takes it, with an acquire. */
    return !once || state_of(ki_load_relaxed(&once->word)) != SENT;
}

void kio_oneshot_rx_drop_(struct kio_once_ **rx)
{
    struct kio_once_ *o = *rx;
    enum state now;

    if (!o)
        return;
    *rx = NULL;
    now = close_rx(o);
    if (now == SENT && o->destroy)
        o->destroy(o->value);
    leave_rx(o, now);
}

/* Leaves cx's waker. False: it is not OPEN any more; *word: what it is. */
static bool leave_waker(struct kio_once_ *o, kio_context *cx, uintptr_t *word)
{
    kio_waker mine;

    if (state_of(*word) != OPEN)
        return false;
    if (kio_waker_will_wake(waker_of(*word), cx->waker))
        return true;
    mine = kio_waker_clone(cx->waker);
    do {
        /* acq_rel: pairs with leave_tx, which wakes it. */
        if (ki_word_cas(&o->word, word, (uintptr_t)mine.to | OPEN)) {
            kio_waker_drop(waker_of(*word));
            return true;
        }
    } while (state_of(*word) == OPEN);
    kio_waker_drop(mine);
    return false;
}

/* 1, 0 (then rx is used up), or -EAGAIN: cx's waker (if any) is left. */
static int take(struct kio_once_ **rx, void *value, kio_context *cx)
{
    struct kio_once_ *o = *rx;
    uintptr_t word = ki_load_acquire(&o->word); /* acquire: pairs with leave_tx, for value */

    if (state_of(word) == OPEN && (!cx || leave_waker(o, cx, &word)))
        return -EAGAIN;
    *rx = NULL;
    if (state_of(word) == SENT)
        ki_copy(value, o->value, o->size);
    leave_rx(o, state_of(word));
    return state_of(word) == SENT;
}

int kio_oneshot_try_recv_(struct kio_once_ **rx, void *value, size_t size)
{
    if (!*rx)
        return 0; /* its end was received */
    checked(*rx, size, "kio_oneshot_try_recv");
    return take(rx, value, NULL);
}

static kio_poll recv_poll(kio_future *f, kio_context *cx)
{
    struct kio_oneshot_recv *self = (struct kio_oneshot_recv *)f;
    int got;

    f->state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    checked(*self->rx, 0, "kio_oneshot_recv");
    got = take(self->rx, self->value, cx);
    if (got == -EAGAIN) {
        self->waiting = true;
        return KIO_PENDING;
    }
    kio_coop_did_(cx);
    self->out = got;
    return ki_ready_now(f);
}

/* Takes the waker back. */
static void recv_drop(kio_future *f)
{
    struct kio_oneshot_recv *self = (struct kio_oneshot_recv *)f;
    struct kio_once_ *o = *self->rx;
    uintptr_t word;

    if (!self->waiting || !o)
        return;
    word = ki_load_relaxed(&o->word); /* relaxed: only the waker is of interest, which is our own */
    while (state_of(word) == OPEN && waker_of(word).to) {
        if (ki_word_cas(&o->word, &word, OPEN)) {
            kio_waker_drop(waker_of(word));
            return;
        }
    }
}

static void once_describe(const kio_future *f, char *text, size_t cap)
{
    snprintf(text, cap, "oneshot %p", (void *)*((const struct kio_oneshot_recv *)f)->rx);
}

static void once_waits(const kio_future *f, struct kio_waits *to)
{
    to->what = "oneshot";
    to->ends = true;
    to->at = *((const struct kio_oneshot_recv *)f)->rx;
}

static const kio_future_type recv_type = {
    .name = "kio_oneshot_recv",
    .waits = once_waits,
    .late = true,
    .size = sizeof(struct kio_oneshot_recv),
    .poll = recv_poll,
    .drop = recv_drop,
    .out_offset = offsetof(struct kio_oneshot_recv, out),
    .out_size = sizeof(int),
    .describe = once_describe,
};

static inline struct kio_oneshot_recv *recv_init(struct kio_oneshot_recv *slot,
                                                 struct kio_once_ **rx, void *value)
{
    slot->kio = (kio_future){ .type = &recv_type };
    slot->rx = rx;
    slot->value = value;
    slot->waiting = false;
    return slot;
}

static KIO_NOINLINE struct kio_oneshot_recv *recv_checked(struct kio_oneshot_recv *slot,
                                                          struct kio_once_ **rx, void *value,
                                                          size_t size)
{
    checked(*rx, size, "kio_oneshot_recv");
    ki_guard_borrow(rx, "kio_oneshot_recv", "rx");
    ki_guard_borrow(value, "kio_oneshot_recv", "value");
    kio_vacate_(&slot->kio);
    return recv_init(slot, rx, value);
}

/* One condition for all that is checked, as in mpsc.c. */
struct kio_oneshot_recv *kio_oneshot_recv_(struct kio_oneshot_recv *slot, struct kio_once_ **rx,
                                           void *value, size_t size)
{
    if (kio_unlikely_(!*rx || (size && size != (*rx)->size) || ki_on_poll_stack(rx) ||
                      ki_on_poll_stack(value) || kio_is_taken_(&slot->kio)))
        return recv_checked(slot, rx, value, size);
    return recv_init(slot, rx, value);
}

int kio_oneshot_blocking_recv_(struct kio_once_ **rx, void *value, size_t size)
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

    f->state = self;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    /* First the waker, then a look: pairs with close_rx, which closes, then wakes the cell. */
    self->waiting = !is_closed(self->once);
    if (self->waiting) {
        ki_cell_set(&self->once->sender, cx->waker);
        if (!is_closed(self->once))
            return KIO_PENDING;
    }
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static void closed_drop(kio_future *f)
{
    struct kio_oneshot_closed *self = (struct kio_oneshot_closed *)f;

    if (self->waiting)
        ki_cell_clear(&self->once->sender);
}

static void closed_waits(const kio_future *f, struct kio_waits *to)
{
    to->what = "oneshot";
    to->ends = true;
    to->at = ((const struct kio_oneshot_closed *)f)->once;
    snprintf(to->text, sizeof to->text, "for the receiver to close or go");
}

static const kio_future_type closed_type = {
    .name = "kio_oneshot_closed",
    .waits = closed_waits,
    .size = sizeof(struct kio_oneshot_closed),
    .poll = closed_poll,
    .drop = closed_drop,
};

struct kio_oneshot_closed *kio_oneshot_closed_(struct kio_oneshot_closed *slot, struct kio_once_ *o)
{
    checked(o, 0, "kio_oneshot_closed");

    kio_vacate_(&slot->kio);
    *slot = (struct kio_oneshot_closed){ .kio = { .type = &closed_type }, .once = o };
    return slot;
}
