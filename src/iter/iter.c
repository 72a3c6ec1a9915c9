/* Making, pulling and taking: what all iterators share. */
#include "iter.h"

#include "../future/guard.h"
#include "../future/leaf.h"

static const kio_iter_type *type_of(const struct kio_iter *iter)
{
    return (const kio_iter_type *)iter->kio.type; /* its first member */
}

kio_poll kio_iter_poll_(kio_future *f, kio_context *cx)
{
    (void)cx;
    ki_guard_fail(ki_guard_here(), "await(kio_iter_next(&self->next, &self->iter, &self->item))",
                  "an iterator was awaited (%s)", f->type->name);
}

void kio_iter_init_(struct kio_iter *iter, const kio_future_type *type, size_t size,
                    kio_future *scope)
{
    kio_guard_borrow_(iter, type->name, "the iterator");
    kio_vacate_(&iter->kio);
    *iter = (struct kio_iter){ .kio = { .type = type, .state = iter }, .size = size };
    if (scope && kio_is_within_(scope, &iter->kio))
        kio_adopt_(scope, &iter->kio);
}

void kio_iter_own_(struct kio_iter *self, struct kio_iter *source)
{
    if (!kio_is_live_(&source->kio))
        ki_guard_fail(ki_guard_here(), "make the source first, in a slot of its own",
                      "%s was given an empty iterator", self->kio.type->name);
    if (source->owned)
        ki_guard_fail(ki_guard_here(), "an iterator has one consumer: make another, or hand on the adapter",
                      "%s was given an iterator that another one owns", self->kio.type->name);
    source->owned = true;
    kio_adopt_(&self->kio, &source->kio);
}

void ki_iter_adapt(struct kio_iter *self, const kio_iter_type *type, size_t size,
                   struct kio_iter *source, kio_future *scope, const char *call)
{
    kio_guard_borrow_(source, call, "the source");
    kio_iter_init_(self, &type->kio, size, scope);
    kio_iter_own_(self, source);
}

void ki_iter_fits(const struct kio_iter *source, const char *call)
{
    if (source->size > KIO_ITEM_MAX)
        ki_guard_fail(ki_guard_here(), "let the items be pointers to what is large",
                      "%s: the source's items have %zu bytes, at most %d fit", call, source->size,
                      KIO_ITEM_MAX);
}

int kio_iter_pull(struct kio_iter *source, kio_context *cx, void *item)
{
    int got;

    if (source->over)
        return 0;
    got = type_of(source)->next(source, cx, item);
    if (got == 0)
        source->over = true;
    return got;
}

static void check(const struct kio_iter *iter, size_t size, const char *call)
{
    if (!kio_is_live_(&iter->kio))
        ki_guard_fail(ki_guard_here(), "make it first; after a drop it is empty",
                      "%s was given an empty iterator", call);
    if (size && iter->size && size != iter->size)
        ki_guard_fail(ki_guard_here(), "hand over a pointer to the type the iterator gives",
                      "%s: the value has %zu bytes, an item of %s %zu", call, size,
                      iter->kio.type->name, iter->size);
}

/* ---- next --------------------------------------------------------------------------------- */

static kio_poll next_poll(kio_future *f, kio_context *cx)
{
    struct kio_iter_next *self = (struct kio_iter_next *)f;
    int got;

    f->state = f;
    got = kio_iter_pull(self->of, cx, self->item);
    if (got == KIO_ITER_WAITS)
        return KIO_PENDING;
    self->out = got;
    return ki_ready_now(f);
}

static const kio_future_type next_type = {
    .name = "kio_iter_next",
    .size = sizeof(struct kio_iter_next),
    .poll = next_poll,
    .out_offset = offsetof(struct kio_iter_next, out),
    .out_size = sizeof(int),
};

struct kio_iter_next *kio_iter_next_(struct kio_iter_next *slot, struct kio_iter *iter, void *item,
                                     size_t size)
{
    check(iter, size, "kio_iter_next");
    kio_guard_borrow_(item, "kio_iter_next", "item");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_iter_next){ .kio = { .type = &next_type }, .of = iter, .item = item };
    return slot;
}

/* ---- collect ------------------------------------------------------------------------------ */

static kio_poll collect_poll(kio_future *f, kio_context *cx)
{
    struct kio_iter_collect *self = (struct kio_iter_collect *)f;
    int got = 1;

    f->state = f;
    while (self->count < self->max) {
        got = kio_iter_pull(self->of, cx, self->items + self->count * self->size);
        if (got == KIO_ITER_WAITS)
            return KIO_PENDING;
        if (got <= 0)
            break;
        self->count++;
    }
    self->out = got < 0 ? got : (ssize_t)self->count;
    return ki_ready_now(f);
}

static const kio_future_type collect_type = {
    .name = "kio_iter_collect",
    .size = sizeof(struct kio_iter_collect),
    .poll = collect_poll,
    .out_offset = offsetof(struct kio_iter_collect, out),
    .out_size = sizeof(ssize_t),
};

struct kio_iter_collect *kio_iter_collect_(struct kio_iter_collect *slot, struct kio_iter *iter,
                                           void *items, size_t size, size_t max)
{
    check(iter, size, "kio_iter_collect");
    kio_guard_borrow_(items, "kio_iter_collect", "items");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_iter_collect){
        .kio = { .type = &collect_type },
        .of = iter,
        .items = items,
        .size = iter->size ? iter->size : size,
        .max = max,
    };
    return slot;
}

/* ---- each --------------------------------------------------------------------------------- */

static kio_poll each_poll(kio_future *f, kio_context *cx)
{
    struct kio_iter_each *self = (struct kio_iter_each *)f;
    _Alignas(16) char item[KIO_ITEM_MAX];
    int got;

    f->state = f;
    do {
        got = kio_iter_pull(self->of, cx, item);
        if (got == KIO_ITER_WAITS)
            return KIO_PENDING;
        if (got == 1)
            self->count++;
    } while (got == 1 && self->each(self->arg, item));
    self->out = got < 0 ? got : (ssize_t)self->count;
    return ki_ready_now(f);
}

static const kio_future_type each_type = {
    .name = "kio_iter_each",
    .size = sizeof(struct kio_iter_each),
    .poll = each_poll,
    .out_offset = offsetof(struct kio_iter_each, out),
    .out_size = sizeof(ssize_t),
};

struct kio_iter_each *kio_iter_each_(struct kio_iter_each *slot, struct kio_iter *iter,
                                     bool (*each)(void *arg, const void *item), void *arg)
{
    check(iter, 0, "kio_iter_each");
    ki_iter_fits(iter, "kio_iter_each");
    kio_guard_borrow_(arg, "kio_iter_each", "arg");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_iter_each){
        .kio = { .type = &each_type },
        .of = iter,
        .each = each,
        .arg = arg,
    };
    return slot;
}
