/* Abortable: looks at the token first, so that nothing of the future runs after the abort. */
#include "waiters.h"
#include "../future/combine.h"
#include "../future/guard.h"

#include <kioto/abortable.h>

#include <errno.h>

static kio_poll abortable_poll(kio_future *f, kio_context *cx)
{
    struct kio_abortable *self = (struct kio_abortable *)f;

    f->state = f;
    if (!kio_is_over_(&self->cancelled.kio) && kio_poll_(&self->cancelled.kio, cx) == KIO_READY) {
        self->out = -ECANCELED;
        kio_finish(f);
        return KIO_READY;
    }
    if (!kio_is_over_(self->inner) && kio_poll_(self->inner, cx) == KIO_PENDING)
        return KIO_PENDING;
    self->out = 0;
    return ki_finish_with_kept(f);
}

static void abortable_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                              void *arg)
{
    const struct kio_abortable *self = (const struct kio_abortable *)f;

    each(arg, &self->cancelled.kio);
    each(arg, self->inner);
}

static const kio_future_type abortable_type = {
    .name = "kio_abortable",
    .kind = KIO_KIND_ANY,
    .members = abortable_members,
    .size = sizeof(struct kio_abortable),
    .poll = abortable_poll,
    .out_offset = offsetof(struct kio_abortable, out),
    .out_size = sizeof(int),
};

struct kio_abortable *kio_abortable_(struct kio_abortable *slot, const struct kio_cancel_token *token,
                                     kio_future *future)
{
    kio_guard_borrow_(future, "kio_abortable", "its future");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_abortable){ .kio = { .type = &abortable_type }, .inner = future };
    ki_take_in(&slot->kio, future, "kio_abortable");
    kio_cancelled(&slot->cancelled, token);
    kio_adopt_(&slot->kio, &slot->cancelled.kio);
    return slot;
}
