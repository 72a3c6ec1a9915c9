/*
 * A set of futures that grows and shrinks, each member with a waker of its own (nodes.h).
 *
 * Layout: blocks in a ring, each as large as all before it together up to KI_SET_MAX places, with
 * a block of wake nodes: the member at place i is woken through node i. Free places are a list.
 * Limit: a poll looks at every block: 6 for a thousand members, 250 for a million.
 * Fairness: members of a block are polled in the order in which they woke; a block is left when
 * as many were polled as it has places, or one of them was woken by its own poll (see many.c);
 * every poll begins with the block after the one that the last poll ended at.
 */
#include "combine.h"
#include "guard.h"
#include "nodes.h"
#include "../base/mem.h"

#include <errno.h>

#define KI_SET_MIN 16u
#define KI_SET_MAX 4096u /* what nodes.c pools: their wakers are not counted */

struct member {
    kio_future *future; /* NULL: the place is free */
    uint32_t next_free;
    bool boxed; /* on the heap, to be freed */
    bool owned; /* a child of the set, not somebody else's */
};

struct block {
    struct block *next; /* the ring */
    struct ki_nodes *nodes;
    struct ki_node *todo; /* woke, not polled yet */
    uint32_t cap;
    uint32_t free; /* first free place; cap: none */
    struct member at[];
};

/* ---- members ------------------------------------------------------------------------------ */

static struct block *add_block(struct kio_future_set *set)
{
    struct block *other = set->blocks;
    uint32_t cap = KI_SET_MIN;
    struct block *b;

    while (cap <= set->count && cap < KI_SET_MAX)
        cap *= 2;
    b = ki_mem_zalloc(sizeof *b + cap * sizeof b->at[0]);
    if (!b)
        return NULL;
    b->nodes = ki_nodes_get(cap);
    if (!b->nodes) {
        ki_mem_free(b);
        return NULL;
    }
    b->cap = cap;
    for (uint32_t i = 0; i < cap; i++)
        b->at[i].next_free = i + 1;
    b->next = other ? other->next : b;
    if (other)
        other->next = b;
    else
        set->blocks = b;
    return set->room = b;
}

/* Where a member was taken out last there is room. Otherwise a look at all, when many were added:
 * once for as many pushes as a block has places. */
static struct block *block_with_room(struct kio_future_set *set)
{
    struct block *room = set->room;
    struct block *b = room;

    if (!b)
        return add_block(set);
    do {
        if (b->free < b->cap)
            return set->room = b;
        b = b->next;
    } while (b != room);
    return add_block(set);
}

static void take_out(struct kio_future_set *set, struct block *b, uint32_t i)
{
    b->at[i].future = NULL;
    b->at[i].next_free = b->free;
    b->free = i;
    set->room = b;
    set->count--;
}

static kio_poll set_poll(kio_future *f, kio_context *cx)
{
    (void)f;
    (void)cx;
    ki_guard_fail(ki_guard_here(), "await(kio_future_set_next(&self->next, &self->set)), until out is 0",
                  "a kio_future_set was awaited");
}

/* Runs after the members that the set owned were dropped. */
static void set_drop(kio_future *f)
{
    struct kio_future_set *set = (struct kio_future_set *)f;
    struct block *first = set->blocks;
    struct block *b = first;

    set->blocks = set->room = NULL;
    set->count = 0;
    while (b) {
        struct block *next = b->next;

        ki_nodes_forget(b->todo);
        ki_nodes_put(b->nodes);
        for (uint32_t i = 0; i < b->cap; i++) {
            if (b->at[i].future && b->at[i].boxed)
                ki_mem_free(b->at[i].future);
        }
        ki_mem_free(b);
        b = next == first ? NULL : next;
    }
}

static void future_set_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                               void *arg)
{
    struct block *first = ((const struct kio_future_set *)f)->blocks;
    struct block *b = first;

    while (b) {
        for (uint32_t i = 0; i < b->cap; i++) {
            if (b->at[i].future)
                each(arg, b->at[i].future);
        }
        b = b->next == first ? NULL : b->next;
    }
}

static const kio_future_type set_type = {
    .name = "kio_future_set",
    .kind = KIO_KIND_ANY,
    .members = future_set_members,
    .size = sizeof(struct kio_future_set),
    .poll = set_poll,
    .drop = set_drop,
};

static void set_open(struct kio_future_set *set, kio_future *scope)
{
    kio_guard_borrow_(set, "kio_future_set", "the set");
    set->kio = (kio_future){ .type = &set_type };
    set->kio.state = set;
    if (scope && kio_is_within_(scope, &set->kio))
        kio_adopt_(scope, &set->kio);
}

int kio_future_set_push_(struct kio_future_set *set, kio_future *future, bool boxed,
                         kio_future *scope)
{
    struct block *b;
    uint32_t i;

    if (!future)
        return -ENOMEM; /* an async function that could not be made */
    if (!kio_is_live(set))
        set_open(set, scope);
    kio_guard_borrow_(future, "kio_future_set_push", "a member");
    b = block_with_room(set);
    if (!b) {
        if (boxed) {
            kio_drop_(future);
            ki_mem_free(future);
        }
        return -ENOMEM;
    }
    i = b->free;
    b->at[i].boxed = boxed;
    b->at[i].owned = !kio_is_owned_(future);
    ki_take_in(&set->kio, future, "kio_future_set_push");
    b->at[i].future = future;
    b->free = b->at[i].next_free;
    set->count++;
    kio_waker_wake_by_ref(ki_node_waker(&b->nodes->at[i])); /* its first poll */
    return 0;
}

