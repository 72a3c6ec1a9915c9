/*
 * Join sets: handles in blocks, each with a waker of its own (future/nodes.h), so that the end of a
 * task costs the poll of one handle. Blocks double, so there are few; handles stay where they are.
 */
#include <kioto/join_set.h>

#include "handle.h"
#include "../base/mem.h"
#include "../future/guard.h"
#include "../future/nodes.h"

#include <errno.h>

#define KI_SET_MIN 16u
#define KI_SET_MAX 4096u /* blocks that nodes.c pools */

struct member {
    struct kio_join_handle handle; /* type NULL: the place is free */
    uint32_t next_free;
};

struct block {
    struct block *next; /* older, smaller */
    struct ki_nodes *nodes;
    struct ki_node *todo; /* woke, not looked at yet */
    uint32_t cap, used;
    uint32_t free; /* list of free places; cap: none */
    struct member at[];
};

static struct block *add_block(struct kio_join_set *set)
{
    struct block *newest = set->blocks;
    uint32_t cap = newest ? newest->cap * 2 : KI_SET_MIN;
    struct block *b;

    if (cap > KI_SET_MAX)
        cap = KI_SET_MAX;
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
    b->next = newest;
    set->blocks = b;
    return b;
}

static void free_block(struct block *b)
{
    for (struct ki_node *node = b->todo, *next; node; node = next) {
        next = node->next;
        ki_node_polled(node);
    }
    ki_nodes_put(b->nodes);
    ki_mem_free(b);
}

struct kio_join_handle *kio_join_set_place_(struct kio_join_set *set, void **place)
{
    struct block *b = set->blocks;

    while (b && b->free == b->cap)
        b = b->next;
    if (!b)
        b = add_block(set);
    *place = b;
    return b ? &b->at[b->free].handle : NULL;
}

int kio_join_set_placed_(struct kio_join_set *set, void *place, int err)
{
    struct block *b = place;
    uint32_t i;

    if (!b)
        return err;
    i = b->free;
    if (err) {
        kio_drop(&b->at[i].handle);
        b->at[i].handle.kio.type = NULL;
        return err;
    }
    kio_unlink_(&b->at[i].handle.kio);
    b->free = b->at[i].next_free;
    b->used++;
    set->count++;
    set->last = kio_abort_handle(&b->at[i].handle);
    /* It is looked at with the next poll, as if it had woken: so its waker gets to the task. */
    kio_waker_wake_by_ref(ki_node_waker(&b->nodes->at[i]));
    return 0;
}

int kio_join_set_spawn_blocking(struct kio_join_set *set, kio_blocking_fn fn, void *arg)
{
    void *place;
    struct kio_join_handle *handle = kio_join_set_place_(set, &place);

    return kio_join_set_placed_(set, place,
                                handle ? kio_spawn_blocking_(handle, fn, arg, NULL) : -ENOMEM);
}

static void give_place_back(struct kio_join_set *set, struct block *b, uint32_t i)
{
    b->at[i].handle.kio = (kio_future){ 0 };
    b->at[i].next_free = b->free;
    b->free = i;
    b->used--;
    set->count--;
}

/* Calls visit for every handle, then forgets all. */
static void clear(struct kio_join_set *set, bool abort)
{
    struct block *next;

    for (struct block *b = set->blocks; b; b = next) {
        next = b->next;
        for (uint32_t i = 0; i < b->cap; i++) {
            if (!b->at[i].handle.kio.type)
                continue;
            if (abort)
                kio_abort(&b->at[i].handle);
            kio_drop(&b->at[i].handle);
        }
        free_block(b);
    }
    *set = (struct kio_join_set){ 0 };
}

void kio_join_set_detach_all(struct kio_join_set *set)
{
    clear(set, false);
}

void kio_join_set_drop(struct kio_join_set *set)
{
    clear(set, true);
}

void kio_join_set_abort_all(struct kio_join_set *set)
{
    for (struct block *b = set->blocks; b; b = b->next) {
        for (uint32_t i = 0; i < b->cap; i++) {
            if (b->at[i].handle.kio.type)
                kio_abort(&b->at[i].handle);
        }
    }
}

