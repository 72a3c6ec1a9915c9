#include "queue.h"
#include "../base/mem.h"

#include <errno.h>

static struct ki_ring *make(uint32_t size)
{
    struct ki_ring *ring = ki_mem_alloc(sizeof *ring + size * sizeof ring->at[0]);

    if (ring) {
        ring->older = NULL;
        ring->size = size;
    }
    return ring;
}

int ki_queue_init(struct ki_queue *q)
{
    struct ki_ring *ring = make(KI_QUEUE_MIN);

    *q = (struct ki_queue){ 0 };
    ki_store_relaxed(&q->ring, ring); /* nobody knows q yet */
    return ring ? 0 : -ENOMEM;
}

void ki_queue_free(struct ki_queue *q)
{
    struct ki_ring *ring = ki_load_relaxed(&q->ring);

    while (ring) {
        struct ki_ring *older = ring->older;

        ki_mem_free(ring);
        ring = older;
    }
    ki_store_relaxed(&q->ring, NULL);
}

KIO_COLD bool ki_queue_grow(struct ki_queue *q)
{
    struct ki_ring *old = ki_load_relaxed(&q->ring);
    uint32_t tail = ki_load_relaxed(&q->tail);
    struct ki_ring *ring = old->size < KI_QUEUE_MAX ? make(old->size * 2) : NULL;

    if (!ring)
        return false;
    ring->older = old;
    /* The queue was full: all of the old ring, also what thieves take meanwhile. relaxed: published
     * by ring. */
    for (uint32_t i = tail - old->size; i != tail; i++)
        ki_store_relaxed(ki_ring_at(ring, i), ki_load_relaxed(ki_ring_at(old, i)));
    ki_store_release(&q->ring, ring); /* pairs with ki_queue_steal */
    return true;
}

struct ki_task *ki_queue_steal(struct ki_queue *own, struct ki_queue *from)
{
    uint32_t own_tail = ki_load_relaxed(&own->tail); /* only we write it, and ring */
    struct ki_ring *to = ki_load_relaxed(&own->ring);
    uint32_t head = ki_load_acquire(&from->head); /* any order would do: the claim checks it, and acquires */

    /* acquire: as ki_queue_push, what is written to own ring below */
    if (own_tail - ki_load_acquire(&own->head) > to->size - KI_QUEUE_STEAL)
        return NULL;
    for (;;) {
        /* acquire: pairs with ki_queue_push: entries, ring. Before ring: see the header; a ring that is older
         * than tail would be noticed too, by its size. */
        uint32_t tail = ki_load_acquire(&from->tail);
        struct ki_ring *ring = ki_load_acquire(&from->ring); /* pairs with ki_queue_grow: entries */
        uint32_t count = tail - head;
        struct ki_task *first;

        if (count == 0)
            return NULL;
        /* head is old: it moved between the two loads. The claim would fail; this saves the copying. */
        if (count > ring->size) {
            head = ki_load_acquire(&from->head); /* as above */
            continue;
        }
        count -= count / 2;
        if (count > KI_QUEUE_STEAL)
            count = KI_QUEUE_STEAL;
        /* relaxed: covered by from->tail above, published by own->tail below */
        first = ki_load_relaxed(ki_ring_at(ring, head));
        for (uint32_t i = 1; i < count; i++) {
            struct ki_task *task = ki_load_relaxed(ki_ring_at(ring, head + i));

            ki_store_relaxed(ki_ring_at(to, own_tail + i - 1), task);
        }
        /* acq_rel: the release lets the owner's push write these entries again. */
        if (ki_cas_weak_acq_rel(&from->head, &head, head + count)) {
            ki_store_release(&own->tail, own_tail + count - 1); /* pairs with the next thief */
            return first;
        }
    }
}