/* ---- next --------------------------------------------------------------------------------- */

enum round { ROUND_TAKEN, ROUND_WAITS, ROUND_LATER, ROUND_NO_BUDGET };

static void give(struct kio_future_set_next *self, struct block *b, uint32_t i)
{
    self->future = b->at[i].future;
    self->boxed = b->at[i].boxed;
    self->owned = b->at[i].owned;
    take_out(self->set, b, i);
}

/* Polls the members of one block that woke, until one has ended. */
static enum round poll_block(struct kio_future_set_next *self, struct block *b, kio_context *cx)
{
    uint32_t polled = 0;
    bool yielded = false;

    for (;;) {
        struct ki_node *node = b->todo;
        kio_future *f;
        kio_context own;

        if (!node) {
            bool enough = yielded || polled >= b->cap;

            if (enough && ki_nodes_any(b->nodes))
                return ROUND_LATER;
            b->todo = node = ki_nodes_take(b->nodes, cx->waker);
            if (!node)
                return ROUND_WAITS;
            if (enough)
                return ROUND_LATER;
        }
        if (cx->run && cx->run->budget <= 0)
            return ROUND_NO_BUDGET;
        b->todo = node->next;
        ki_node_polled(node);
        f = node->index < b->cap ? b->at[node->index].future : NULL;
        if (!f)
            continue; /* a late wake, of a member that was taken */
        polled++;
        own = (kio_context){ .waker = ki_node_waker(node), .run = cx->run };
        if (kio_is_over_(f) || kio_poll_(f, &own) == KIO_READY) {
            give(self, b, node->index);
            return ROUND_TAKEN;
        }
        if (ki_load_relaxed(&node->queued)) /* relaxed: a hint, as in many.c */
            yielded = true;
    }
}

static enum round poll_blocks(struct kio_future_set_next *self, kio_context *cx)
{
    struct kio_future_set *set = self->set;
    struct block *first = set->blocks;
    struct block *b = first;
    bool later = false;

    do {
        enum round round = poll_block(self, b, cx);

        if (round == ROUND_TAKEN || round == ROUND_NO_BUDGET) {
            set->blocks = b->next;
            return round;
        }
        later |= round == ROUND_LATER;
        b = b->next;
    } while (b != first);
    return later ? ROUND_LATER : ROUND_WAITS;
}

/* A result that keeps resources, and a future on the heap, live until this one's slot is vacated. */
static kio_poll end_with_member(struct kio_future_set_next *self)
{
    bool kept = self->owned && self->future->state == KIO_KEPT;

    if (kept)
        kio_adopt_(&self->kio, self->future);
    self->out = 1;
    if (kept || self->boxed)
        kio_finish_keep(&self->kio);
    else
        kio_finish(&self->kio);
    return KIO_READY;
}

static kio_poll next_poll(kio_future *f, kio_context *cx)
{
    struct kio_future_set_next *self = (struct kio_future_set_next *)f;

    f->state = f;
    if (!self->set->count) {
        self->out = 0;
        kio_finish(f);
        return KIO_READY;
    }
    switch (poll_blocks(self, cx)) {
    case ROUND_TAKEN:
        return end_with_member(self);
    case ROUND_WAITS:
        break;
    case ROUND_LATER:
    case ROUND_NO_BUDGET:
        kio_waker_wake_by_ref(cx->waker);
        break;
    }
    return KIO_PENDING;
}

static void next_drop(kio_future *f)
{
    struct kio_future_set_next *self = (struct kio_future_set_next *)f;

    if (!self->boxed)
        return;
    self->boxed = false;
    kio_drop_(self->future);
    ki_mem_free(self->future);
    self->future = NULL;
}

static void future_set_next_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                                    void *arg)
{
    each(arg, &((const struct kio_future_set_next *)f)->set->kio);
}

static const kio_future_type next_type = {
    .name = "kio_future_set_next",
    .members = future_set_next_members,
    .size = sizeof(struct kio_future_set_next),
    .poll = next_poll,
    .drop = next_drop,
    .out_offset = offsetof(struct kio_future_set_next, out),
    .out_size = sizeof(int),
};

struct kio_future_set_next *kio_future_set_next(struct kio_future_set_next *slot,
                                                struct kio_future_set *set)
{
    kio_guard_borrow_(set, "kio_future_set_next", "the set");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_future_set_next){ .kio = { .type = &next_type }, .set = set };
    return slot;
}

void *kio_future_set_output_(const struct kio_future_set_next *next, size_t size)
{
    const kio_future *f = next->future;

    if (!f)
        ki_guard_fail(ki_guard_here(), "await kio_future_set_next, and look at its out first",
                      "kio_future_set_output where no member was taken");
    if (f->type->out_size != size)
        ki_guard_fail(ki_guard_here(), "name the type that stands in the function's async_fn(...)",
                      "kio_future_set_output of %s, whose result has %u bytes, as a type of %zu",
                      f->type->name, (unsigned)f->type->out_size, size);
    return (char *)next->future + f->type->out_offset;
}
