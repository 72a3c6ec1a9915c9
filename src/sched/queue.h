/*
 * One worker's run queue: the owner pushes at the tail and pops at the head, others steal half.
 *
 * Layout: a ring of KI_QUEUE_CAP pointers; head and tail count up for ever (32 bits, so an index
 * seen before comes back after four thousand million operations).
 * Invariants: head <= tail, tail - head <= KI_QUEUE_CAP; entries head .. tail - 1 are tasks.
 * Access: tail is written by the owner alone; head by compare-and-swap by everybody; an entry is
 * written by the owner before the tail that covers it, and again only after head has passed it.
 *
 * The race: a thief copies entries, then claims them by moving head. If the owner popped or
 * another thief stole meanwhile, head has moved and the claim fails; the copies are forgotten. An
 * entry can only have been overwritten after head passed it, so a claim that succeeds copied
 * what was there. (The queue of Go's scheduler, runtime/proc.go runqgrab, has the same shape.)
 */
#ifndef KI_SCHED_QUEUE_H
#define KI_SCHED_QUEUE_H

#include "../base/cpu.h"
#include "../task/task.h"

/* 256 as Tokio and Go; smaller when a model checker explores it. */
#ifndef KI_QUEUE_CAP
#define KI_QUEUE_CAP 256u
#endif

struct ki_queue {
    KI_CACHE_ALIGNED ki_atomic(uint32_t) head; /* everybody writes */
    KI_CACHE_ALIGNED ki_atomic(uint32_t) tail; /* owner writes */
    ki_atomic(struct ki_task *) ring[KI_QUEUE_CAP];
};

/* Owner: false when full. */
static inline bool ki_queue_push(struct ki_queue *q, struct ki_task *task)
{
    uint32_t tail = ki_load_relaxed(&q->tail); /* only we write it */
    uint32_t head = ki_load_acquire(&q->head); /* pairs with the claims: the entry is free again */

    if (tail - head == KI_QUEUE_CAP)
        return false;
    ki_store_relaxed(&q->ring[tail % KI_QUEUE_CAP], task); /* published by tail */
    ki_store_release(&q->tail, tail + 1);                  /* pairs with ki_queue_steal */
    return true;
}

/* Owner: the oldest task, or NULL. */
static inline struct ki_task *ki_queue_pop(struct ki_queue *q)
{
    uint32_t head = ki_load_relaxed(&q->head); /* the claim below checks it */
    uint32_t tail = ki_load_relaxed(&q->tail); /* only we write it */
    struct ki_task *task;

    do {
        if (head == tail)
            return NULL;
        task = ki_load_relaxed(&q->ring[head % KI_QUEUE_CAP]); /* we wrote it */
        /* acq_rel: pairs with ki_queue_push's look at head, through thieves too */
    } while (!ki_cas_weak_acq_rel(&q->head, &head, head + 1));
    return task;
}

/* Anybody: a length that was true a moment ago. */
static inline uint32_t ki_queue_len(struct ki_queue *q)
{
    uint32_t head = ki_load_acquire(&q->head);
    uint32_t len = ki_load_acquire(&q->tail) - head;

    return len > KI_QUEUE_CAP ? KI_QUEUE_CAP : len; /* head was read first, and moved since */
}

/* Moves half of `from` (rounded up) to `own`, which is the caller's and has room for half a ring;
 * gives the oldest of them to run at once. NULL: nothing to steal. */
struct ki_task *ki_queue_steal(struct ki_queue *own, struct ki_queue *from);

/* Owner, full queue: takes the newer half out as a list through task->next; 0 if a thief made
 * room meanwhile. */
uint32_t ki_queue_overflow(struct ki_queue *q, struct ki_task **first, struct ki_task **last);

#endif
