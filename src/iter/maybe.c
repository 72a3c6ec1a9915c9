/* Adapters whose function says whether an item goes on: filter_map, map_while, skip_while. */
#include "iter.h"

#include "../future/guard.h"

static int filter_map_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_filter_map *self = (struct kio_iter_filter_map *)iter;
    _Alignas(16) char in[KIO_ITEM_MAX];
    int got;

    do /* bounded: what is always ready takes from the budget */
        got = kio_iter_pull(self->source, cx, in);
    while (got == 1 && !self->change(self->arg, in, item));
    return got;
}

static KIO_ITER_TYPE(filter_map_type, kio_iter_filter_map, filter_map_next);

static int map_while_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_filter_map *self = (struct kio_iter_filter_map *)iter;
    _Alignas(16) char in[KIO_ITEM_MAX];
    int got = kio_iter_pull(self->source, cx, in);

    return got == 1 && !self->change(self->arg, in, item) ? 0 : got;
}

static KIO_ITER_TYPE(map_while_type, kio_iter_filter_map, map_while_next);

struct kio_iter_filter_map *
kio_iter_filter_map_(struct kio_iter_filter_map *slot, struct kio_iter *source, size_t size,
                     bool (*change)(void *arg, const void *in, void *out), void *arg, bool to_the_end,
                     kio_future *scope)
{
    const char *call = to_the_end ? "kio_iter_filter_map" : "kio_iter_map_while";

    ki_iter_fits(source, call);
    kio_guard_borrow_(arg, call, "arg");
    ki_iter_adapt(&slot->iter, to_the_end ? &filter_map_type : &map_while_type, size, source, scope,
                  call);
    slot->source = source;
    slot->change = change;
    slot->arg = arg;
    return slot;
}

static int skip_while_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_skip_while *self = (struct kio_iter_skip_while *)iter;
    int got;

    do
        got = kio_iter_pull(self->source, cx, item);
    while (got == 1 && self->skip && self->skip(self->arg, item));
    if (got == 1)
        self->skip = NULL;
    return got;
}

static KIO_ITER_TYPE(skip_while_type, kio_iter_skip_while, skip_while_next);

struct kio_iter_skip_while *kio_iter_skip_while_(struct kio_iter_skip_while *slot,
                                                 struct kio_iter *source,
                                                 bool (*skip)(void *arg, const void *item),
                                                 void *arg, kio_future *scope)
{
    kio_guard_borrow_(arg, "kio_iter_skip_while", "arg");
    ki_iter_adapt(&slot->iter, &skip_while_type, source->size, source, scope, "kio_iter_skip_while");
    slot->source = source;
    slot->skip = skip;
    slot->arg = arg;
    return slot;
}
