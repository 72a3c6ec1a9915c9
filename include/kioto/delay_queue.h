/*
 * Delay queues: values that come out when their time has come.
 *
 *     struct cache {
 *         async_fn(void);
 *         struct kio_delay_queue expiring;
 *         struct kio_delay_queue_next next;
 *         struct entry *entry;
 *     };
 *     …
 *     kio_delay_queue(&self->expiring, sizeof(struct entry *));
 *     if (kio_delay_queue_insert(&self->expiring, &entry, 30 * KIO_SEC, &entry->key))
 *         async_return();                                       // no memory
 *     …
 *     kio_delay_queue_reset(&self->expiring, entry->key, 30 * KIO_SEC);   // it was used: another 30 s
 *     …
 *     await(kio_delay_queue_next(&self->next, &self->expiring, &self->entry));
 *     if (self->next.out)                                       // 0: nothing is in the queue
 *         forget(self->entry);
 *
 * One timer for all of its values, whatever their number: for a cache's entries, sessions, retries.
 * Values are copied, of one size for each queue, and come in the order of their deadlines; with the
 * same deadline, in the order in which they were inserted or reset. Never early; how late: time.h.
 *
 * A queue belongs to one task, which may change it while a kio_delay_queue_next() waits (in another
 * arm of its select): that one then wakes in time. To feed it from elsewhere, select on a channel
 * beside it. A queue is a future's child like any other: it is dropped, with all in it, when the async
 * function in whose struct it lies ends; elsewhere kio_drop(&queue) does it.
 */
#ifndef KIOTO_DELAY_QUEUE_H
#define KIOTO_DELAY_QUEUE_H

#include "time.h"

/* Names a value in its queue until it comes out or is removed. A plain value, copied freely; once it is
 * stale it names nothing. Zeroed: nothing. */
struct kio_delay_key {
    /* private from here on */
    uint32_t index, turn;
};

struct kio_delay_queue_next;

/* Made by kio_delay_queue(). Stays where it is. */
struct kio_delay_queue {
    KIO_ASYNC_FN(void);
    /* private from here on */
    uint32_t size;                        /* of a value */
    uint32_t count, room;                 /* values; places for them */
    uint32_t free;                        /* the first free place; room: none */
    uint32_t turn;                        /* the next key's */
    uint64_t order;                       /* counts inserts and resets */
    struct kio_delay_queued_ *heap;       /* the earliest first */
    char *places;
    void (*drop_value)(void *value);
    struct kio_delay_queue_next *waiting; /* NULL: nobody */
};

/**
 * kio_delay_queue(queue, size): make an empty queue of values of `size` bytes.
 *
 * queue    where it lives; what lived there is dropped. In the struct of the async function that this
 *          stands in it becomes its child
 *
 * Threads: owner, as all that follows
 * Cost:    no allocation before the first insert
 * Since:   0.1
 * See:     src/time/delay_queue.c; examples/delay_queue.c
 */
#define kio_delay_queue(queue, size) kio_delay_queue_(queue, size, KIO_SCOPE_)
KIO_API struct kio_delay_queue *kio_delay_queue_(struct kio_delay_queue *queue, size_t size,
                                                 kio_future *scope);

/* kio_delay_queue_on_drop(queue, drop): values that did not come out are given to drop(value) when the
 * queue is cleared or dropped. */
static inline void kio_delay_queue_on_drop(struct kio_delay_queue *queue, void (*drop)(void *value))
{
    queue->drop_value = drop;
}

/* The size of a value by its pointer's type; 0: a void pointer. */
#define KIO_DELAYED_SIZE_(value)                                                                   \
    _Generic((value), void *: (size_t)0, const void *: (size_t)0, default: sizeof(*(value)))

/**
 * kio_delay_queue_insert(queue, value, delay, key): put a value in, to come out after a while.
 *
 * value    copied
 * delay    nanoseconds from now; zero or less: it is due at once
 * key      written: names the value from now on; NULL: nobody wants to know
 *
 * Returns: 0
 * Errors:  -ENOMEM: nothing was inserted
 * Threads: owner
 * Cost:    O(log n); memory doubles when it is full
 * Since:   0.1
 * See:     kio_delay_queue_insert_at()
 */
#define kio_delay_queue_insert(queue, value, delay, key)                                           \
    kio_delay_queue_insert_(queue, value, KIO_DELAYED_SIZE_(value), delay, key)
KIO_API KIO_MUST_USE int kio_delay_queue_insert_(struct kio_delay_queue *queue, const void *value,
                                                 size_t size, kio_duration delay,
                                                 struct kio_delay_key *key);

/* kio_delay_queue_insert_at(queue, value, deadline, key): as kio_delay_queue_insert(), to come out at an
 * instant. */
#define kio_delay_queue_insert_at(queue, value, deadline, key)                                     \
    kio_delay_queue_insert_at_(queue, value, KIO_DELAYED_SIZE_(value), deadline, key)
KIO_API KIO_MUST_USE int kio_delay_queue_insert_at_(struct kio_delay_queue *queue,
                                                    const void *value, size_t size,
                                                    kio_instant deadline, struct kio_delay_key *key);

