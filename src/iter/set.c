/*
 * A set of iterators that grows and shrinks, each with a key; its items are theirs, as they come.
 *
 * Layout: an array of members, as many as `count`, in the order in which they were added.
 * Fairness: each poll begins with the member after the one that gave the last item.
 * Limit: a wake asks the members in turn until one has an item: O(n).
 */
#include "iter.h"

#include "../base/mem.h"
#include "../future/guard.h"

#include <errno.h>
#include <string.h>

struct kio_iter_member_ {
    uint64_t key;
    struct kio_iter *iter;
};

static void take_out(struct kio_iter_set *set, uint32_t i)
{
    struct kio_iter *iter = set->at[i].iter;

    set->count--;
    memmove(&set->at[i], &set->at[i + 1], (set->count - i) * sizeof set->at[0]);
    if (set->turn > i)
        set->turn--;
    kio_drop_(&iter->kio);
}

static int set_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_set *self = (struct kio_iter_set *)iter;
    uint32_t i = self->turn;

    for (uint32_t left = self->count; left > 0; left--) {
        int got;

        if (i >= self->count)
            i = 0;
        got = kio_iter_pull(self->at[i].iter, cx, item);
        if (got == 0) {
            take_out(self, i); /* the next one is here now */
        } else if (got != KIO_ITER_WAITS) {
            self->key = self->at[i].key;
            self->turn = i + 1;
            return got;
        } else {
            i++;
        }
    }
    if (!self->count)
        return 0;
    if (!kio_waker_will_wake(self->waker, cx->waker)) {
        kio_waker_drop(self->waker);
        self->waker = kio_waker_clone(cx->waker);
    }
    return KIO_ITER_WAITS;
}

/* The members are children, and dropped before. */
static void set_drop(kio_future *f)
{
    struct kio_iter_set *self = (struct kio_iter_set *)f;

    ki_mem_free(self->at);
    self->at = NULL;
    self->count = self->room = 0;
    kio_waker_drop(self->waker);
    self->waker.to = NULL;
}

static KIO_ITER_TYPE(set_type, kio_iter_set, set_next, set_drop);

struct kio_iter_set *kio_iter_set_(struct kio_iter_set *slot, size_t size, kio_future *scope)
{
    kio_iter_init_(&slot->iter, &set_type.kio, size, scope);
    slot->key = 0;
    slot->at = NULL;
    slot->count = slot->room = slot->turn = 0;
    slot->waker.to = NULL;
    return slot;
}

/* count: there is none. */
static uint32_t find(const struct kio_iter_set *set, uint64_t key)
{
    uint32_t i = 0;

    while (i < set->count && set->at[i].key != key)
        i++;
    return i;
}

int kio_iter_set_add_(struct kio_iter_set *set, uint64_t key, struct kio_iter *iter)
{
    uint32_t i = find(set, key);

    if (iter->size && iter->size != set->iter.size)
        ki_guard_fail(ki_guard_here(), "map it to the set's type",
                      "kio_iter_set_add of items of %zu bytes to a set of %zu", iter->size,
                      set->iter.size);
    if (i == set->count) {
        if (set->count == set->room) {
            uint32_t room = set->room ? 2 * set->room : 4;
            void *at = ki_mem_realloc(set->at, room * sizeof set->at[0]);

            if (!at)
                return -ENOMEM;
            set->at = at;
            set->room = room;
        }
        kio_iter_own_(&set->iter, iter);
        set->count++;
    } else {
        kio_iter_own_(&set->iter, iter);
        if (set->at[i].iter != iter) /* not one made anew in the same slot */
            kio_drop_(&set->at[i].iter->kio);
    }
    set->at[i] = (struct kio_iter_member_){ .key = key, .iter = iter };
    set->iter.over = false;
    if (set->waker.to) {
        kio_waker waker = set->waker;

        set->waker.to = NULL;
        kio_waker_wake(waker);
    }
    return 0;
}

bool kio_iter_set_has(const struct kio_iter_set *set, uint64_t key)
{
    return find(set, key) < set->count;
}

bool kio_iter_set_remove(struct kio_iter_set *set, uint64_t key)
{
    uint32_t i = find(set, key);

    if (i == set->count)
        return false;
    take_out(set, i);
    return true;
}

void kio_iter_set_clear(struct kio_iter_set *set)
{
    while (set->count)
        take_out(set, set->count - 1);
}
