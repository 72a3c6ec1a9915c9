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
 *     kio_channel_type(ping, int);                             // struct ping_tx, struct ping_rx
 *     kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 32); // as above, with those
 *
 * So do kio_oneshot_type(name, T), and kio_watch_type and kio_broadcast_type in watch.h and
 * broadcast.h. Typed and other handles are used by the same names.
 *
 * Channels need no runtime: they work under any executor.
 * A handle is used by one thread at a time; different handles of one channel by any.
 */
#ifndef KIOTO_CHANNEL_H
#define KIOTO_CHANNEL_H

#include "async.h"

struct kio_chan_; /* opaque */

/* elem_ and what stands behind it lie over the pointer and are never used: they only carry types, of
 * the message and of the handles that come out of this one. */
struct kio_tx {
    union {
        struct kio_chan_ *chan;
        void *elem_;
        struct kio_weak_tx *weak_;
    };
};

struct kio_rx {
    union {
        struct kio_chan_ *chan;
        void *elem_;
    };
};

/* A sender that does not keep the channel open. */
struct kio_weak_tx {
    union {
        struct kio_chan_ *chan;
        void *elem_;
    };
};

/* Room for one message that nobody else can take. */
struct kio_permit {
    union {
        struct kio_chan_ *chan;
        void *elem_;
    };
};

/* Room for several. */
struct kio_reserved {
    union {
        struct kio_chan_ *chan;
        void *elem_;
    };
    size_t count; /* left */
};

/* Room for one message, and the sender it was reserved with. */
struct kio_owned_permit {
    union {
        struct kio_chan_ *chan;
        void *elem_;
    };
};

#define KIO_TYPED_END_(name, handle, T, ...)                                                       \
    struct name {                                                                                  \
        union {                                                                                    \
            handle;                                                                                \
            __typeof__(T) *elem_;                                                                  \
            __VA_ARGS__                                                                            \
        };                                                                                         \
    }

/* kio_channel_type(name, T): declares struct name_tx and name_rx for messages of type T, and
 * name_weak_tx, name_permit, name_reserved and name_owned_permit beside them. */
