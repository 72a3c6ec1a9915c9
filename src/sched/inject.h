/*
 * The queue from outside: tasks spawned or woken by threads that are not workers, and what does
 * not fit a worker's own queue. A list under a lock; its length can be read without.
 */
#ifndef KI_SCHED_INJECT_H
#define KI_SCHED_INJECT_H

#include "../task/task.h"

struct ki_inject {
    struct ki_lock lock;
    struct ki_task *head, *tail;
    ki_atomic(size_t) len;
    ki_atomic(uint64_t) pushed; /* so far; for metrics */
};

/* first .. last: a list of count tasks linked by next. */
static inline void ki_inject_push(struct ki_inject *q, struct ki_task *first, struct ki_task *last,
                                  size_t count)
{
    last->next = NULL;
    ki_lock(&q->lock, KI_RANK_INJECT);
    if (q->head)
        q->tail->next = first;
    else
        q->head = first;
    q->tail = last;
    /* relaxed: written under the lock, and only counted */
    ki_store_relaxed(&q->pushed, ki_load_relaxed(&q->pushed) + count);
    /* seq_cst: store-load with the look at sleepers that follows; pairs with a worker's look at
     * len after it counted itself as a sleeper (ki_multi_has_work). */
    ki_fetch_add_seq_cst(&q->len, count);
    ki_unlock(&q->lock, KI_RANK_INJECT);
}

/* Takes up to max tasks, as a list linked by next; returns how many. */
static inline size_t ki_inject_pop(struct ki_inject *q, struct ki_task **list, size_t max)
{
    struct ki_task **at = &q->head;
    size_t count = 0;

    *list = NULL;
    /* relaxed: the look that must not miss a push is ki_multi_has_work's, and what that saw this one sees */
    if (!ki_load_relaxed(&q->len))
        return 0;
    ki_lock(&q->lock, KI_RANK_INJECT);
    *list = q->head;
    while (count < max && *at) {
        at = &(*at)->next;
        count++;
    }
    q->head = *at;
    *at = NULL;
    ki_fetch_sub_relaxed(&q->len, count); /* under the lock; too long for a moment is harmless */
    ki_unlock(&q->lock, KI_RANK_INJECT);
    return count;
}

#endif
