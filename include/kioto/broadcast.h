/*
 * Broadcast: many senders, many receivers, and every receiver gets every message.
 *
 *     kio_broadcast_channel(&self->tx, &self->rx, sizeof(int), 16);
 *     other = kio_broadcast_subscribe(&self->tx);              // gets what is sent from now on
 *
 *     kio_broadcast_send(&self->tx, &value);                   // never waits
 *
 *     for (;;) {
 *         await(kio_broadcast_recv(&self->recv, &self->rx, &self->value));
 *         if (!self->recv.out)
 *             break;                                           // every sender is gone
 *         if (self->recv.out == -EOVERFLOW)
 *             continue;                                        // self->recv.missed were overwritten
 *         …
 *     }
 *
 * The channel keeps the last `capacity` messages, as many as that and no more. A receiver that is
 * further behind has missed some and is told how many. Handles, typed ones and threads: as in
 * channel.h. kio_broadcast_type(name, T) declares struct name_tx, name_rx and name_weak_tx for messages
 * of type T.
 */
#ifndef KIOTO_BROADCAST_H
#define KIOTO_BROADCAST_H

#include "channel.h"

struct kio_broadcast_; /* opaque */

struct kio_broadcast_tx {
    union {
        struct kio_broadcast_ *channel;
        void *elem_;
        struct kio_broadcast_rx *rx_;
        struct kio_broadcast_weak_tx *weak_;
    };
};

struct kio_broadcast_rx_ {
    struct kio_broadcast_ *channel;
    uint64_t next;
};

struct kio_broadcast_rx {
    union {
        struct kio_broadcast_rx_ any_;
        struct kio_broadcast_ *channel; /* any_'s */
        void *elem_;
    };
};

/* A sender that does not keep the channel open. */
struct kio_broadcast_weak_tx {
    union {
        struct kio_broadcast_ *channel;
        void *elem_;
    };
};

