/*
 * Channels: mpsc (many senders, one receiver) and oneshot.
 *
 *     kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 32);
 *
 *     await(kio_send(&self->send, &self->tx, &self->value));   // .out: 0, or -EPIPE
 *
 *     for (;;) {
 *         await(kio_recv(&self->recv, &self->rx, &self->value));
 *         if (!self->recv.out)
 *             break;                                           // every sender is gone
 *         …
 *     }
 *
 * Handles are small structs that own their end: each is dropped once; a zeroed or dropped handle
 * is empty, and dropping that does nothing. Messages are copied, of the size given when the
 * channel was made; what they point to changes hands with them. A handle declared by
 * kio_channel_type(name, T) takes messages of type T only, checked by the compiler:
 *
 *     kio_channel_type(ping, int)                              // struct ping_tx, struct ping_rx
 *     kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 32); // as above, with those
 *
 * Channels need no runtime: they work under any executor.
 * A handle is used by one thread at a time; different handles of one channel by any.
 */
#ifndef KIOTO_CHANNEL_H
#define KIOTO_CHANNEL_H

#include "async.h"

struct kio_chan_; /* opaque */

/* elem_ lies over the pointer and is never used: it only carries the message's type. */
struct kio_tx {
    union {
        struct kio_chan_ *chan;
        void *elem_;
    };
};

struct kio_rx {
    union {
        struct kio_chan_ *chan;
        void *elem_;
    };
};

#define kio_channel_type(name, T)                                                                  \
    struct name##_tx {                                                                             \
        union {                                                                                    \
            struct kio_chan_ *chan;                                                                \
            __typeof__(T) *elem_;                                                                  \
        };                                                                                         \
    };                                                                                             \
    struct name##_rx {                                                                             \
        union {                                                                                    \
            struct kio_chan_ *chan;                                                                \
            __typeof__(T) *elem_;                                                                  \
        };                                                                                         \
    };                                                                                             \
    _Static_assert(1, "")

/* A wrong type is a compile error for typed handles; a wrong size a guard's failure for others. */
#define KIO_SAME_TYPE_(end, value)                                                                 \
    _Static_assert(_Generic((end)->elem_,                                                          \
                       void *: 1,                                                                  \
                       default: __builtin_types_compatible_p(__typeof__(*(value)),                 \
                                                             __typeof__(*(end)->elem_))),          \
                   "the type of the value is not the type the channel was declared for")
#define KIO_VALUE_SIZE_(value)                                                                     \
    _Generic((value), void *: (size_t)0, const void *: (size_t)0, default: sizeof(*(value)))
#define KIO_TYPED_(end, value, call)                                                               \
    ({                                                                                             \
        KIO_SAME_TYPE_(end, value);                                                                \
        call;                                                                                      \
    })

/* ---- mpsc: making and dropping ----------------------------------------------------------- */

/**
 * kio_mpsc_channel(tx, rx, size, capacity): make a bounded channel.
 *
 * tx, rx   written: both ends
 * size     bytes of a message; zero is allowed
 * capacity messages that fit; at least 1
 *
 * Returns: 0
 * Errors:  -EINVAL: capacity is zero; -ENOMEM. Both ends are empty then
 * Threads: any
 * Cost:    one allocation, of size * capacity and some
 * Since:   0.1
 * See:     kio_mpsc_unbounded(); examples/ping_channel.c
 */
#define kio_mpsc_channel(tx, rx, size, capacity)                                                   \
    kio_mpsc_new_(&(tx)->chan, &(rx)->chan, size, capacity)

/* kio_mpsc_unbounded(tx, rx, size): a channel without a limit: kio_send is ready at the first
 * poll, and memory, in blocks that are freed as they drain, is the limit. Errors: -ENOMEM. */
#define kio_mpsc_unbounded(tx, rx, size) kio_mpsc_new_(&(tx)->chan, &(rx)->chan, size, SIZE_MAX)

KIO_API KIO_MUST_USE int kio_mpsc_new_(struct kio_chan_ **tx, struct kio_chan_ **rx, size_t size,
                                       size_t capacity);

/* kio_rx_on_drop(rx, drop): messages that nobody received are given to drop(message) when the
 * receiver goes. Set before the first send. */
#define kio_rx_on_drop(rx, drop) kio_rx_on_drop_((rx)->chan, drop)
KIO_API void kio_rx_on_drop_(struct kio_chan_ *chan, void (*drop)(void *message));

/* kio_tx_clone(tx): one more sender, as a value. Threads: any */
#define kio_tx_clone(tx) ((__typeof__(*(tx))){ { kio_tx_clone_((tx)->chan) } })
KIO_API KIO_MUST_USE struct kio_chan_ *kio_tx_clone_(struct kio_chan_ *chan);

