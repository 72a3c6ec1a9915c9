/*
 * One worker's run queue: the owner pushes at the tail and pops at the head, others steal a part.
 *
 * Layout: a ring of pointers that doubles when it is full, up to KI_QUEUE_MAX; head and tail count up
 * for ever (32 bits, so an index seen before comes back after four thousand million operations).
 * Invariants: head <= tail, tail - head <= the ring's size; entries head .. tail - 1 are tasks.
 * Access: tail and ring are written by the owner alone; head by compare-and-swap by everybody; an
 * entry is written by the owner before the tail that covers it, and again only after head has passed
 * it. A ring that was outgrown is not written any more, and kept until the queue ends.
 *
 * The race: a thief copies entries, then claims them by moving head. If the owner popped or
 * another thief stole meanwhile, head has moved and the claim fails; the copies are forgotten. An
 * entry can only have been overwritten after head passed it, so a claim that succeeds copied
 * what was there. (The queue of Go's scheduler, runtime/proc.go runqgrab, has the same shape.)
 * If the owner moved to a larger ring meanwhile, the thief's copy comes from the old one, where what
 * it claims stands unchanged: the thief looks at tail before it looks at ring, and the owner sets
 * ring before a tail that needs it, so no ring is too old for its tail.
 *
 * A ring that grows, not a fixed one that spills into the queue from outside as in Tokio and Go: a
 * thousand tasks that yield went through that queue all the time, at 39 ns a yield with two
 * workers, against 14.
 */
#ifndef KI_SCHED_QUEUE_H
#define KI_SCHED_QUEUE_H

#include "../base/cpu.h"
#include "../task/task.h"

/* Powers of two; smaller when a model checker explores it. */
#ifndef KI_QUEUE_MIN
#define KI_QUEUE_MIN   256u
#define KI_QUEUE_MAX   65536u
#define KI_QUEUE_STEAL 128u /* at most that many at once; less than KI_QUEUE_MIN */
#endif

struct ki_ring {
    struct ki_ring *older; /* outgrown */
    uint32_t size;
    ki_atomic(struct ki_task *) at[];
};

struct ki_queue {
    KI_CACHE_ALIGNED ki_atomic(uint32_t) head; /* everybody writes */
    KI_CACHE_ALIGNED ki_atomic(uint32_t) tail; /* owner writes, also what follows */
    uint32_t head_seen; /* head was there or further: a push need not touch its cache line */
    ki_atomic(struct ki_ring *) ring;
};

/* 0 or -ENOMEM. */
KIO_MUST_USE int ki_queue_init(struct ki_queue *q);
/* Nobody steals any more. Of a zeroed one: nothing. */
void ki_queue_free(struct ki_queue *q);
/* Owner: a larger ring; false: it is as large as it gets, or no memory. */
KIO_MUST_USE bool ki_queue_grow(struct ki_queue *q);

static inline ki_atomic(struct ki_task *) *ki_ring_at(struct ki_ring *ring, uint32_t i)
{
    return &ring->at[i & (ring->size - 1)];
}

/* Owner: false when full. */
static inline bool ki_queue_push(struct ki_queue *q, struct ki_task *task)
{
    uint32_t tail = ki_load_relaxed(&q->tail); /* only we write it, and ring */
    uint32_t size = ki_load_relaxed(&q->ring)->size;

    if (kio_unlikely_(tail - q->head_seen == size)) {
        /* acquire: pairs with the claims: entries are free again. What it keeps in order is the store below,
         * which the checker in tests/model cannot show: it does not let loads see what is stored later. */
        q->head_seen = ki_load_acquire(&q->head);
        if (tail - q->head_seen == size && !ki_queue_grow(q))
            return false;
    }
    ki_store_relaxed(ki_ring_at(ki_load_relaxed(&q->ring), tail), task); /* published by tail */
    ki_store_release(&q->tail, tail + 1); /* pairs with ki_queue_steal */
    return true;
}

/* Owner: the oldest task, or NULL. */
static inline struct ki_task *ki_queue_pop(struct ki_queue *q)
{
    uint32_t head = ki_load_relaxed(&q->head); /* the claim below checks it */
    uint32_t tail = ki_load_relaxed(&q->tail); /* only we write it, and ring */
    struct ki_task *task;

    do {
        if (head == tail)
            return NULL;
        task = ki_load_relaxed(ki_ring_at(ki_load_relaxed(&q->ring), head)); /* we wrote it */
        /* acq_rel: pairs with ki_queue_push's look at head, through thieves too */
    } while (!ki_cas_weak_acq_rel(&q->head, &head, head + 1));
    q->head_seen = head;
    return task;
}

/* Anybody: a length that was true a moment ago, or a little more. */
static inline uint32_t ki_queue_len(struct ki_queue *q)
{
    uint32_t head = ki_load_acquire(&q->head); /* first: tail is never behind it then */

    /* acquire: who is told of work here looks for it knowing what its owner did before, as that it searches
     * no more (idle.h) */
    return ki_load_acquire(&q->tail) - head;
}

/* Nobody pushes or takes any more: what is in it does not count. */
static inline void ki_queue_forget(struct ki_queue *q)
{
    ki_store_relaxed(&q->head, ki_load_relaxed(&q->tail)); /* only ki_queue_len looks */
}

/* Moves half of `from` (rounded up), at most KI_QUEUE_STEAL, to `own`, which is the caller's; gives
 * the oldest of them to run at once. NULL: nothing to steal, or no room. */
struct ki_task *ki_queue_steal(struct ki_queue *own, struct ki_queue *from);

#endif
