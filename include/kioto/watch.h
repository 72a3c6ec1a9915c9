/*
 * Watch: the latest value of something: a configuration, a state, a progress.
 *
 *     kio_watch_channel(&self->tx, &self->rx, sizeof(int), &first);
 *
 *     kio_watch_send(&self->tx, &value);                       // never waits
 *
 *     for (;;) {
 *         await(kio_watch_changed(&self->changed, &self->rx));
 *         if (self->changed.out)
 *             break;                                           // every sender is gone
 *         kio_watch_get(&self->rx, &self->value);              // the latest; those between are skipped
 *         …
 *     }
 *
 * Any number of senders and receivers; each receiver remembers which value it has seen, and the first
 * value counts as seen. Handles, typed ones and threads: as in channel.h. kio_watch_type(name, T)
 * declares struct name_tx and name_rx for values of type T.
 *
 * Functions given to this channel (a look, a change, a condition) run under its lock: they are short
 * and do not use the channel themselves, which a guard tells. What they see is the value itself.
 */
#ifndef KIOTO_WATCH_H
#define KIOTO_WATCH_H

#include "channel.h"

struct kio_watch_; /* opaque */

struct kio_watch_tx {
    union {
        struct kio_watch_ *watch;
        void *elem_;
        struct kio_watch_rx *rx_;
    };
};

struct kio_watch_rx_ {
    struct kio_watch_ *watch;
    uint64_t seen;
};

struct kio_watch_rx {
    union {
        struct kio_watch_rx_ any_;
        struct kio_watch_ *watch; /* any_'s */
        void *elem_;
    };
};

