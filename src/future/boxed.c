/* Futures on the heap. */
#include "combine.h"
#include "guard.h"
#include "../base/mem.h"

#include <errno.h>

static kio_poll boxed_poll(kio_future *f, kio_context *cx)
{
    struct kio_boxed *self = (struct kio_boxed *)f;

    if (!self->inner) {
        self->out = self->error;
        kio_finish(f);
        return KIO_READY;
    }
    if (!f->state) {
        f->state = f;
        kio_adopt_(f, self->inner); /* only now: until its first poll a box may move */
    }
    if (kio_poll_(self->inner, cx) == KIO_PENDING)
        return KIO_PENDING;
    self->out = 0;
    kio_finish_keep(f); /* the result lies in the box */
    return KIO_READY;
}

/* Runs after the children's drop; one that was never polled is no child yet. */
static void boxed_drop(kio_future *f)
{
    struct kio_boxed *self = (struct kio_boxed *)f;

    if (!self->inner)
        return;
    kio_drop_(self->inner);
    ki_mem_free(self->inner);
    self->inner = NULL;
}

static const kio_future_type boxed_type = {
    .name = "kio_boxed",
    .size = sizeof(struct kio_boxed),
    .poll = boxed_poll,
    .drop = boxed_drop,
    .out_offset = offsetof(struct kio_boxed, out),
    .out_size = sizeof(int),
};

void *kio_box_alloc_(size_t size)
{
    return ki_mem_alloc(size);
}

struct kio_boxed *kio_boxed_(struct kio_boxed *slot, kio_future *inner)
{
    kio_vacate_(&slot->kio);
    *slot = (struct kio_boxed){
        .kio = { .type = &boxed_type },
        .inner = inner,
        .error = inner ? 0 : -ENOMEM,
    };
    return slot;
}

void *kio_boxed_output_(const struct kio_boxed *boxed, size_t size)
{
    const kio_future *f = boxed->inner;

    if (!f || !kio_is_over_(f))
        ki_guard_fail(ki_guard_here(), "await the box, and look at its out first",
                      "kio_boxed_output of a box that %s", f ? "has not ended" : "is empty");
    if (f->type->out_size != size)
        ki_guard_fail(ki_guard_here(), "name the type that stands in the function's async_fn(...)",
                      "kio_boxed_output of %s, whose result has %u bytes, as a type of %zu",
                      f->type->name, (unsigned)f->type->out_size, size);
    return (char *)boxed->inner + f->type->out_offset;
}
