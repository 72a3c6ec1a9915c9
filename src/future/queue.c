/*
 * A queue of futures: a ring that keeps their order, and a set that polls them.
 *
 * Layout: ring of `cap` places, a power of two; member i of `count` is at (first + i) % cap. The set
 * holds those that have not ended; it owns none of them: the queue does. Whether a member has ended
 * is seen from the member, so the two need not know places of each other.
 */
#include "combine.h"
#include "guard.h"
#include "../base/mem.h"
#include "../base/panic.h"

#include <kioto/future_queue.h>

#include <errno.h>

#define KI_QUEUE_MIN 8u

struct kio_queued_ {
    kio_future *future;
    bool boxed; /* on the heap, to be freed */
    bool owned; /* a child of the queue, not somebody else's */
};

static struct kio_queued_ *at(const struct kio_future_queue *q, size_t i)
{
    return &q->ring[(q->first + i) & (q->cap - 1)];
}

static kio_poll queue_poll(kio_future *f, kio_context *cx)
{
    (void)f;
    (void)cx;
    ki_guard_fail(ki_guard_here(),
                  "await(kio_future_queue_next(&self->next, &self->queue)), until out is 0",
                  "a kio_future_queue was awaited");
}

/* Runs after the members that the queue owned were dropped, and the set. */
static void queue_drop(kio_future *f)
{
    struct kio_future_queue *q = (struct kio_future_queue *)f;

    kio_drop(&q->set);
    for (size_t i = 0; i < q->count; i++) {
        if (at(q, i)->boxed)
            ki_mem_free(at(q, i)->future);
    }
    ki_mem_free(q->ring);
    q->ring = NULL;
    q->cap = q->first = q->count = 0;
}

static void queue_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                          void *arg)
{
    const struct kio_future_queue *q = (const struct kio_future_queue *)f;

    for (size_t i = 0; i < q->count; i++)
        each(arg, at(q, i)->future);
}

static const kio_future_type queue_type = {
    .name = "kio_future_queue",
    .kind = KIO_KIND_ANY,
    .members = queue_members,
    .size = sizeof(struct kio_future_queue),
    .poll = queue_poll,
    .drop = queue_drop,
};

static void queue_open(struct kio_future_queue *q, kio_future *scope)
{
    kio_guard_borrow_(q, "kio_future_queue", "the queue");
    q->kio = (kio_future){ .type = &queue_type };
    q->kio.state = q;
    if (scope && kio_is_within_(scope, &q->kio))
        kio_adopt_(scope, &q->kio);
}

static bool has_room(struct kio_future_queue *q)
{
    size_t cap = q->cap ? q->cap * 2 : KI_QUEUE_MIN;
    struct kio_queued_ *ring;

    if (q->count < q->cap)
        return true;
    ring = ki_mem_alloc(cap * sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < q->count; i++)
        ring[i] = *at(q, i);
    ki_mem_free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->first = 0;
    return true;
}

/* The queue owns it before the set sees it: so the set leaves it alone when it has ended. */
static int put(struct kio_future_queue *q, kio_future *future, bool boxed)
{
    bool owned = !kio_is_owned_(future) && !kio_is_over_(future);

    if (!has_room(q))
        return -ENOMEM;
    ki_take_in(&q->kio, future, "kio_future_queue_push");
    if (!kio_is_over_(future) && kio_future_set_push_(&q->set, future, false, NULL)) {
        if (owned)
            kio_unlink_(future);
        return -ENOMEM;
    }
    q->count++;
    *at(q, q->count - 1) = (struct kio_queued_){ future, boxed, owned };
    return 0;
}

int kio_future_queue_push_(struct kio_future_queue *q, kio_future *future, bool boxed,
                           kio_future *scope)
{
    if (!future)
        return -ENOMEM; /* an async function that could not be made */
    if (!kio_is_live(q))
        queue_open(q, scope);
    kio_guard_borrow_(future, "kio_future_queue_push", "a member");
    if (!put(q, future, boxed))
        return 0;
    if (boxed) {
        kio_drop_(future);
        ki_mem_free(future);
    }
    return -ENOMEM;
}

/* ---- next --------------------------------------------------------------------------------- */

/* A result that keeps resources, and a future on the heap, live until this one's slot is vacated. */
static kio_poll take_first(struct kio_future_queue_next *self)
{
    struct kio_future_queue *q = self->queue;
    struct kio_queued_ first = *at(q, 0);
    bool kept = first.owned && first.future->state == KIO_KEPT;

    q->first = (q->first + 1) & (q->cap - 1);
    q->count--;
    self->future = first.future;
    self->boxed = first.boxed;
    if (kept)
        kio_adopt_(&self->kio, first.future);
    self->out = 1;
    if (kept || first.boxed)
        kio_finish_keep(&self->kio);
    else
        kio_finish(&self->kio);
    return KIO_READY;
}

static kio_poll next_poll(kio_future *f, kio_context *cx)
{
    struct kio_future_queue_next *self = (struct kio_future_queue_next *)f;
    struct kio_future_queue *q = self->queue;

    f->state = f;
    if (!q->count) {
        self->out = 0;
        kio_finish(f);
        return KIO_READY;
    }
    while (!kio_is_over_(at(q, 0)->future)) {
        if (!kio_is_live(&self->ended))
            kio_future_set_next(&self->ended, &q->set);
        if (kio_poll_(&self->ended.kio, cx) == KIO_PENDING)
            return KIO_PENDING;
        ki_assert(self->ended.out); /* the set has all that have not ended */
    }
    return take_first(self);
}

static void next_drop(kio_future *f)
{
    struct kio_future_queue_next *self = (struct kio_future_queue_next *)f;

    kio_drop(&self->ended);
    if (!self->boxed)
        return;
    self->boxed = false;
    kio_drop_(self->future);
    ki_mem_free(self->future);
    self->future = NULL;
}

static void next_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                         void *arg)
{
    each(arg, &((const struct kio_future_queue_next *)f)->queue->kio);
}

static const kio_future_type next_type = {
    .name = "kio_future_queue_next",
    .members = next_members,
    .size = sizeof(struct kio_future_queue_next),
    .poll = next_poll,
    .drop = next_drop,
    .out_offset = offsetof(struct kio_future_queue_next, out),
    .out_size = sizeof(int),
};

struct kio_future_queue_next *kio_future_queue_next(struct kio_future_queue_next *slot,
                                                    struct kio_future_queue *queue)
{
    kio_guard_borrow_(queue, "kio_future_queue_next", "the queue");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_future_queue_next){ .kio = { .type = &next_type }, .queue = queue };
    return slot;
}

void *kio_future_queue_output_(const struct kio_future_queue_next *next, size_t size)
{
    const kio_future *f = next->future;

    if (!f)
        ki_guard_fail(ki_guard_here(), "await kio_future_queue_next, and look at its out first",
                      "kio_future_queue_output where no member was taken");
    if (f->type->out_size != size)
        ki_guard_fail(ki_guard_here(), "name the type that stands in the function's async_fn(...)",
                      "kio_future_queue_output of %s, whose result has %u bytes, as a type of %zu",
                      f->type->name, (unsigned)f->type->out_size, size);
    return (char *)next->future + f->type->out_offset;
}