#define kio_watch_type(name, T)                                                                    \
    KIO_TYPED_END_(name##_tx, struct kio_watch_ *watch, T, struct name##_rx *rx_;);                \
    KIO_TYPED_END_(name##_rx, struct kio_watch_rx_ any_, T, struct kio_watch_ *watch;)

/**
 * kio_watch_channel(tx, rx, size, value): make a channel that holds the value.
 *
 * size     bytes of a value
 * value    the first one, copied; counts as seen by rx
 *
 * Returns: 0
 * Errors:  -ENOMEM: both ends are empty
 * Threads: any
 * Cost:    one allocation
 * Since:   0.1
 */
#define kio_watch_channel(tx, rx, size, value)                                                     \
    ({                                                                                             \
        KIO_SAME_TYPE_(tx, value);                                                                 \
        KIO_TYPED_NEW_(tx, rx, size, kio_watch_new_(&(tx)->watch, &(rx)->any_, size, value));      \
    })
KIO_API KIO_MUST_USE int kio_watch_new_(struct kio_watch_ **tx, struct kio_watch_rx_ *rx, size_t size,
                                        const void *value);

/* kio_watch_tx_clone(tx): one more sender, as a value. */
#define kio_watch_tx_clone(tx) ((__typeof__(*(tx))){ { kio_watch_tx_clone_((tx)->watch) } })
KIO_API KIO_MUST_USE struct kio_watch_ *kio_watch_tx_clone_(struct kio_watch_ *watch);
/* kio_watch_subscribe(tx): a receiver, as a value, that has seen the value of now. Opens a channel again
 * that had no receiver any more. */
#define kio_watch_subscribe(tx)                                                                    \
    ((__typeof__(*(tx)->rx_)){ { kio_watch_subscribe_((tx)->watch) } })
KIO_API KIO_MUST_USE struct kio_watch_rx_ kio_watch_subscribe_(struct kio_watch_ *watch);
/* kio_watch_rx_clone(rx): one more receiver, as a value, that has seen what rx has. */
#define kio_watch_rx_clone(rx) ((__typeof__(*(rx))){ { kio_watch_rx_clone_(&(rx)->any_) } })
KIO_API KIO_MUST_USE struct kio_watch_rx_ kio_watch_rx_clone_(const struct kio_watch_rx_ *rx);
/* The last sender that goes wakes every receiver that waits; the value stays readable. The last receiver
 * that goes wakes who waits for kio_watch_closed(). Of an empty handle: nothing. */
#define kio_watch_tx_drop(tx) kio_watch_tx_drop_(&(tx)->watch)
#define kio_watch_rx_drop(rx) kio_watch_rx_drop_(&(rx)->any_)
KIO_API void kio_watch_tx_drop_(struct kio_watch_ **tx);
KIO_API void kio_watch_rx_drop_(struct kio_watch_rx_ *rx);

/* ---- sending ------------------------------------------------------------------------------ */

/* kio_watch_send(tx, value): replaces the value and wakes who waits for a change. 0; -EPIPE: no
 * receiver is left, the value is not changed. Threads: any */
#define kio_watch_send(tx, value)                                                                  \
    KIO_TYPED_(tx, value, kio_watch_send_((tx)->watch, value, KIO_VALUE_SIZE_(value)))
KIO_API int kio_watch_send_(struct kio_watch_ *watch, const void *value, size_t size);

/* kio_watch_send_replace(tx, value, old): as kio_watch_send(), also without a receiver. old: NULL, or
 * where the former value is copied. */
#define kio_watch_send_replace(tx, value, old)                                                     \
    KIO_TYPED_(tx, value, kio_watch_send_replace_((tx)->watch, value, KIO_VALUE_SIZE_(value), old))
KIO_API void kio_watch_send_replace_(struct kio_watch_ *watch, const void *value, size_t size,
                                     void *old);

/* Changes the value where it lies; called under the channel's lock. */
typedef void kio_watch_change(void *value, void *arg);
/* As above; true: it is a change to tell of. */
typedef bool kio_watch_change_if(void *value, void *arg);

/* kio_watch_send_modify(tx, change, arg): calls change(value, arg) and wakes who waits for a change.
 * Works without a receiver, too. Threads: any */
#define kio_watch_send_modify(tx, change, arg) kio_watch_send_modify_((tx)->watch, change, arg)
KIO_API void kio_watch_send_modify_(struct kio_watch_ *watch, kio_watch_change *change, void *arg);
/* kio_watch_send_if_modified(tx, change, arg): as above, and tells of it only if change(value, arg) says
 * so. Returns what it said. */
#define kio_watch_send_if_modified(tx, change, arg)                                                \
    kio_watch_send_if_modified_((tx)->watch, change, arg)
KIO_API bool kio_watch_send_if_modified_(struct kio_watch_ *watch, kio_watch_change_if *change,
                                         void *arg);

/* kio_watch_is_closed(tx): whether there is no receiver. */
#define kio_watch_is_closed(tx) (!kio_watch_receivers_((tx)->watch))

struct kio_watch_closed {
    KIO_WAITER_FN_(void);
    /* private from here on */
    struct kio_watch_ *watch;
};

/* kio_watch_closed(slot, tx): ready when there is no receiver; one that subscribes before the next poll
 * makes it wait on. Cancel: safe */
#define kio_watch_closed(slot, tx) kio_watch_closed_(slot, (tx)->watch)
KIO_API struct kio_watch_closed *kio_watch_closed_(struct kio_watch_closed *slot,
                                                   struct kio_watch_ *watch);

/* ---- reading ------------------------------------------------------------------------------ */

/* kio_watch_get(rx, value): copies the latest value, which counts as seen then. */
#define kio_watch_get(rx, value)                                                                   \
    KIO_TYPED_(rx, value, kio_watch_get_(&(rx)->any_, value, KIO_VALUE_SIZE_(value)))
KIO_API void kio_watch_get_(struct kio_watch_rx_ *rx, void *value, size_t size);
/* kio_watch_peek(end, value): copies the latest value; a receiver has not seen it by that. end: of either
 * kind. */
#define kio_watch_peek(end, value)                                                                 \
    KIO_TYPED_(end, value, kio_watch_peek_((end)->watch, value, KIO_VALUE_SIZE_(value)))
KIO_API void kio_watch_peek_(struct kio_watch_ *watch, void *value, size_t size);

/* Looks at the value where it lies; called under the channel's lock. */
typedef void kio_watch_look(const void *value, void *arg);

/* kio_watch_borrow(end, look, arg): calls look(value, arg) without copying it. end: of either kind;
 * kio_watch_borrow_and_update(rx, look, arg): and it counts as seen. */
#define kio_watch_borrow(end, look, arg) kio_watch_borrow_((end)->watch, look, arg)
#define kio_watch_borrow_and_update(rx, look, arg)                                                 \
    kio_watch_borrow_and_update_(&(rx)->any_, look, arg)
KIO_API void kio_watch_borrow_(struct kio_watch_ *watch, kio_watch_look *look, void *arg);
KIO_API void kio_watch_borrow_and_update_(struct kio_watch_rx_ *rx, kio_watch_look *look, void *arg);

/* kio_watch_has_changed(rx): whether there is one not seen. 1, 0, or -EPIPE: none, and every sender is
 * gone. */
#define kio_watch_has_changed(rx) kio_watch_has_changed_(&(rx)->any_)
KIO_API int kio_watch_has_changed_(const struct kio_watch_rx_ *rx);
/* The value counts as not seen, or as seen, from now on. */
#define kio_watch_mark_changed(rx)   kio_watch_mark_(&(rx)->any_, false)
#define kio_watch_mark_unchanged(rx) kio_watch_mark_(&(rx)->any_, true)
KIO_API void kio_watch_mark_(struct kio_watch_rx_ *rx, bool seen);

struct kio_watch_changed {
    KIO_WAITER_FN_(int); /* 0: there is a value not seen before; -EPIPE: every sender is gone */
    /* private from here on */
    struct kio_watch_rx_ *rx;
};

/**
 * kio_watch_changed(slot, rx): wait for a value newer than the last one seen; it counts as seen then.
 *
 * rx       borrowed until the future ends
 *
 * Out:     0: there is one, to be read by kio_watch_get(); -EPIPE: every sender is gone and the last
 *          value was seen
 * Cancel:  safe: nothing counts as seen
 * Threads: owner
 * Since:   0.1
 */
#define kio_watch_changed(slot, rx) kio_watch_changed_(slot, &(rx)->any_)
KIO_API struct kio_watch_changed *kio_watch_changed_(struct kio_watch_changed *slot,
                                                     struct kio_watch_rx_ *rx);

/* Whether it is the value waited for; called under the channel's lock. */
typedef bool kio_watch_condition(const void *value, void *arg);

struct kio_watch_wait_for {
    KIO_WAITER_FN_(int); /* 0: the condition holds; -EPIPE: every sender is gone and it does not */
    /* private from here on */
    struct kio_watch_rx_ *rx;
    kio_watch_condition *condition;
    void *arg, *value;
    uint64_t looked; /* at this version */
    bool waiting;
};

/**
 * kio_watch_wait_for(slot, rx, condition, arg, value): wait until a condition holds.
 *
 * Looks at the value of now, then at each one that comes; what it looked at counts as seen.
 *
 * rx         borrowed until the future ends
 * condition  condition(value, arg); a value that is replaced before the task runs is not looked at
 * arg        given to it
 * value      NULL, or where the value for which it holds is copied; borrowed
 *
 * Out:     0: it holds; -EPIPE: it does not, and every sender is gone
 * Cancel:  safe
 * Threads: owner
 * Since:   0.1
 */
#define kio_watch_wait_for(slot, rx, condition, arg, value)                                        \
    kio_watch_wait_for_(slot, &(rx)->any_, condition, arg, value)
KIO_API struct kio_watch_wait_for *kio_watch_wait_for_(struct kio_watch_wait_for *slot,
                                                       struct kio_watch_rx_ *rx,
                                                       kio_watch_condition *condition, void *arg,
                                                       void *value);

/* How many there are; end: of either kind. */
#define kio_watch_sender_count(end)   kio_watch_senders_((end)->watch)
#define kio_watch_receiver_count(end) kio_watch_receivers_((end)->watch)
/* Whether both are of the same channel; of either kind. */
#define kio_watch_same_channel(a, b)  ((a)->watch == (b)->watch)
KIO_API size_t kio_watch_senders_(struct kio_watch_ *watch);
KIO_API size_t kio_watch_receivers_(struct kio_watch_ *watch);

#endif