/* kio_tx_drop(tx): gives the sender back and empties the handle; the last one closes the channel:
 * the receiver gets what is queued, then 0. */
#define kio_tx_drop(tx) kio_tx_drop_(&(tx)->chan)
KIO_API void kio_tx_drop_(struct kio_chan_ **chan);

/* kio_rx_drop(rx): closes the channel and destroys what is queued. Waiting sends give -EPIPE. */
#define kio_rx_drop(rx) kio_rx_drop_(&(rx)->chan)
KIO_API void kio_rx_drop_(struct kio_chan_ **chan);

/* kio_rx_close(rx): no more sends (-EPIPE; waiting ones too); what is queued, and what permits
 * still bring, can be received. */
#define kio_rx_close(rx) kio_rx_close_((rx)->chan)
KIO_API void kio_rx_close_(struct kio_chan_ *chan);

/* ---- mpsc: sending ------------------------------------------------------------------------ */

struct kio_send {
    KIO_ASYNC_FN(int); /* 0; -EPIPE: the receiver is gone; -ENOMEM: unbounded, no memory */
    /* private from here on */
    struct kio_chan_ *chan;
    const void *value;
    struct kio_waiter_ waiter;
    bool waiting, assigned;
};

/**
 * kio_send(slot, tx, value): send a message, waiting for room.
 *
 * value    pointer to the message, borrowed until the future ends; copied
 *
 * Out:     0; -EPIPE: the receiver is gone or closed, and the message still is the caller's
 * Cancel:  safe: a dropped send did not send; its place in the line is lost
 * Order:   senders that wait get room first come, first served; what was written before the send
 *          is seen by the receiver of the message
 * Threads: owner
 * Since:   0.1
 */
#define kio_send(slot, tx, value)                                                                  \
    KIO_TYPED_(tx, value, kio_send_(slot, (tx)->chan, value, KIO_VALUE_SIZE_(value)))
KIO_API struct kio_send *kio_send_(struct kio_send *slot, struct kio_chan_ *chan, const void *value,
                                   size_t size);

/* kio_try_send(tx, value): 0; -EAGAIN: full (or others wait before); -EPIPE; -ENOMEM (unbounded).
 * Never waits. Threads: any */
#define kio_try_send(tx, value)                                                                    \
    KIO_TYPED_(tx, value, kio_try_send_((tx)->chan, value, KIO_VALUE_SIZE_(value)))
KIO_API KIO_MUST_USE int kio_try_send_(struct kio_chan_ *chan, const void *value, size_t size);

/* kio_blocking_send(tx, value): for threads that run no tasks: sleeps until there is room. 0 or as
 * kio_send(); a guard fails inside a task. */
#define kio_blocking_send(tx, value)                                                               \
    KIO_TYPED_(tx, value, kio_blocking_send_((tx)->chan, value, KIO_VALUE_SIZE_(value)))
KIO_API KIO_MUST_USE int kio_blocking_send_(struct kio_chan_ *chan, const void *value, size_t size);

/* Room for one message that nobody else can take. */
struct kio_permit {
    /* private from here on */
    struct kio_chan_ *chan;
};

struct kio_reserve {
    KIO_ASYNC_FN(int); /* 0; -EPIPE */
    /* private from here on */
    struct kio_permit *permit;
    struct kio_send send;
};

/**
 * kio_reserve(slot, tx, permit): wait for room, and keep it.
 *
 * permit   written when out is 0; to be used by kio_permit_send() or given back by
 *          kio_permit_drop(); may outlive the sender
 *
 * Out:     0; -EPIPE
 * Cancel:  safe; the place in the line is lost
 * Threads: owner
 * Since:   0.1
 */
#define kio_reserve(slot, tx, permit) kio_reserve_(slot, (tx)->chan, permit)
KIO_API struct kio_reserve *kio_reserve_(struct kio_reserve *slot, struct kio_chan_ *chan,
                                         struct kio_permit *permit);
/* kio_try_reserve(tx, permit): 0, -EAGAIN or -EPIPE. Threads: any */
#define kio_try_reserve(tx, permit) kio_try_reserve_((tx)->chan, permit)
KIO_API KIO_MUST_USE int kio_try_reserve_(struct kio_chan_ *chan, struct kio_permit *permit);
/* kio_permit_send(permit, value): never waits. 0; -EPIPE: the receiver was dropped (after a mere
 * close it still takes the message); -ENOMEM (unbounded). The permit is used up. */
#define kio_permit_send(permit, value) kio_permit_send_(permit, value, KIO_VALUE_SIZE_(value))
KIO_API int kio_permit_send_(struct kio_permit *permit, const void *value, size_t size);
/* kio_permit_drop(permit): the room goes to who waits first. Of an empty one: nothing. */
KIO_API void kio_permit_drop(struct kio_permit *permit);