/**
 * kio_delay_queue_reset(queue, key, delay): have a value come out at another time.
 *
 * delay    nanoseconds from now; zero or less: it is due at once
 *
 * Returns: 0
 * Errors:  -ENOENT: the key's value is not in the queue
 * Threads: owner
 * Cost:    O(log n); no allocation, however often
 * Since:   0.1
 */
KIO_API int kio_delay_queue_reset(struct kio_delay_queue *queue, struct kio_delay_key key,
                                  kio_duration delay);

/* kio_delay_queue_reset_at(queue, key, deadline): as kio_delay_queue_reset(), to an instant. */
KIO_API int kio_delay_queue_reset_at(struct kio_delay_queue *queue, struct kio_delay_key key,
                                     kio_instant deadline);

/**
 * kio_delay_queue_remove(queue, key, value): take a value out before its time, or before it was seen.
 *
 * value    where it is copied; NULL: nobody wants it (it is not given to the queue's drop either)
 *
 * Returns: 0
 * Errors:  -ENOENT: the key's value is not in the queue
 * Threads: owner
 * Cost:    O(log n)
 * Since:   0.1
 */
#define kio_delay_queue_remove(queue, key, value)                                                  \
    kio_delay_queue_remove_(queue, key, value, KIO_DELAYED_SIZE_(value))
KIO_API int kio_delay_queue_remove_(struct kio_delay_queue *queue, struct kio_delay_key key,
                                    void *value, size_t size);

/* kio_delay_queue_deadline(queue, key, deadline): writes when a value comes out. 0, or -ENOENT. */
KIO_API int kio_delay_queue_deadline(const struct kio_delay_queue *queue, struct kio_delay_key key,
                                     kio_instant *deadline);

/* kio_delay_queue_peek(queue, key): writes the key of the value that comes next, due or not. Returns
 * whether there is one. */
KIO_API bool kio_delay_queue_peek(const struct kio_delay_queue *queue, struct kio_delay_key *key);

/* kio_delay_queue_len(queue): values in it, those that are due included. */
static inline size_t kio_delay_queue_len(const struct kio_delay_queue *queue)
{
    return queue->count;
}

/* kio_delay_queue_is_empty(queue): whether there are none. */
static inline bool kio_delay_queue_is_empty(const struct kio_delay_queue *queue)
{
    return queue->count == 0;
}

/* kio_delay_queue_clear(queue): drops all values; keeps its memory. */
KIO_API void kio_delay_queue_clear(struct kio_delay_queue *queue);

/* kio_delay_queue_capacity(queue): values it has memory for. _reserve(queue, more): for `more` than it
 * has now; 0 or -ENOMEM. _shrink(queue): gives back what lies behind the last value in memory: all of it
 * when it is empty. Keys stay valid. */
static inline size_t kio_delay_queue_capacity(const struct kio_delay_queue *queue)
{
    return queue->room;
}
KIO_API KIO_MUST_USE int kio_delay_queue_reserve(struct kio_delay_queue *queue, size_t more);
KIO_API void kio_delay_queue_shrink(struct kio_delay_queue *queue);

/**
 * kio_delay_queue_try_next(queue, value): take a value that is due, without waiting.
 *
 * value    written when there is one
 *
 * Returns: 1: a value came out; 0: the queue is empty
 * Errors:  -EAGAIN: none is due yet
 * Threads: owner
 * Since:   0.1
 */
#define kio_delay_queue_try_next(queue, value)                                                     \
    kio_delay_queue_try_next_(queue, value, KIO_DELAYED_SIZE_(value))
KIO_API int kio_delay_queue_try_next_(struct kio_delay_queue *queue, void *value, size_t size);

struct kio_delay_queue_next {
    KIO_ASYNC_FN(int);        /* 1: a value came out; 0: the queue is empty, or was dropped */
    kio_instant deadline;     /* that value's */
    struct kio_delay_key key; /* its key, which names nothing any more */
    /* private from here on */
    struct kio_delay_queue *queue;
    void *value;
    kio_waker waker;
    struct kio_sleep sleep; /* until the earliest */
};

/**
 * kio_delay_queue_next(slot, queue, value): wait until a value is due, and take it out.
 *
 * queue    borrowed until the future ends; one at a time waits for a queue
 * value    written when out is 1; borrowed until the future ends
 *
 * Out:     1: a value, with .deadline and .key; 0: nothing is in the queue, or the last was removed
 * Cancel:  safe: no value is taken
 * Threads: owner; needs a runtime
 * Since:   0.1
 * See:     kio_delay_queue_try_next()
 */
#define kio_delay_queue_next(slot, queue, value)                                                   \
    kio_delay_queue_next_(slot, queue, value, KIO_DELAYED_SIZE_(value))
KIO_API struct kio_delay_queue_next *kio_delay_queue_next_(struct kio_delay_queue_next *slot,
                                                           struct kio_delay_queue *queue,
                                                           void *value, size_t size);

#endif
