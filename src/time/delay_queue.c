/*
 * A delay queue: values in places, a heap of their deadlines, one sleep while somebody waits.
 *
 * Layout: `places` is an array of places (a head of 8 bytes and the value), `heap` a binary heap of
 * deadlines, each with the index of its place, each place with its position in the heap. Both grow
 * together and are full together, so that a reset or a remove allocates nothing. Free places are a list.
 * Order: by deadline, then by the number of the insert or reset.
 * Keys: a place's index and its turn, which changes with every value; 0 is no key's.
 * Waiting: the sleep lies in the kio_delay_queue_next that waits and is set to the first deadline. An
 * earlier first, and the end of the last value, wake it, and its poll sets the sleep anew; a first
 * that moved further back is noticed when the sleep ends: so a value that is reset again and again
 * costs one wake for each of its old deadlines that passes, not one a reset.
 *
 * Not locked: the queue is its task's own.
 */
#include <kioto/delay_queue.h>

#include "../base/clock.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>
#include <string.h>

#define KI_DELAY_MIN 8u
#define KI_DELAY_MAX (UINT32_C(1) << 30)

struct kio_delay_queued_ {
    kio_instant deadline;
    uint64_t order;
    uint32_t place;
};

struct place {
    uint32_t turn; /* its value's key; 0: it is free */
    uint32_t at;   /* in the heap; free: the next free place */
    char value[];
};

static size_t place_size(const struct kio_delay_queue *q)
{
    return (sizeof(struct place) + q->size + 7) & ~(size_t)7;
}

static struct place *place_at(const struct kio_delay_queue *q, uint32_t index)
{
    return (struct place *)(q->places + index * place_size(q));
}

/* NULL: the key is stale. */
static struct place *find(const struct kio_delay_queue *q, struct kio_delay_key key)
{
    struct place *p = key.turn && key.index < q->room ? place_at(q, key.index) : NULL;

    return p && p->turn == key.turn ? p : NULL;
}

/* ---- the heap ------------------------------------------------------------------------------ */