/* ---- next --------------------------------------------------------------------------------- */

/* A member of the block that has ended goes to *out. waker NULL: only a look, who waits stays. */
static bool take_from(struct kio_join_set *set, struct block *b, const kio_waker *waker,
                      struct kio_join_handle *out)
{
    for (;;) {
        struct ki_node *node = b->todo;
        kio_context own;

        if (!node)
            b->todo = node = waker ? ki_nodes_take(b->nodes, *waker) : ki_nodes_look(b->nodes);
        if (!node)
            return false;
        b->todo = node->next;
        ki_node_polled(node);
        if (node->index >= b->cap || !b->at[node->index].handle.kio.type)
            continue; /* a late wake */
        own = (kio_context){ .waker = ki_node_waker(node) };
        if (kio_poll_(&b->at[node->index].handle.kio, &own) == KIO_READY) {
            *out = b->at[node->index].handle; /* over: nothing points at it */
            give_place_back(set, b, node->index);
            return true;
        }
    }
}

/* Begins with the block after the one that the last came from: where ended tasks are always replaced
 * by new ones, which end at once, a block may have ended ones for ever. */
static bool take(struct kio_join_set *set, const kio_waker *waker, struct kio_join_handle *out)
{
    struct block *first = set->turn ? set->turn : set->blocks;
    struct block *b = first;

    do {
        if (take_from(set, b, waker, out)) {
            set->turn = b->next;
            return true;
        }
        b = b->next ? b->next : set->blocks;
    } while (b != first);
    return false;
}

int kio_join_set_try_next_(struct kio_join_set *set, struct kio_join_handle *handle, kio_future *scope)
{
    struct kio_join_handle found;

    if (!set->count || !take(set, NULL, &found))
        return 0;
    kio_vacate_(&handle->kio);
    *handle = found;
    if (scope && kio_is_within_(scope, &handle->kio))
        kio_adopt_(scope, &handle->kio);
    return 1;
}

static kio_poll next_poll(kio_future *f, kio_context *cx)
{
    struct kio_join_next *self = (struct kio_join_next *)f;

    f->state = f;
    for (;;) {
        if (!self->set->count) {
            clear(self->set, false);
            self->out = 0;
            kio_finish(f);
            return KIO_READY;
        }
        if (!kio_coop_may_(cx))
            return KIO_PENDING;
        if (!take(self->set, &cx->waker, &self->handle))
            return KIO_PENDING;
        kio_coop_did_(cx);
        if (!self->all)
            break;
        kio_drop(&self->handle);
    }
    self->out = 1;
    kio_finish_keep(f); /* the task's result lives until the slot is used again */
    return KIO_READY;
}

static void next_drop(kio_future *f)
{
    kio_drop(&((struct kio_join_next *)f)->handle);
}

static void next_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                         void *arg)
{
    for (struct block *b = ((const struct kio_join_next *)f)->set->blocks; b; b = b->next) {
        for (uint32_t i = 0; i < b->cap; i++) {
            if (b->at[i].handle.kio.type)
                each(arg, &b->at[i].handle.kio);
        }
    }
}

static const kio_future_type next_type = {
    .name = "kio_join_next",
    .kind = KIO_KIND_ANY,
    .members = next_members,
    .size = sizeof(struct kio_join_next),
    .poll = next_poll,
    .drop = next_drop,
    .out_offset = offsetof(struct kio_join_next, out),
    .out_size = sizeof(int),
};

static struct kio_join_next *make(struct kio_join_next *slot, struct kio_join_set *set, bool all)
{
    kio_guard_borrow_(set, "kio_join_next", "set");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_join_next){ .kio = { .type = &next_type }, .set = set, .all = all };
    return slot;
}

struct kio_join_next *kio_join_next(struct kio_join_next *slot, struct kio_join_set *set)
{
    return make(slot, set, false);
}

struct kio_join_next *kio_join_set_shutdown(struct kio_join_next *slot, struct kio_join_set *set)
{
    kio_join_set_abort_all(set);
    return make(slot, set, true);
}
