#include "queue.h"

struct ki_task *ki_queue_steal(struct ki_queue *own, struct ki_queue *from)
{
    uint32_t own_tail = ki_load_relaxed(&own->tail); /* only we write it */
    uint32_t head = ki_load_acquire(&from->head);    /* pairs with other claims */

    if (own_tail - ki_load_acquire(&own->head) > KI_QUEUE_CAP / 2)
        return NULL;
    for (;;) {
        uint32_t tail = ki_load_acquire(&from->tail); /* pairs with ki_queue_push: entries */
        uint32_t count = tail - head;
        struct ki_task *first;

        if (count == 0)
            return NULL;
        if (count > KI_QUEUE_CAP) { /* head is old: it moved between the two loads */
            head = ki_load_acquire(&from->head);
            continue;
        }
        count -= count / 2;
        /* relaxed: covered by from->tail above, published by own->tail below */
        first = ki_load_relaxed(&from->ring[head % KI_QUEUE_CAP]);
        for (uint32_t i = 1; i < count; i++) {
            struct ki_task *task = ki_load_relaxed(&from->ring[(head + i) % KI_QUEUE_CAP]);

            ki_store_relaxed(&own->ring[(own_tail + i - 1) % KI_QUEUE_CAP], task);
        }
        /* acq_rel: the release lets the owner's push write these entries again. */
        if (ki_cas_weak_acq_rel(&from->head, &head, head + count)) {
            ki_store_release(&own->tail, own_tail + count - 1); /* pairs with the next thief */
            return first;
        }
    }
}

uint32_t ki_queue_overflow(struct ki_queue *q, struct ki_task **first, struct ki_task **last)
{
    uint32_t head = ki_load_acquire(&q->head);
    uint32_t tail = ki_load_relaxed(&q->tail); /* only we write it */
    uint32_t keep = KI_QUEUE_CAP / 2;
    struct ki_task *list = NULL;
    struct ki_task *end = NULL;

    if (tail - head < KI_QUEUE_CAP)
        return 0;
    /* Claim all, then put the older half back: the newer half goes, because what was fetched from
     * outside a moment ago would only bounce (tokio #8029). acq_rel: as ki_queue_pop. */
    if (!ki_cas_strong_acq_rel(&q->head, &head, head + KI_QUEUE_CAP))
        return 0;
    for (uint32_t i = KI_QUEUE_CAP; i-- > keep;) {
        struct ki_task *task = ki_load_relaxed(&q->ring[(head + i) % KI_QUEUE_CAP]);

        task->next = list;
        list = task;
        end = end ? end : task;
    }
    /* The ring is ours alone between the claim and this store; the older half moves up. */
    for (uint32_t i = 0; i < keep; i++) {
        struct ki_task *task = ki_load_relaxed(&q->ring[(head + i) % KI_QUEUE_CAP]);

        ki_store_relaxed(&q->ring[(tail + i) % KI_QUEUE_CAP], task);
    }
    ki_store_release(&q->tail, tail + keep); /* pairs with ki_queue_steal */
    *first = list;
    *last = end;
    return KI_QUEUE_CAP - keep;
}
