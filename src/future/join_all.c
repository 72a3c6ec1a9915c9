/* Arrays of futures: all of them, all until the first error, or the first. */
#include "combine.h"

/* ---- all ---------------------------------------------------------------------------------- */

static kio_poll join_all_poll(kio_future *f, kio_context *cx)
{
    struct kio_join_all *self = (struct kio_join_all *)f;

    f->state = f;
    if (!ki_many_all(&self->many, cx))
        return KIO_PENDING;
    ki_many_drop(&self->many);
    return ki_finish_with_kept(f);
}

static void join_all_drop(kio_future *f)
{
    ki_many_drop(&((struct kio_join_all *)f)->many);
}

static void join_all_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                             void *arg)
{
    ki_many_each(&((const struct kio_join_all *)f)->many, each, arg);
}

static const kio_future_type join_all_type = {
    .name = "kio_join_all",
    .members = join_all_members,
    .size = sizeof(struct kio_join_all),
    .poll = join_all_poll,
    .drop = join_all_drop,
};

struct kio_join_all *kio_join_all_(struct kio_join_all *slot, kio_future *first, size_t stride,
                                   size_t count)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &join_all_type };
    ki_many_init(&slot->many, &slot->kio, first, stride, count, "kio_join_all");
    return slot;
}

/* ---- all until the first error ------------------------------------------------------------ */

static kio_poll try_join_all_poll(kio_future *f, kio_context *cx)
{
    struct kio_try_join_all *self = (struct kio_try_join_all *)f;

    f->state = f;
    self->out = 0;
    while (self->many.left && !self->out) {
        size_t i = ki_many_next(&self->many, cx);

        if (i == KI_MANY_PENDING)
            return KIO_PENDING;
        self->out = ki_error_of(ki_many_at(&self->many, i));
    }
    ki_many_drop(&self->many);
    return ki_finish_with_kept(f);
}

static void try_join_all_drop(kio_future *f)
{
    ki_many_drop(&((struct kio_try_join_all *)f)->many);
}

static void try_join_all_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                                 void *arg)
{
    ki_many_each(&((const struct kio_try_join_all *)f)->many, each, arg);
}

static const kio_future_type try_join_all_type = {
    .name = "kio_try_join_all",
    .members = try_join_all_members,
    .size = sizeof(struct kio_try_join_all),
    .poll = try_join_all_poll,
    .drop = try_join_all_drop,
    .out_offset = offsetof(struct kio_try_join_all, out),
    .out_size = sizeof(int),
};

struct kio_try_join_all *kio_try_join_all_(struct kio_try_join_all *slot, kio_future *first,
                                           size_t stride, size_t count)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &try_join_all_type };
    ki_many_init(&slot->many, &slot->kio, first, stride, count, "kio_try_join_all");
    return slot;
}

/* ---- the first ---------------------------------------------------------------------------- */

static kio_poll select_all_poll(kio_future *f, kio_context *cx)
{
    struct kio_select_all *self = (struct kio_select_all *)f;

    f->state = f;
    self->out = -1;
    if (self->many.left) {
        size_t i = ki_many_next(&self->many, cx);

        if (i == KI_MANY_PENDING)
            return KIO_PENDING;
        self->out = (ssize_t)i;
    }
    ki_many_drop(&self->many);
    return ki_finish_with_kept(f);
}

static void select_all_drop(kio_future *f)
{
    ki_many_drop(&((struct kio_select_all *)f)->many);
}

static void select_all_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                               void *arg)
{
    ki_many_each(&((const struct kio_select_all *)f)->many, each, arg);
}

static const kio_future_type select_all_type = {
    .name = "kio_select_all",
    .kind = KIO_KIND_ANY,
    .members = select_all_members,
    .size = sizeof(struct kio_select_all),
    .poll = select_all_poll,
    .drop = select_all_drop,
    .out_offset = offsetof(struct kio_select_all, out),
    .out_size = sizeof(ssize_t),
};

struct kio_select_all *kio_select_all_(struct kio_select_all *slot, kio_future *first,
                                       size_t stride, size_t count)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &select_all_type };
    ki_many_init(&slot->many, &slot->kio, first, stride, count, "kio_select_all");
    return slot;
}