static bool before(const struct kio_delay_queued_ *a, const struct kio_delay_queued_ *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

static void put(struct kio_delay_queue *q, uint32_t at, struct kio_delay_queued_ e)
{
    q->heap[at] = e;
    place_at(q, e.place)->at = at;
}

/* Puts e where it belongs, seen from position `at`, whose own content is forgotten. */
static void sift(struct kio_delay_queue *q, uint32_t at, struct kio_delay_queued_ e)
{
    while (at && before(&e, &q->heap[(at - 1) / 2])) {
        put(q, at, q->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < q->count && before(&q->heap[child + 1], &q->heap[child]))
            child++;
        if (child >= q->count || !before(&q->heap[child], &e))
            break;
        put(q, at, q->heap[child]);
        at = child;
    }
    put(q, at, e);
}

/* ---- places -------------------------------------------------------------------------------- */

/* Room for `room` values, at least as many as places are used. -ENOMEM: as before. */
static int set_room(struct kio_delay_queue *q, uint32_t room)
{
    struct kio_delay_queued_ *heap = NULL;
    char *places = NULL;

    if (room) {
        heap = ki_mem_alloc(room * sizeof *heap);
        places = ki_mem_alloc(room * place_size(q));
        if (!heap || !places) {
            ki_mem_free(heap);
            ki_mem_free(places);
            return -ENOMEM;
        }
        if (q->count)
            memcpy(heap, q->heap, q->count * sizeof *heap);
        if (q->room)
            memcpy(places, q->places, (room < q->room ? room : q->room) * place_size(q));
    }
    ki_mem_free(q->heap);
    ki_mem_free(q->places);
    q->heap = heap;
    q->places = places;
    /* The free list anew, the lowest first. */
    for (uint32_t i = q->room; i < room; i++)
        place_at(q, i)->turn = 0;
    q->room = room;
    q->free = room;
    for (uint32_t i = room; i-- > 0;) {
        struct place *p = place_at(q, i);

        if (!p->turn) {
            p->at = q->free;
            q->free = i;
        }
    }
    return 0;
}

int kio_delay_queue_reserve(struct kio_delay_queue *queue, size_t more)
{
    uint64_t room = queue->room ? queue->room : KI_DELAY_MIN;

    if (more > KI_DELAY_MAX || queue->count + more > KI_DELAY_MAX)
        return -ENOMEM;
    if (queue->count + more <= queue->room)
        return 0;
    while (room < queue->count + more)
        room *= 2;
    return set_room(queue, (uint32_t)room);
}

void kio_delay_queue_shrink(struct kio_delay_queue *queue)
{
    uint32_t room = queue->room;

    while (room && !place_at(queue, room - 1)->turn)
        room--;
    if (room < queue->room)
        (void)set_room(queue, room); /* without memory it stays as it is */
}

/* The value at this position in the heap leaves; `to` NULL: it is not copied. */
static void take(struct kio_delay_queue *q, uint32_t at, void *to)
{
    uint32_t index = q->heap[at].place;
    struct place *p = place_at(q, index);

    if (to)
        memcpy(to, p->value, q->size);
    p->turn = 0;
    p->at = q->free;
    q->free = index;
    q->count--;
    if (at < q->count)
        sift(q, at, q->heap[q->count]);
}

/* ---- waking who waits ----------------------------------------------------------------------- */

static void wake(struct kio_delay_queue *q)
{
    if (q->waiting) {
        kio_waker waker = q->waiting->waker;

        q->waiting->waker.to = NULL;
        kio_waker_wake(waker);
    }
}

/* Something may come earlier than what the sleep is set to. */
static void look_at_first(struct kio_delay_queue *q)
{
    if (q->waiting &&
        (!q->count || q->heap[0].deadline < kio_sleep_deadline(&q->waiting->sleep)))
        wake(q);
}

/* ---- making and dropping -------------------------------------------------------------------- */

static kio_poll queue_poll(kio_future *f, kio_context *cx)
{
    (void)f;
    (void)cx;
    ki_guard_fail(ki_guard_here(), "await(kio_delay_queue_next(&self->next, &self->queue, &self->value))",
                  "a kio_delay_queue was awaited");
}

void kio_delay_queue_clear(struct kio_delay_queue *queue)
{
    while (queue->count) {
        struct place *p = place_at(queue, queue->heap[queue->count - 1].place);

        take(queue, queue->count - 1, NULL);
        if (queue->drop_value)
            queue->drop_value(p->value);
    }
    look_at_first(queue);
}

static void queue_drop(kio_future *f)
{
    struct kio_delay_queue *q = (struct kio_delay_queue *)f;

    kio_delay_queue_clear(q);
    (void)set_room(q, 0);
    if (q->waiting)
        q->waiting->queue = NULL;
    q->waiting = NULL;
}

static const kio_future_type queue_type = {
    .name = "kio_delay_queue",
    .size = sizeof(struct kio_delay_queue),
    .poll = queue_poll,
    .drop = queue_drop,
};

struct kio_delay_queue *kio_delay_queue_(struct kio_delay_queue *queue, size_t size,
                                         kio_future *scope)
{
    kio_guard_borrow_(queue, "kio_delay_queue", "the queue");
    if (size > INT32_MAX)
        ki_guard_fail(ki_guard_here(), "let the values be pointers to what is large",
                      "kio_delay_queue of values of %zu bytes", size);
    kio_vacate_(&queue->kio);
    *queue = (struct kio_delay_queue){
        .kio = { .type = &queue_type },
        .size = (uint32_t)size,
        .turn = 1,
    };
    queue->kio.state = queue; /* never moved from here on */
    if (scope && kio_is_within_(scope, &queue->kio))
        kio_adopt_(scope, &queue->kio);
    return queue;
}

/* ---- values --------------------------------------------------------------------------------- */

static void check(const struct kio_delay_queue *q, size_t size, const char *call)
{
    if (!kio_is_live_(&q->kio))
        ki_guard_fail(ki_guard_here(), "make it first: kio_delay_queue(&self->queue, sizeof(T))",
                      "%s was given an empty queue", call);
    if (size && size != q->size)
        ki_guard_fail(ki_guard_here(), "hand over a pointer to the type the queue was made for",
                      "%s: the value has %zu bytes, those of the queue %u", call, size, q->size);
}

int kio_delay_queue_insert_at_(struct kio_delay_queue *queue, const void *value, size_t size,
                               kio_instant deadline, struct kio_delay_key *key)
{
    struct place *p;
    uint32_t index;

    check(queue, size, "kio_delay_queue_insert");
    if (kio_delay_queue_reserve(queue, 1))
        return -ENOMEM;
    index = queue->free;
    p = place_at(queue, index);
    queue->free = p->at;
    p->turn = queue->turn;
    queue->turn = queue->turn == UINT32_MAX ? 1 : queue->turn + 1;
    memcpy(p->value, value, queue->size);
    queue->count++;
    sift(queue, queue->count - 1,
         (struct kio_delay_queued_){ .deadline = deadline, .order = queue->order++, .place = index });
    if (key)
        *key = (struct kio_delay_key){ .index = index, .turn = p->turn };
    look_at_first(queue);
    return 0;
}

int kio_delay_queue_insert_(struct kio_delay_queue *queue, const void *value, size_t size,
                            kio_duration delay, struct kio_delay_key *key)
{
    return kio_delay_queue_insert_at_(queue, value, size, ki_clock_add(kio_now(), delay), key);
}

int kio_delay_queue_reset_at(struct kio_delay_queue *queue, struct kio_delay_key key,
                             kio_instant deadline)
{
    struct place *p = find(queue, key);

    if (!p)
        return -ENOENT;
    sift(queue, p->at,
         (struct kio_delay_queued_){ .deadline = deadline, .order = queue->order++, .place = key.index });
    look_at_first(queue);
    return 0;
}

int kio_delay_queue_reset(struct kio_delay_queue *queue, struct kio_delay_key key,
                          kio_duration delay)
{
    return kio_delay_queue_reset_at(queue, key, ki_clock_add(kio_now(), delay));
}

int kio_delay_queue_remove_(struct kio_delay_queue *queue, struct kio_delay_key key, void *value,
                            size_t size)
{
    struct place *p = find(queue, key);

    if (!p)
        return -ENOENT;
    check(queue, size, "kio_delay_queue_remove");
    take(queue, p->at, value);
    look_at_first(queue);
    return 0;
}

int kio_delay_queue_deadline(const struct kio_delay_queue *queue, struct kio_delay_key key,
                             kio_instant *deadline)
{
    struct place *p = find(queue, key);

    if (!p)
        return -ENOENT;
    *deadline = queue->heap[p->at].deadline;
    return 0;
}

static struct kio_delay_key first_key(const struct kio_delay_queue *q)
{
    uint32_t index = q->heap[0].place;

    return (struct kio_delay_key){ .index = index, .turn = place_at(q, index)->turn };
}

bool kio_delay_queue_peek(const struct kio_delay_queue *queue, struct kio_delay_key *key)
{
    if (queue->count)
        *key = first_key(queue);
    return queue->count != 0;
}

int kio_delay_queue_try_next_(struct kio_delay_queue *queue, void *value, size_t size)
{
    check(queue, size, "kio_delay_queue_try_next");
    if (!queue->count)
        return 0;
    if (queue->heap[0].deadline > kio_now())
        return -EAGAIN;
    take(queue, 0, value);
    look_at_first(queue);
    return 1;
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void stop_waiting(struct kio_delay_queue_next *self)
{
    if (self->queue && self->queue->waiting == self)
        self->queue->waiting = NULL;
    kio_waker_drop(self->waker);
    self->waker.to = NULL;
}

/* Pending: waits for the first. */
static kio_poll wait_for_first(struct kio_delay_queue_next *self, kio_context *cx)
{
    struct kio_delay_queue *q = self->queue;
    kio_instant deadline = q->heap[0].deadline;

    if (q->waiting && q->waiting != self)
        ki_guard_fail(ki_guard_here(), "await one kio_delay_queue_next() of a queue at a time",
                      "two futures wait for the same kio_delay_queue");
    if (deadline <= kio_now())
        return KIO_READY;
    if (!kio_is_live(&self->sleep))
        kio_adopt_(&self->kio, &kio_sleep_until(&self->sleep, deadline)->kio);
    else if (kio_sleep_deadline(&self->sleep) != deadline)
        kio_sleep_reset(&self->sleep, deadline);
    if (kio_poll_(&self->sleep.kio, cx) == KIO_READY)
        return KIO_READY;
    q->waiting = self;
    if (!kio_waker_will_wake(self->waker, cx->waker)) {
        kio_waker_drop(self->waker);
        self->waker = kio_waker_clone(cx->waker);
    }
    return KIO_PENDING;
}

static kio_poll next_poll(kio_future *f, kio_context *cx)
{
    struct kio_delay_queue_next *self = (struct kio_delay_queue_next *)f;
    struct kio_delay_queue *q = self->queue;

    f->state = f;
    if (!kio_coop_may_(cx))
        return KIO_PENDING;
    if (!q || !q->count) {
        self->out = 0;
    } else {
        if (wait_for_first(self, cx) == KIO_PENDING)
            return KIO_PENDING;
        self->deadline = q->heap[0].deadline;
        self->key = first_key(q);
        take(q, 0, self->value);
        self->out = 1;
    }
    kio_coop_did_(cx);
    kio_finish(f);
    return KIO_READY;
}

static void next_drop(kio_future *f)
{
    stop_waiting((struct kio_delay_queue_next *)f);
}

static void next_describe(const kio_future *f, char *text, size_t cap)
{
    const struct kio_delay_queue *q = ((const struct kio_delay_queue_next *)f)->queue;

    snprintf(text, cap, "%u values", q ? q->count : 0);
}

static const kio_future_type next_type = {
    .name = "kio_delay_queue_next",
    .size = sizeof(struct kio_delay_queue_next),
    .poll = next_poll,
    .drop = next_drop,
    .describe = next_describe,
    .out_offset = offsetof(struct kio_delay_queue_next, out),
    .out_size = sizeof(int),
};

struct kio_delay_queue_next *kio_delay_queue_next_(struct kio_delay_queue_next *slot,
                                                   struct kio_delay_queue *queue, void *value,
                                                   size_t size)
{
    check(queue, size, "kio_delay_queue_next");
    kio_guard_borrow_(value, "kio_delay_queue_next", "value");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_delay_queue_next){
        .kio = { .type = &next_type },
        .queue = queue,
        .value = value,
    };
    return slot;
}
