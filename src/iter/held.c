/* Adapters that hold an item back: peekable until it is taken, zip until its partner has come. */
#include "iter.h"

#include "../future/guard.h"
#include "../future/leaf.h"

#include <string.h>

/* ---- peekable ------------------------------------------------------------------------------- */

static int peekable_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_peekable *self = (struct kio_iter_peekable *)iter;

    if (!self->holds)
        return kio_iter_pull(self->source, cx, item);
    self->holds = false;
    memcpy(item, self->held, iter->size);
    return 1;
}

static KIO_ITER_TYPE(peekable_type, kio_iter_peekable, peekable_next);

struct kio_iter_peekable *kio_iter_peekable_(struct kio_iter_peekable *slot, struct kio_iter *source,
                                             kio_future *scope)
{
    ki_iter_fits(source, "kio_iter_peekable");
    ki_iter_adapt(&slot->iter, &peekable_type, source->size, source, scope, "kio_iter_peekable");
    slot->source = source;
    slot->holds = false;
    return slot;
}

static kio_poll peek_poll(kio_future *f, kio_context *cx)
{
    struct kio_iter_peek *self = (struct kio_iter_peek *)f;
    struct kio_iter_peekable *of = self->of;
    int got = 1;

    f->state = f;
    if (!of->holds) {
        got = kio_iter_pull(of->source, cx, of->held);
        of->holds = got == 1;
    }
    if (got == KIO_ITER_WAITS)
        return KIO_PENDING;
    self->item = got == 1 ? of->held : NULL;
    self->out = got;
    return ki_ready_now(f);
}

static const kio_future_type peek_type = {
    .name = "kio_iter_peek",
    .size = sizeof(struct kio_iter_peek),
    .poll = peek_poll,
    .out_offset = offsetof(struct kio_iter_peek, out),
    .out_size = sizeof(int),
};

struct kio_iter_peek *kio_iter_peek(struct kio_iter_peek *slot, struct kio_iter_peekable *of)
{
    if (!kio_is_live(of))
        ki_guard_fail(ki_guard_here(), "make it first: kio_iter_peekable(&self->peekable, &self->source)",
                      "kio_iter_peek was given an empty iterator");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_iter_peek){ .kio = { .type = &peek_type }, .of = of };
    return slot;
}

/* ---- zip ------------------------------------------------------------------------------------ */

static int zip_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_zip *self = (struct kio_iter_zip *)iter;
    _Alignas(16) char other[KIO_ITEM_MAX];
    int got;

    if (!self->holds) {
        got = kio_iter_pull(self->of[0], cx, self->held);
        if (got != 1)
            return got;
        self->holds = true;
    }
    got = kio_iter_pull(self->of[1], cx, other);
    if (got == 1) {
        self->holds = false;
        self->pair(self->arg, self->held, other, item);
    }
    return got;
}

static KIO_ITER_TYPE(zip_type, kio_iter_zip, zip_next);

struct kio_iter_zip *kio_iter_zip_(struct kio_iter_zip *slot, struct kio_iter *a, struct kio_iter *b,
                                   size_t size,
                                   void (*pair)(void *arg, const void *a, const void *b, void *out),
                                   void *arg, kio_future *scope)
{
    ki_iter_fits(a, "kio_iter_zip");
    ki_iter_fits(b, "kio_iter_zip");
    kio_guard_borrow_(arg, "kio_iter_zip", "arg");
    ki_iter_adapt(&slot->iter, &zip_type, size, a, scope, "kio_iter_zip");
    kio_iter_own_(&slot->iter, b);
    slot->of[0] = a;
    slot->of[1] = b;
    slot->pair = pair;
    slot->arg = arg;
    slot->holds = false;
    return slot;
}
