/* Iterators made of others, without a clock. */
#include "iter.h"

#include "../future/guard.h"

/* ---- map ---------------------------------------------------------------------------------- */

static int map_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_map *self = (struct kio_iter_map *)iter;
    _Alignas(16) char in[KIO_ITEM_MAX];
    int got = kio_iter_pull(self->source, cx, in);

    if (got == 1)
        self->change(self->arg, in, item);
    return got;
}

static KIO_ITER_TYPE(map_type, kio_iter_map, map_next);

struct kio_iter_map *kio_iter_map_(struct kio_iter_map *slot, struct kio_iter *source, size_t size,
                                   void (*change)(void *arg, const void *in, void *out), void *arg,
                                   kio_future *scope)
{
    ki_iter_fits(source, "kio_iter_map");
    kio_guard_borrow_(arg, "kio_iter_map", "arg");
    ki_iter_adapt(&slot->iter, &map_type, size, source, scope, "kio_iter_map");
    slot->source = source;
    slot->change = change;
    slot->arg = arg;
    return slot;
}

/* ---- filter, take_while ------------------------------------------------------------------- */

static int filter_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_filter *self = (struct kio_iter_filter *)iter;
    int got;

    do /* bounded: what is always ready takes from the budget */
        got = kio_iter_pull(self->source, cx, item);
    while (got == 1 && !self->keep(self->arg, item));
    return got;
}

static KIO_ITER_TYPE(filter_type, kio_iter_filter, filter_next);

struct kio_iter_filter *kio_iter_filter_(struct kio_iter_filter *slot, struct kio_iter *source,
                                         bool (*keep)(void *arg, const void *item), void *arg,
                                         kio_future *scope)
{
    kio_guard_borrow_(arg, "kio_iter_filter", "arg");
    ki_iter_adapt(&slot->iter, &filter_type, source->size, source, scope, "kio_iter_filter");
    slot->source = source;
    slot->keep = keep;
    slot->arg = arg;
    return slot;
}

static int take_while_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_take_while *self = (struct kio_iter_take_while *)iter;
    int got = kio_iter_pull(self->source, cx, item);

    return got == 1 && !self->keep(self->arg, item) ? 0 : got;
}

static KIO_ITER_TYPE(take_while_type, kio_iter_take_while, take_while_next);

struct kio_iter_take_while *kio_iter_take_while_(struct kio_iter_take_while *slot,
                                                 struct kio_iter *source,
                                                 bool (*keep)(void *arg, const void *item),
                                                 void *arg, kio_future *scope)
{
    kio_guard_borrow_(arg, "kio_iter_take_while", "arg");
    ki_iter_adapt(&slot->iter, &take_while_type, source->size, source, scope, "kio_iter_take_while");
    slot->source = source;
    slot->keep = keep;
    slot->arg = arg;
    return slot;
}

/* ---- take, skip --------------------------------------------------------------------------- */

static int take_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_take *self = (struct kio_iter_take *)iter;
    int got = self->left ? kio_iter_pull(self->source, cx, item) : 0;

    if (got == 1)
        self->left--;
    return got;
}

static KIO_ITER_TYPE(take_type, kio_iter_take, take_next);

static int skip_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_skip *self = (struct kio_iter_skip *)iter;
    int got;

    for (;;) {
        got = kio_iter_pull(self->source, cx, item);
        if (got != 1 || !self->left)
            return got;
        self->left--;
    }
}

static KIO_ITER_TYPE(skip_type, kio_iter_skip, skip_next);

struct kio_iter_take *kio_iter_take_(struct kio_iter_take *slot, struct kio_iter *source, uint64_t n,
                                     kio_future *scope)
{
    ki_iter_adapt(&slot->iter, &take_type, source->size, source, scope, "kio_iter_take");
    slot->source = source;
    slot->left = n;
    return slot;
}

struct kio_iter_skip *kio_iter_skip_(struct kio_iter_skip *slot, struct kio_iter *source, uint64_t n,
                                     kio_future *scope)
{
    ki_iter_adapt(&slot->iter, &skip_type, source->size, source, scope, "kio_iter_skip");
    slot->source = source;
    slot->left = n;
    return slot;
}

/* ---- chain, merge ------------------------------------------------------------------------- */

static int chain_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_chain *self = (struct kio_iter_chain *)iter;
    int got = kio_iter_pull(self->of[0], cx, item);

    return got ? got : kio_iter_pull(self->of[1], cx, item);
}

static KIO_ITER_TYPE(chain_type, kio_iter_chain, chain_next);

static int merge_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_merge *self = (struct kio_iter_merge *)iter;
    unsigned first = self->turn;
    unsigned over = 0;

    for (unsigned k = 0; k < 2; k++) {
        unsigned which = first ^ k;
        int got = kio_iter_pull(self->of[which], cx, item);

        if (got == 0) {
            over++;
        } else if (got != KIO_ITER_WAITS) {
            self->turn = (uint8_t)(which ^ 1);
            return got;
        }
    }
    return over == 2 ? 0 : KIO_ITER_WAITS;
}

static KIO_ITER_TYPE(merge_type, kio_iter_merge, merge_next);

/* The items' size of two that are to look like one. */
static size_t common_size(const struct kio_iter *a, const struct kio_iter *b, const char *call)
{
    if (a->size && b->size && a->size != b->size)
        ki_guard_fail(ki_guard_here(), "map one of them to the other's type",
                      "%s of items of %zu and of %zu bytes", call, a->size, b->size);
    return a->size ? a->size : b->size;
}

struct kio_iter_chain *kio_iter_chain_(struct kio_iter_chain *slot, struct kio_iter *first,
                                       struct kio_iter *second, kio_future *scope)
{
    size_t size = common_size(first, second, "kio_iter_chain");

    ki_iter_adapt(&slot->iter, &chain_type, size, first, scope, "kio_iter_chain");
    kio_iter_own_(&slot->iter, second);
    slot->of[0] = first;
    slot->of[1] = second;
    return slot;
}

struct kio_iter_merge *kio_iter_merge_(struct kio_iter_merge *slot, struct kio_iter *a,
                                       struct kio_iter *b, kio_future *scope)
{
    size_t size = common_size(a, b, "kio_iter_merge");

    ki_iter_adapt(&slot->iter, &merge_type, size, a, scope, "kio_iter_merge");
    kio_iter_own_(&slot->iter, b);
    slot->of[0] = a;
    slot->of[1] = b;
    slot->turn = 0;
    return slot;
}