#define kio_channel_type(name, T)                                                                  \
    KIO_TYPED_END_(name##_tx, struct kio_chan_ *chan, T, struct name##_weak_tx *weak_;);           \
    KIO_TYPED_END_(name##_rx, struct kio_chan_ *chan, T, );                                        \
    KIO_TYPED_END_(name##_weak_tx, struct kio_chan_ *chan, T, );                                   \
    KIO_TYPED_END_(name##_permit, struct kio_chan_ *chan, T, );                                    \
    KIO_TYPED_END_(name##_owned_permit, struct kio_chan_ *chan, T, );                              \
    struct name##_reserved {                                                                        \
        union {                                                                                    \
            struct kio_chan_ *chan;                                                                \
            __typeof__(T) *elem_;                                                                  \
        };                                                                                         \
        size_t count;                                                                              \
    };                                                                                             \
    _Static_assert(1, "")

/* A wrong type is a compile error for typed handles; a wrong size a guard's failure for others. */
#define KIO_SAME_TYPE_(end, value)                                                                 \
    _Static_assert(_Generic((end)->elem_,                                                          \
                       void *: 1,                                                                  \
                       default: __builtin_types_compatible_p(__typeof__(*(value)),                 \
                                                             __typeof__(*(end)->elem_))),          \
                   "the type of the value is not the type the channel was declared for")
#define KIO_SAME_ENDS_(a, b)                                                                       \
    _Static_assert(                                                                                \
        _Generic((a)->elem_,                                                                       \
            void *: 1,                                                                             \
            default: _Generic((b)->elem_,                                                          \
                void *: 1,                                                                         \
                default: __builtin_types_compatible_p(__typeof__(*(a)->elem_),                     \
                                                      __typeof__(*(b)->elem_)))),                  \
        "the two handles were declared for channels of different types")
#define KIO_SAME_SIZE_(end, size)                                                                  \
    _Static_assert(__builtin_choose_expr(__builtin_constant_p(size),                               \
                                         _Generic((end)->elem_,                                    \
                                             void *: 1,                                            \
                                             default: (size) == sizeof(*(end)->elem_)),            \
                                         1),                                                       \
                   "the size is not that of the type the channel was declared for")
#define KIO_VALUE_SIZE_(value)                                                                     \
    _Generic((value), void *: (size_t)0, const void *: (size_t)0, default: sizeof(*(value)))
#define KIO_TYPED_(end, value, call)                                                               \
    ({                                                                                             \
        KIO_SAME_TYPE_(end, value);                                                                \
        call;                                                                                      \
    })
#define KIO_TYPED_ENDS_(a, b, call)                                                                \
    ({                                                                                             \
        KIO_SAME_ENDS_(a, b);                                                                      \
        call;                                                                                      \
    })
#define KIO_TYPED_NEW_(tx, rx, size, call)                                                         \
    ({                                                                                             \
        KIO_SAME_ENDS_(tx, rx);                                                                    \
        KIO_SAME_SIZE_(tx, size);                                                                  \
        KIO_SAME_SIZE_(rx, size);                                                                  \
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
    KIO_TYPED_NEW_(tx, rx, size, kio_mpsc_new_(&(tx)->chan, &(rx)->chan, size, capacity))

/* kio_mpsc_unbounded(tx, rx, size): a channel without a limit: kio_send is ready at the first
 * poll, and memory, in blocks that are freed as they drain, is the limit. Errors: -ENOMEM. */
#define kio_mpsc_unbounded(tx, rx, size)                                                           \
    KIO_TYPED_NEW_(tx, rx, size, kio_mpsc_new_(&(tx)->chan, &(rx)->chan, size, SIZE_MAX))

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
    KIO_WAITER_FN_(int); /* 0; -EPIPE: the receiver is gone; -ENOMEM: unbounded, no memory */
    /* private from here on */
    bool waiting, assigned, many; /* many: of a struct kio_reserve_many */
    struct kio_chan_ *chan;
    const void *value;
};

/**
 * kio_send(slot, tx, value): send a message, waiting for room.
 *
 * value    pointer to the message, borrowed until the future ends; copied
 *
 * Out:     0; -EPIPE: the receiver is gone or closed, and the message still is the caller's
 * Cancel:  safe: a dropped send did not send, and the message still is the caller's; its place in
 *          the line is lost (kio_reserve() and then kio_permit_send() keep it)
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

/* A limit of time is kio_timeout() around it:
 *     await(kio_timeout(&self->limit, KIO_SEC, kio_send(&self->send, &self->tx, &self->value)));
 *     if (self->limit.out == -ETIMEDOUT)            // not sent; otherwise look at self->send.out */

/* ---- mpsc: room kept for later ------------------------------------------------------------ */

struct kio_reserve {
    KIO_ASYNC_FN(int); /* 0; -EPIPE */
    /* private from here on */
    struct kio_chan_ **permit;
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
#define kio_reserve(slot, tx, permit)                                                              \
    KIO_TYPED_ENDS_(tx, permit, kio_reserve_(slot, (tx)->chan, &(permit)->chan))
KIO_API struct kio_reserve *kio_reserve_(struct kio_reserve *slot, struct kio_chan_ *chan,
                                         struct kio_chan_ **permit);
/* kio_try_reserve(tx, permit): 0, -EAGAIN or -EPIPE. Threads: any */
#define kio_try_reserve(tx, permit)                                                                \
    KIO_TYPED_ENDS_(tx, permit, kio_try_reserve_((tx)->chan, &(permit)->chan))
KIO_API KIO_MUST_USE int kio_try_reserve_(struct kio_chan_ *chan, struct kio_chan_ **permit);
/* kio_permit_send(permit, value): never waits. 0; -EPIPE: the receiver was dropped (after a mere
 * close it still takes the message); -ENOMEM (unbounded). The permit is used up. */
#define kio_permit_send(permit, value)                                                             \
    KIO_TYPED_(permit, value, kio_permit_send_(&(permit)->chan, value, KIO_VALUE_SIZE_(value)))
KIO_API int kio_permit_send_(struct kio_chan_ **permit, const void *value, size_t size);
/* kio_permit_drop(permit): the room goes to who waits first. Of an empty one: nothing. */
#define kio_permit_drop(permit) kio_permit_drop_(&(permit)->chan)
KIO_API void kio_permit_drop_(struct kio_chan_ **permit);

struct kio_reserve_many {
    KIO_ASYNC_FN(int); /* 0; -EPIPE; -EINVAL */
    /* private from here on */
    struct kio_chan_ **reserved;
    size_t *count;
    size_t need, got;
    struct kio_send send;
};

/**
 * kio_reserve_many(slot, tx, places, reserved): wait for room for some messages, and keep it.
 *
 * Places are collected as they get free, and who came later waits behind. Zero places are there at
 * once, also in a full channel.
 *
 * reserved written when out is 0: so many permits, to be taken by kio_reserved_next(); the rest is
 *          given back by kio_reserved_drop(). May outlive the sender. Borrowed until the future ends
 *
 * Out:     0; -EPIPE: the receiver is gone or closed; -EINVAL: the channel never has so much room
 * Cancel:  safe: no room is kept; the place in the line is lost
 * Order:   in one line with kio_send() and kio_reserve(), first come, first served
 * Threads: owner
 * Cost:    no allocation
 * Since:   0.1
 * See:     kio_try_reserve_many(); src/sync/reserve.c
 */
#define kio_reserve_many(slot, tx, places, reserved)                                               \
    KIO_TYPED_ENDS_(tx,                                                                            \
                    reserved,                                                                      \
                    kio_reserve_many_(slot, (tx)->chan, places, &(reserved)->chan, &(reserved)->count))
KIO_API struct kio_reserve_many *kio_reserve_many_(struct kio_reserve_many *slot,
                                                   struct kio_chan_ *chan, size_t need,
                                                   struct kio_chan_ **reserved, size_t *count);
/* kio_try_reserve_many(tx, places, reserved): all of them or none. 0; -EAGAIN: not so much room now;
 * -EPIPE; -EINVAL as above. Threads: any */
#define kio_try_reserve_many(tx, places, reserved)                                                 \
    KIO_TYPED_ENDS_(tx,                                                                            \
                    reserved,                                                                      \
                    kio_try_reserve_many_((tx)->chan, places, &(reserved)->chan, &(reserved)->count))
KIO_API KIO_MUST_USE int kio_try_reserve_many_(struct kio_chan_ *chan, size_t need,
                                               struct kio_chan_ **reserved, size_t *count);
/* kio_reserved_next(reserved, permit): takes one out; false: none is left. */
#define kio_reserved_next(reserved, permit)                                                        \
    KIO_TYPED_ENDS_(reserved,                                                                      \
                    permit,                                                                        \
                    kio_reserved_next_(&(reserved)->chan, &(reserved)->count, &(permit)->chan))
KIO_API bool kio_reserved_next_(struct kio_chan_ **reserved, size_t *count, struct kio_chan_ **permit);
/* kio_reserved_drop(reserved): gives back those that are left. Of an empty one: nothing. */
#define kio_reserved_drop(reserved) kio_reserved_drop_(&(reserved)->chan, &(reserved)->count)
KIO_API void kio_reserved_drop_(struct kio_chan_ **reserved, size_t *count);

struct kio_reserve_owned {
    KIO_ASYNC_FN(int); /* 0; -EPIPE */
    /* private from here on */
    struct kio_chan_ **tx, **permit;
    struct kio_send send;
};

/**
 * kio_reserve_owned(slot, tx, permit): wait for room, and keep it together with the sender.
 *
 * The permit counts as a sender: while it is there, the channel is open and weak senders can be
 * upgraded. For a permit that travels, to another task or in a message.
 *
 * tx       borrowed until the future ends; emptied when out is 0 (kio_tx_clone() first to keep one)
 * permit   borrowed, written when out is 0: ends by kio_owned_permit_send(), kio_owned_permit_release()
 *          or kio_owned_permit_drop()
 *
 * Out:     0; -EPIPE: the sender stays the caller's
 * Cancel:  safe: the sender stays the caller's; the place in the line is lost
 * Threads: owner
 * Since:   0.1
 */
#define kio_reserve_owned(slot, tx, permit)                                                        \
    KIO_TYPED_ENDS_(tx, permit, kio_reserve_owned_(slot, &(tx)->chan, &(permit)->chan))
KIO_API struct kio_reserve_owned *kio_reserve_owned_(struct kio_reserve_owned *slot,
                                                     struct kio_chan_ **tx,
                                                     struct kio_chan_ **permit);
/* kio_try_reserve_owned(tx, permit): 0, -EAGAIN or -EPIPE; tx is emptied when it is 0. */
#define kio_try_reserve_owned(tx, permit)                                                          \
    KIO_TYPED_ENDS_(tx, permit, kio_try_reserve_owned_(&(tx)->chan, &(permit)->chan))
KIO_API KIO_MUST_USE int kio_try_reserve_owned_(struct kio_chan_ **tx, struct kio_chan_ **permit);
/* kio_owned_permit_send(permit, value, tx): as kio_permit_send(). Used up: the sender is in *tx. */
#define kio_owned_permit_send(permit, value, tx)                                                   \
    ({                                                                                             \
        KIO_SAME_TYPE_(permit, value);                                                             \
        KIO_SAME_ENDS_(permit, tx);                                                                \
        kio_owned_permit_send_(&(permit)->chan, value, KIO_VALUE_SIZE_(value), &(tx)->chan);       \
    })
KIO_API int kio_owned_permit_send_(struct kio_chan_ **permit, const void *value, size_t size,
                                   struct kio_chan_ **tx);
/* kio_owned_permit_release(permit, tx): gives the room back, and the sender to *tx. */
#define kio_owned_permit_release(permit, tx)                                                       \
    KIO_TYPED_ENDS_(permit, tx, kio_owned_permit_release_(&(permit)->chan, &(tx)->chan))
KIO_API void kio_owned_permit_release_(struct kio_chan_ **permit, struct kio_chan_ **tx);
/* kio_owned_permit_drop(permit): gives the room back and drops the sender. Of an empty one: nothing. */
#define kio_owned_permit_drop(permit) kio_owned_permit_drop_(&(permit)->chan)
KIO_API void kio_owned_permit_drop_(struct kio_chan_ **permit);

/* ---- mpsc: closed, full, counts ----------------------------------------------------------- */

struct kio_tx_closed {
    KIO_WAITER_FN_(void);
    /* private from here on */
    struct kio_chan_ *chan;
};

/* kio_tx_closed(slot, tx): ready when the receiver is gone or closed. Cancel: safe */
#define kio_tx_closed(slot, tx) kio_tx_closed_(slot, (tx)->chan)
KIO_API struct kio_tx_closed *kio_tx_closed_(struct kio_tx_closed *slot, struct kio_chan_ *chan);

/* kio_tx_is_closed(tx): whether the receiver is gone or closed. */
#define kio_tx_is_closed(tx) kio_chan_is_closed_((tx)->chan)
/* Room now, permits taken off, and the room there is in all (SIZE_MAX: unbounded). */
#define kio_tx_capacity(tx)     kio_chan_room_((tx)->chan)
#define kio_tx_max_capacity(tx) kio_chan_capacity_((tx)->chan)
#define kio_rx_capacity(rx)     kio_chan_room_((rx)->chan)
#define kio_rx_max_capacity(rx) kio_chan_capacity_((rx)->chan)
/* Whether both send to the same channel. */
#define kio_tx_same(a, b)       ((a)->chan == (b)->chan)
KIO_API bool kio_chan_is_closed_(struct kio_chan_ *chan);
KIO_API size_t kio_chan_room_(struct kio_chan_ *chan);
KIO_API size_t kio_chan_capacity_(struct kio_chan_ *chan);
KIO_API size_t kio_chan_message_size_(const struct kio_chan_ *chan);

/* kio_tx_downgrade(tx): a weak sender, as a value; dropped by kio_weak_tx_drop. */
#define kio_tx_downgrade(tx)                                                                       \
    ((__typeof__(*(tx)->weak_)){ { kio_tx_downgrade_((tx)->chan) } })
KIO_API KIO_MUST_USE struct kio_chan_ *kio_tx_downgrade_(struct kio_chan_ *chan);
/* kio_tx_upgrade(weak, tx): 0 and a sender, or -EPIPE: every sender is gone. */
#define kio_tx_upgrade(weak, tx)                                                                   \
    KIO_TYPED_ENDS_(weak, tx, kio_tx_upgrade_((weak)->chan, &(tx)->chan))
KIO_API KIO_MUST_USE int kio_tx_upgrade_(struct kio_chan_ *weak, struct kio_chan_ **chan);
/* kio_weak_tx_clone(weak): one more, as a value. */
#define kio_weak_tx_clone(weak) ((__typeof__(*(weak))){ { kio_tx_downgrade_((weak)->chan) } })
#define kio_weak_tx_drop(weak)  kio_weak_tx_drop_(&(weak)->chan)
KIO_API void kio_weak_tx_drop_(struct kio_chan_ **weak);
/* How many senders there are, and how many weak ones; end: a sender, a weak sender or the receiver.
 * An owned permit counts as a sender. */
#define kio_tx_strong_count(end) kio_chan_senders_((end)->chan)
#define kio_tx_weak_count(end)   kio_chan_weaks_((end)->chan)
KIO_API size_t kio_chan_senders_(struct kio_chan_ *chan);
KIO_API size_t kio_chan_weaks_(struct kio_chan_ *chan);

/* ---- mpsc: receiving ---------------------------------------------------------------------- */

struct kio_recv {
    KIO_ASYNC_FN(int); /* 1: a message was copied; 0: closed and drained */
    /* private from here on */
    bool waiting;
    struct kio_chan_ *chan;
    void *value;
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

/* kio_try_recv(rx, value): 1; 0: closed and drained; -EAGAIN: nothing there now (in a closed channel:
 * a permit may still bring something). */
#define kio_try_recv(rx, value)                                                                    \
    KIO_TYPED_(rx, value, kio_try_recv_((rx)->chan, value, KIO_VALUE_SIZE_(value)))
KIO_API KIO_MUST_USE int kio_try_recv_(struct kio_chan_ *chan, void *value, size_t size);

/* kio_blocking_recv(rx, value): for threads that run no tasks. 1 or 0, as kio_recv(). */
#define kio_blocking_recv(rx, value)                                                               \
    KIO_TYPED_(rx, value, kio_blocking_recv_((rx)->chan, value, KIO_VALUE_SIZE_(value)))
KIO_API KIO_MUST_USE int kio_blocking_recv_(struct kio_chan_ *chan, void *value, size_t size);

/* kio_blocking_recv_many(rx, values, max): as kio_recv_many(), for threads that run no tasks. */
#define kio_blocking_recv_many(rx, values, max)                                                    \
    KIO_TYPED_(rx, values, kio_blocking_recv_many_((rx)->chan, values, KIO_VALUE_SIZE_(values), max))
KIO_API KIO_MUST_USE size_t kio_blocking_recv_many_(struct kio_chan_ *chan, void *values, size_t size,
                                                    size_t max);

/* Messages queued now. */
#define kio_rx_len(rx)      kio_chan_len_((rx)->chan)
#define kio_rx_is_empty(rx) (!kio_chan_len_((rx)->chan))
KIO_API size_t kio_chan_len_(struct kio_chan_ *chan);
/* kio_rx_is_closed(rx): whether no sends come any more: it was closed, or senders and permits are gone. */
#define kio_rx_is_closed(rx) kio_chan_rx_is_closed_((rx)->chan)
KIO_API bool kio_chan_rx_is_closed_(struct kio_chan_ *chan);

/* ---- oneshot ------------------------------------------------------------------------------ */

struct kio_once_; /* opaque */

struct kio_oneshot_tx {
    union {
        struct kio_once_ *once;
        void *elem_;
    };
};

struct kio_oneshot_rx {
    union {
        struct kio_once_ *once;
        void *elem_;
    };
};

/* kio_oneshot_type(name, T): declares struct name_tx and name_rx, for a message of type T. */
#define kio_oneshot_type(name, T)                                                                  \
    KIO_TYPED_END_(name##_tx, struct kio_once_ *once, T, );                                        \
    KIO_TYPED_END_(name##_rx, struct kio_once_ *once, T, )

/**
 * kio_oneshot_channel(tx, rx, size): make a channel for one message.
 *
 * Returns: 0
 * Errors:  -ENOMEM: both ends are empty
 * Threads: any
 * Since:   0.1
 * See:     examples/worker_queue.c
 */
#define kio_oneshot_channel(tx, rx, size)                                                          \
    KIO_TYPED_NEW_(tx, rx, size, kio_oneshot_new_(&(tx)->once, &(rx)->once, size))
KIO_API KIO_MUST_USE int kio_oneshot_new_(struct kio_once_ **tx, struct kio_once_ **rx, size_t size);

/**
 * kio_oneshot_send(tx, value): send the message; uses the sender up. Never waits.
 *
 * Returns: 0
 * Errors:  -EPIPE: the receiver is gone or closed, and the message still is the caller's
 * Threads: any
 * Since:   0.1
 */
#define kio_oneshot_send(tx, value)                                                                \
    KIO_TYPED_(tx, value, kio_oneshot_send_(&(tx)->once, value, KIO_VALUE_SIZE_(value)))
KIO_API int kio_oneshot_send_(struct kio_once_ **tx, const void *value, size_t size);

/* kio_oneshot_tx_drop(tx): the receiver gets 0. Of an empty handle: nothing. */
#define kio_oneshot_tx_drop(tx) kio_oneshot_tx_drop_(&(tx)->once)
KIO_API void kio_oneshot_tx_drop_(struct kio_once_ **tx);
/* kio_oneshot_rx_drop(rx): sends fail from now on; a message that waits is lost. */
#define kio_oneshot_rx_drop(rx) kio_oneshot_rx_drop_(&(rx)->once)
KIO_API void kio_oneshot_rx_drop_(struct kio_once_ **rx);
/* kio_oneshot_rx_close(rx): sends fail from now on; a message that waits can be received. Of an empty
 * handle: nothing. */
#define kio_oneshot_rx_close(rx) kio_oneshot_rx_close_((rx)->once)
KIO_API void kio_oneshot_rx_close_(struct kio_once_ *once);
/* kio_oneshot_on_drop(rx, drop): a message nobody received is given to drop(message). */
#define kio_oneshot_on_drop(rx, drop) kio_oneshot_on_drop_((rx)->once, drop)
KIO_API void kio_oneshot_on_drop_(struct kio_once_ *once, void (*drop)(void *message));
/* kio_oneshot_is_closed(tx): whether the receiver is gone or closed. */
#define kio_oneshot_is_closed(tx) kio_oneshot_is_closed_((tx)->once)
KIO_API bool kio_oneshot_is_closed_(struct kio_once_ *once);
/* kio_oneshot_is_empty(rx): whether no message lies there: not yet sent, or taken, or never to come. */
#define kio_oneshot_is_empty(rx) kio_oneshot_is_empty_((rx)->once)
KIO_API bool kio_oneshot_is_empty_(struct kio_once_ *once);
/* kio_oneshot_is_terminated(rx): whether rx is used up: its end, with or without a message, was
 * received. */
#define kio_oneshot_is_terminated(rx) (!(rx)->once)

struct kio_oneshot_recv {
    KIO_ASYNC_FN(int); /* 1: the message was copied; 0: the sender was dropped without sending */
    /* private from here on */
    bool waiting;
    struct kio_once_ **rx;
    void *value;
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
#define kio_oneshot_recv(slot, rx, value)                                                          \
    KIO_TYPED_(rx, value, kio_oneshot_recv_(slot, &(rx)->once, value, KIO_VALUE_SIZE_(value)))
KIO_API struct kio_oneshot_recv *kio_oneshot_recv_(struct kio_oneshot_recv *slot,
                                                   struct kio_once_ **rx, void *value, size_t size);

/* kio_oneshot_try_recv(rx, value): 1 or 0 as kio_oneshot_recv(); -EAGAIN: not yet. Of a handle that is
 * used up: 0. */
#define kio_oneshot_try_recv(rx, value)                                                            \
    KIO_TYPED_(rx, value, kio_oneshot_try_recv_(&(rx)->once, value, KIO_VALUE_SIZE_(value)))
KIO_API KIO_MUST_USE int kio_oneshot_try_recv_(struct kio_once_ **rx, void *value, size_t size);
/* kio_oneshot_blocking_recv(rx, value): for threads that run no tasks: 1 or 0. */
#define kio_oneshot_blocking_recv(rx, value)                                                       \
    KIO_TYPED_(rx, value, kio_oneshot_blocking_recv_(&(rx)->once, value, KIO_VALUE_SIZE_(value)))
KIO_API KIO_MUST_USE int kio_oneshot_blocking_recv_(struct kio_once_ **rx, void *value, size_t size);

struct kio_oneshot_closed {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_once_ *once;
    bool waiting;
};

/* kio_oneshot_closed(slot, tx): ready when the receiver is gone or closed. Cancel: safe */
#define kio_oneshot_closed(slot, tx) kio_oneshot_closed_(slot, (tx)->once)
KIO_API struct kio_oneshot_closed *kio_oneshot_closed_(struct kio_oneshot_closed *slot,
                                                       struct kio_once_ *once);

#endif