#define kio_broadcast_type(name, T)                                                                \
    KIO_TYPED_END_(name##_tx, struct kio_broadcast_ *channel, T, struct name##_rx *rx_;            \
                   struct name##_weak_tx *weak_;);                                                 \
    KIO_TYPED_END_(name##_rx, struct kio_broadcast_rx_ any_, T, struct kio_broadcast_ *channel;);  \
    KIO_TYPED_END_(name##_weak_tx, struct kio_broadcast_ *channel, T, )

/**
 * kio_broadcast_channel(tx, rx, size, capacity): make a channel that keeps the last messages.
 *
 * size     bytes of a message
 * capacity how many are kept; at least 1
 *
 * Returns: 0
 * Errors:  -EINVAL: capacity is zero; -ENOMEM. Both ends are empty then
 * Threads: any
 * Cost:    one allocation
 * Since:   0.1
 */
#define kio_broadcast_channel(tx, rx, size, capacity)                                              \
    KIO_TYPED_NEW_(tx, rx, size, kio_broadcast_new_(&(tx)->channel, &(rx)->any_, size, capacity))
KIO_API KIO_MUST_USE int kio_broadcast_new_(struct kio_broadcast_ **tx, struct kio_broadcast_rx_ *rx,
                                            size_t size, size_t capacity);

/**
 * kio_broadcast_on_drop(end, copied, drop): say how a message that owns something is shared.
 *
 * The channel has one reference to what a message owns, which send hands over. copied(message) takes
 * one more, for each receiver's copy but the last; the last one gets the channel's. drop(message) ends
 * the channel's when no receiver is left that would get the message: it was overwritten, or they went.
 *
 * end      of either kind; set before the first send
 * copied   called under the channel's lock: short, and does not use the channel
 * drop     called without a lock
 *
 * Returns: 0
 * Errors:  -EINVAL: the messages are larger than 256 bytes (send a pointer)
 * Since:   0.1
 */
#define kio_broadcast_on_drop(end, copied, drop) kio_broadcast_on_drop_((end)->channel, copied, drop)
KIO_API KIO_MUST_USE int kio_broadcast_on_drop_(struct kio_broadcast_ *channel,
                                                void (*copied)(void *message),
                                                void (*drop)(void *message));

/* ---- senders ------------------------------------------------------------------------------ */

/* kio_broadcast_send(tx, value): never waits; overwrites the oldest. How many receivers there are;
 * -EPIPE: none, and the message still is the caller's. Threads: any */
#define kio_broadcast_send(tx, value)                                                              \
    KIO_TYPED_(tx, value, kio_broadcast_send_((tx)->channel, value, KIO_VALUE_SIZE_(value)))
KIO_API ssize_t kio_broadcast_send_(struct kio_broadcast_ *channel, const void *value, size_t size);

/* kio_broadcast_tx_clone(tx): one more sender, as a value. */
#define kio_broadcast_tx_clone(tx)                                                                 \
    ((__typeof__(*(tx))){ { kio_broadcast_tx_clone_((tx)->channel) } })
KIO_API KIO_MUST_USE struct kio_broadcast_ *kio_broadcast_tx_clone_(struct kio_broadcast_ *channel);
/* The last one that goes wakes every receiver; each gets what is kept for it, then 0. Of an empty handle:
 * nothing. */
#define kio_broadcast_tx_drop(tx) kio_broadcast_tx_drop_(&(tx)->channel)
KIO_API void kio_broadcast_tx_drop_(struct kio_broadcast_ **tx);

/* kio_broadcast_downgrade(tx): a weak sender, as a value; dropped by kio_broadcast_weak_tx_drop. */
#define kio_broadcast_downgrade(tx)                                                                \
    ((__typeof__(*(tx)->weak_)){ { kio_broadcast_downgrade_((tx)->channel) } })
KIO_API KIO_MUST_USE struct kio_broadcast_ *kio_broadcast_downgrade_(struct kio_broadcast_ *channel);
/* kio_broadcast_upgrade(weak, tx): 0 and a sender, or -EPIPE: every sender is gone. */
#define kio_broadcast_upgrade(weak, tx)                                                            \
    KIO_TYPED_ENDS_(weak, tx, kio_broadcast_upgrade_((weak)->channel, &(tx)->channel))
KIO_API KIO_MUST_USE int kio_broadcast_upgrade_(struct kio_broadcast_ *channel,
                                                struct kio_broadcast_ **tx);
/* kio_broadcast_weak_tx_clone(weak): one more, as a value. */
#define kio_broadcast_weak_tx_clone(weak)                                                          \
    ((__typeof__(*(weak))){ { kio_broadcast_downgrade_((weak)->channel) } })
#define kio_broadcast_weak_tx_drop(weak) kio_broadcast_weak_tx_drop_(&(weak)->channel)
KIO_API void kio_broadcast_weak_tx_drop_(struct kio_broadcast_ **weak);
/* How many senders there are, and how many weak ones; end: of any kind. */
#define kio_broadcast_strong_count(end) kio_broadcast_senders_((end)->channel)
#define kio_broadcast_weak_count(end)   kio_broadcast_weaks_((end)->channel)
KIO_API size_t kio_broadcast_senders_(struct kio_broadcast_ *channel);
KIO_API size_t kio_broadcast_weaks_(struct kio_broadcast_ *channel);

/* kio_broadcast_receiver_count(end): how many receivers there are. */
#define kio_broadcast_receiver_count(end) kio_broadcast_receivers_((end)->channel)
KIO_API size_t kio_broadcast_receivers_(struct kio_broadcast_ *channel);
/* kio_broadcast_tx_len(tx): messages that some receiver has yet to get. */
#define kio_broadcast_tx_len(tx)      kio_broadcast_kept_((tx)->channel)
#define kio_broadcast_tx_is_empty(tx) (!kio_broadcast_kept_((tx)->channel))
KIO_API size_t kio_broadcast_kept_(struct kio_broadcast_ *channel);
/* Whether both are of the same channel; of any kind. */
#define kio_broadcast_same_channel(a, b) ((a)->channel == (b)->channel)

struct kio_broadcast_closed {
    KIO_WAITER_FN_(void);
    /* private from here on */
    struct kio_broadcast_ *channel;
};

/* kio_broadcast_closed(slot, tx): ready when there is no receiver; one that subscribes before the next
 * poll makes it wait on. Cancel: safe */
#define kio_broadcast_closed(slot, tx) kio_broadcast_closed_(slot, (tx)->channel)
KIO_API struct kio_broadcast_closed *kio_broadcast_closed_(struct kio_broadcast_closed *slot,
                                                           struct kio_broadcast_ *channel);

/* ---- receivers ---------------------------------------------------------------------------- */

/* kio_broadcast_subscribe(tx): a receiver, as a value, of what is sent from now on. */
#define kio_broadcast_subscribe(tx)                                                                \
    ((__typeof__(*(tx)->rx_)){ { kio_broadcast_subscribe_((tx)->channel) } })
KIO_API KIO_MUST_USE struct kio_broadcast_rx_ kio_broadcast_subscribe_(struct kio_broadcast_ *channel);
/* kio_broadcast_resubscribe(rx): one more receiver of the same channel, of what is sent from now on. */
#define kio_broadcast_resubscribe(rx)                                                              \
    ((__typeof__(*(rx))){ { kio_broadcast_subscribe_((rx)->channel) } })
/* The last one that goes wakes who waits for kio_broadcast_closed(). Of an empty handle: nothing. */
#define kio_broadcast_rx_drop(rx) kio_broadcast_rx_drop_(&(rx)->any_)
KIO_API void kio_broadcast_rx_drop_(struct kio_broadcast_rx_ *rx);

struct kio_broadcast_recv {
    KIO_WAITER_FN_(int); /* 1: got one; 0: every sender is gone; -EOVERFLOW: some were missed */
    uint64_t missed;   /* how many; the next receive gives the oldest that is kept */
    /* private from here on */
    struct kio_broadcast_rx_ *rx;
    void *value;
};

/**
 * kio_broadcast_recv(slot, rx, value): receive the next message.
 *
 * rx       borrowed until the future ends
 * value    where the message is copied; borrowed until the future ends; untouched when out is not 1
 *
 * Out:     1: got one; 0: every sender is gone and nothing is left; -EOVERFLOW: `missed` messages were
 *          overwritten before this receiver got them; the next receive goes on with the oldest kept
 * Cancel:  safe: a dropped receive took nothing
 * Order:   every receiver gets the messages in the same order
 * Threads: owner
 * Since:   0.1
 */
#define kio_broadcast_recv(slot, rx, value)                                                        \
    KIO_TYPED_(rx, value, kio_broadcast_recv_(slot, &(rx)->any_, value, KIO_VALUE_SIZE_(value)))
KIO_API struct kio_broadcast_recv *kio_broadcast_recv_(struct kio_broadcast_recv *slot,
                                                       struct kio_broadcast_rx_ *rx, void *value,
                                                       size_t size);
/* kio_broadcast_try_recv(rx, value, missed): as kio_broadcast_recv(); -EAGAIN: nothing there now.
 * missed: NULL, or where the count is written when it is -EOVERFLOW. */
#define kio_broadcast_try_recv(rx, value, missed)                                                  \
    KIO_TYPED_(rx,                                                                                 \
               value,                                                                              \
               kio_broadcast_try_recv_(&(rx)->any_, value, KIO_VALUE_SIZE_(value), missed))
KIO_API KIO_MUST_USE int kio_broadcast_try_recv_(struct kio_broadcast_rx_ *rx, void *value, size_t size,
                                                 uint64_t *missed);
/* kio_broadcast_blocking_recv(rx, value, missed): for threads that run no tasks. 1, 0 or -EOVERFLOW. */
#define kio_broadcast_blocking_recv(rx, value, missed)                                             \
    KIO_TYPED_(rx,                                                                                 \
               value,                                                                              \
               kio_broadcast_blocking_recv_(&(rx)->any_, value, KIO_VALUE_SIZE_(value), missed))
KIO_API KIO_MUST_USE int kio_broadcast_blocking_recv_(struct kio_broadcast_rx_ *rx, void *value,
                                                      size_t size, uint64_t *missed);

/* kio_broadcast_rx_len(rx): messages sent that it has not received, those it has missed among them. */
#define kio_broadcast_rx_len(rx)      kio_broadcast_behind_(&(rx)->any_)
#define kio_broadcast_rx_is_empty(rx) (!kio_broadcast_behind_(&(rx)->any_))
KIO_API uint64_t kio_broadcast_behind_(const struct kio_broadcast_rx_ *rx);
/* kio_broadcast_is_closed(rx): whether every sender is gone. */
#define kio_broadcast_is_closed(rx) (!kio_broadcast_senders_((rx)->channel))

#endif