struct kio_tx_closed {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_chan_ *chan;
    struct kio_waiter_ waiter;
};

/* kio_tx_closed(slot, tx): ready when the receiver is gone or closed. Cancel: safe */
#define kio_tx_closed(slot, tx) kio_tx_closed_(slot, (tx)->chan)
KIO_API struct kio_tx_closed *kio_tx_closed_(struct kio_tx_closed *slot, struct kio_chan_ *chan);

#define kio_tx_is_closed(tx) kio_chan_is_closed_((tx)->chan)
/* Room now, and the room there is in all (SIZE_MAX: unbounded). */
#define kio_tx_capacity(tx)     kio_chan_room_((tx)->chan)
#define kio_tx_max_capacity(tx) kio_chan_capacity_((tx)->chan)
/* Whether both send to the same channel. */
#define kio_tx_same(a, b)       ((a)->chan == (b)->chan)
KIO_API bool kio_chan_is_closed_(struct kio_chan_ *chan);
KIO_API size_t kio_chan_room_(struct kio_chan_ *chan);
KIO_API size_t kio_chan_capacity_(struct kio_chan_ *chan);
KIO_API size_t kio_chan_message_size_(const struct kio_chan_ *chan);

/* A sender that does not keep the channel open. */
struct kio_weak_tx {
    /* private from here on */
    struct kio_chan_ *chan;
};

/* kio_tx_downgrade(tx): a weak sender, as a value; dropped by kio_weak_tx_drop. */
#define kio_tx_downgrade(tx) kio_tx_downgrade_((tx)->chan)
KIO_API KIO_MUST_USE struct kio_weak_tx kio_tx_downgrade_(struct kio_chan_ *chan);
/* kio_tx_upgrade(weak, tx): 0 and a sender, or -EPIPE: every sender is gone. */
#define kio_tx_upgrade(weak, tx) kio_tx_upgrade_(weak, &(tx)->chan)
KIO_API KIO_MUST_USE int kio_tx_upgrade_(const struct kio_weak_tx *weak, struct kio_chan_ **chan);
KIO_API void kio_weak_tx_drop(struct kio_weak_tx *weak);

/* ---- mpsc: receiving ---------------------------------------------------------------------- */

struct kio_recv {
    KIO_ASYNC_FN(int); /* 1: a message was copied; 0: closed and drained */
    /* private from here on */
    struct kio_chan_ *chan;
    void *value;
    bool waiting;
};

/**
 * kio_recv(slot, rx, value): receive the next message.
 *
 * value    where the message is copied; borrowed until the future ends; untouched when out is 0
 *
 * Out:     1: got one; 0: every sender is gone, or the channel was closed, and nothing is left
 * Cancel:  safe: a dropped receive took nothing
 * Order:   one sender's messages arrive in the order of its sends
 * Threads: owner; one at a time on a channel
 * Since:   0.1
 */
#define kio_recv(slot, rx, value)                                                                  \
    KIO_TYPED_(rx, value, kio_recv_(slot, (rx)->chan, value, KIO_VALUE_SIZE_(value)))
KIO_API struct kio_recv *kio_recv_(struct kio_recv *slot, struct kio_chan_ *chan, void *value,
                                   size_t size);

struct kio_recv_many {
    KIO_ASYNC_FN(size_t); /* messages copied; 0: closed and drained */
    /* private from here on */
    struct kio_recv recv;
    size_t max;
};

/* kio_recv_many(slot, rx, values, max): waits for one message and takes up to max that are there.
 * max 0: ready with 0. Cancel: safe */
#define kio_recv_many(slot, rx, values, max)                                                       \
    KIO_TYPED_(rx, values, kio_recv_many_(slot, (rx)->chan, values, KIO_VALUE_SIZE_(values), max))
KIO_API struct kio_recv_many *kio_recv_many_(struct kio_recv_many *slot, struct kio_chan_ *chan,
                                             void *values, size_t size, size_t max);

/* kio_try_recv(rx, value): 1; 0: closed and drained; -EAGAIN: nothing there now. */
#define kio_try_recv(rx, value)                                                                    \
    KIO_TYPED_(rx, value, kio_try_recv_((rx)->chan, value, KIO_VALUE_SIZE_(value)))
KIO_API KIO_MUST_USE int kio_try_recv_(struct kio_chan_ *chan, void *value, size_t size);

/* kio_blocking_recv(rx, value): for threads that run no tasks. 1 or 0, as kio_recv(). */
#define kio_blocking_recv(rx, value)                                                               \
    KIO_TYPED_(rx, value, kio_blocking_recv_((rx)->chan, value, KIO_VALUE_SIZE_(value)))
