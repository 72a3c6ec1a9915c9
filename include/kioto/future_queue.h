/*
 * A queue of futures: run side by side in one task, taken in the order in which they were put in.
 *
 *     for (int i = 0; i < 10; i++)
 *         if (kio_future_queue_add(&self->queue, fetch, .url = self->urls[i]))
 *             async_return(-ENOMEM);
 *     for (;;) {
 *         await(kio_future_queue_next(&self->next, &self->queue));
 *         if (!self->next.out)
 *             break;                                        // the queue is empty
 *         append(self->file, kio_future_queue_output(&self->next, struct page));
 *     }
 *
 * The counterpart of a kio_future_set (combine.h), which gives them in the order of their ends. They
 * run only while a kio_future_queue_next() is awaited; one that ends before its turn waits, with its
 * result. More may be put in at any time, also by a member. The queue is dropped, with all in it,
 * when the async function in whose struct it lies ends; elsewhere kio_drop(&queue) does it.
 */
#ifndef KIOTO_FUTURE_QUEUE_H
#define KIOTO_FUTURE_QUEUE_H

#include "combine.h"

/* Zeroed: empty. Stays where it is while it has members. */
struct kio_future_queue {
    KIO_ASYNC_FN(void);
    /* private from here on */
    struct kio_future_set set; /* those that have not ended */
    struct kio_queued_ *ring;
    size_t cap, first, count;
};

/**
 * kio_future_queue_push(queue, future): put a future that lives in a slot at the end of the queue.
 *
 * future   pointer to its struct; borrowed until it is taken or the queue is dropped: neither drop
 *          it nor use its slot again before. Nobody's yet: the queue owns it. May have finished
 *
 * Returns: 0
 * Errors:  -ENOMEM: it is not in the queue, and as it was
 * Threads: owner
 * Cost:    constant; the queue's memory doubles when it is full
 * Since:   0.1
 * See:     kio_future_queue_add(); src/future/queue.c
 */
#define kio_future_queue_push(queue, future)                                                       \
    kio_future_queue_push_(queue, &(future)->kio, false, KIO_SCOPE_)

/**
 * kio_future_queue_add(queue, name, .param = v, …): make an async function's future in the queue.
 *
 * It lives on the heap until it was taken and the slot of that kio_future_queue_next() is used again
 * or dropped.
 *
 * Returns: 0
 * Errors:  -ENOMEM: the parameters were released by the function's destructor
 * Threads: owner
 * Cost:    one allocation; the queue's memory doubles when it is full
 * Since:   0.1
 */
#define kio_future_queue_add(queue, name, ...)                                                     \
    ({                                                                                             \
        struct name *in_ = kio_box_alloc_(sizeof(struct name));                                    \
        if (__builtin_expect(in_ != NULL, 1)) {                                                    \
            *in_ = (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_made_(&in_->kio);                                                                  \
        } else {                                                                                   \
            struct name lost_ = { .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };    \
            kio_drop_(&lost_.kio);                                                                 \
        }                                                                                          \
        kio_future_queue_push_(queue, in_ ? &in_->kio : NULL, true, KIO_SCOPE_);                   \
    })
KIO_API int kio_future_queue_push_(struct kio_future_queue *queue, kio_future *future, bool boxed,
                                   kio_future *scope);

/* kio_future_queue_len(queue): members that were not taken yet. */
static inline size_t kio_future_queue_len(const struct kio_future_queue *queue)
{
    return queue->count;
}

struct kio_future_queue_next {
    KIO_ASYNC_FN(int);  /* 1: the first member has ended; 0: the queue is empty */
    kio_future *future; /* that member: the first member of its struct */
    /* private from here on */
    bool boxed;
    struct kio_future_queue *queue;
    struct kio_future_set_next ended;
};

/**
 * kio_future_queue_next(slot, queue): wait until the first member has ended, and take it out.
 *
 * queue    borrowed until the future ends; one at a time
 *
 * Out:     1, and .future; 0: the queue is empty
 * Cancel:  safe: no member is taken; those that have ended wait for the next one
 * Threads: owner
 * Cost:    a wake polls the members that woke
 * Since:   0.1
 * See:     kio_future_queue_output(); kio_future_set_next(); src/future/queue.c
 */
KIO_API struct kio_future_queue_next *kio_future_queue_next(struct kio_future_queue_next *slot,
                                                            struct kio_future_queue *queue);

/* kio_future_queue_output(next, T): the taken member's result, as a T *, until next's slot is used
 * again or dropped. A guard fails when out was not 1 or the result has another size. */
#define kio_future_queue_output(next, T) ((T *)kio_future_queue_output_(next, sizeof(T)))
KIO_API void *kio_future_queue_output_(const struct kio_future_queue_next *next, size_t size);

#endif