KIO_API KIO_MUST_USE int kio_blocking_recv_(struct kio_chan_ *chan, void *value, size_t size);

/* Messages queued now. */
#define kio_rx_len(rx) kio_chan_len_((rx)->chan)
KIO_API size_t kio_chan_len_(struct kio_chan_ *chan);
#define kio_rx_is_closed(rx) kio_chan_is_closed_((rx)->chan)

/* ---- oneshot ------------------------------------------------------------------------------ */

struct kio_once_; /* opaque */

struct kio_oneshot_tx {
    /* private from here on */
    struct kio_once_ *once;
};

struct kio_oneshot_rx {
    /* private from here on */
    struct kio_once_ *once;
};

/**
 * kio_oneshot_channel(tx, rx, size): make a channel for one message.
 *
 * Returns: 0
 * Errors:  -ENOMEM: both ends are empty
 * Threads: any
 * Since:   0.1
 * See:     examples/worker_queue.c
 */
KIO_API KIO_MUST_USE int kio_oneshot_channel(struct kio_oneshot_tx *tx, struct kio_oneshot_rx *rx,
                                             size_t size);

/**
 * kio_oneshot_send(tx, value): send the message; uses the sender up. Never waits.
 *
 * Returns: 0
 * Errors:  -EPIPE: the receiver is gone or closed, and the message still is the caller's
 * Threads: any
 * Since:   0.1
 */
#define kio_oneshot_send(tx, value) kio_oneshot_send_(tx, value, KIO_VALUE_SIZE_(value))
KIO_API int kio_oneshot_send_(struct kio_oneshot_tx *tx, const void *value, size_t size);

/* kio_oneshot_tx_drop(tx): the receiver gets 0. Of an empty handle: nothing. */
KIO_API void kio_oneshot_tx_drop(struct kio_oneshot_tx *tx);
/* kio_oneshot_rx_drop(rx): sends fail from now on; a message that waits is lost. */
KIO_API void kio_oneshot_rx_drop(struct kio_oneshot_rx *rx);
/* kio_oneshot_rx_close(rx): sends fail from now on; a message that waits can be received. */
KIO_API void kio_oneshot_rx_close(struct kio_oneshot_rx *rx);
/* kio_oneshot_on_drop(rx, drop): a message nobody received is given to drop(message). */
KIO_API void kio_oneshot_on_drop(struct kio_oneshot_rx *rx, void (*drop)(void *message));
KIO_API bool kio_oneshot_is_closed(const struct kio_oneshot_tx *tx);

struct kio_oneshot_recv {
    KIO_ASYNC_FN(int); /* 1: the message was copied; 0: the sender was dropped without sending */
    /* private from here on */
    struct kio_oneshot_rx *rx;
    void *value;
    bool waiting;
};

/**
 * kio_oneshot_recv(slot, rx, value): receive the message. When it is ready rx is used up: empty.
 *
 * rx, value  borrowed until the future ends
 *
 * Out:     1: got it; 0: there will be none
 * Cancel:  safe: receive again later
 * Threads: owner
 * Since:   0.1
 */
#define kio_oneshot_recv(slot, rx, value) kio_oneshot_recv_(slot, rx, value, KIO_VALUE_SIZE_(value))
KIO_API struct kio_oneshot_recv *kio_oneshot_recv_(struct kio_oneshot_recv *slot,
                                                   struct kio_oneshot_rx *rx, void *value,
                                                   size_t size);

/* kio_oneshot_try_recv(rx, value): 1 or 0 as kio_oneshot_recv(); -EAGAIN: not yet. */
#define kio_oneshot_try_recv(rx, value) kio_oneshot_try_recv_(rx, value, KIO_VALUE_SIZE_(value))
KIO_API KIO_MUST_USE int kio_oneshot_try_recv_(struct kio_oneshot_rx *rx, void *value, size_t size);
/* kio_oneshot_blocking_recv(rx, value): for threads that run no tasks: 1 or 0. */
#define kio_oneshot_blocking_recv(rx, value)                                                       \
    kio_oneshot_blocking_recv_(rx, value, KIO_VALUE_SIZE_(value))
KIO_API KIO_MUST_USE int kio_oneshot_blocking_recv_(struct kio_oneshot_rx *rx, void *value,
                                                    size_t size);

struct kio_oneshot_closed {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_once_ *once;
    bool waiting;
};

/* kio_oneshot_closed(slot, tx): ready when the receiver is gone or closed. Cancel: safe */
KIO_API struct kio_oneshot_closed *kio_oneshot_closed(struct kio_oneshot_closed *slot,
                                                      const struct kio_oneshot_tx *tx);

#endif
