#include "support/leaf.h"

static kio_poll leaf_poll(kio_future *f, kio_context *cx)
{
    struct leaf *self = (struct leaf *)f;

    self->polls++;
    f->state = f;
    if (!self->ready) {
        kio_waker old = self->waker;

        self->waker = kio_waker_clone(cx->waker);
        kio_waker_drop(old);
        return KIO_PENDING;
    }
    self->out = self->value;
    if (self->keeps)
        kio_finish_keep(f);
    else
        kio_finish(f);
    return KIO_READY;
}

static void leaf_drop(kio_future *f)
{
    struct leaf *self = (struct leaf *)f;

    self->drops++;
    kio_waker_drop(self->waker);
    self->waker.to = NULL;
}

static const kio_future_type leaf_type = {
    .name = "leaf",
    .size = sizeof(struct leaf),
    .poll = leaf_poll,
    .drop = leaf_drop,
    .out_offset = offsetof(struct leaf, out),
    .out_size = sizeof(int),
};

struct leaf *leaf(struct leaf *slot, int value)
{
    *slot = (struct leaf){ .kio = { .type = &leaf_type }, .value = value };
    return slot;
}

void leaves(struct leaf *at, int count)
{
    for (int i = 0; i < count; i++)
        leaf(&at[i], i);
}

void leaf_tell(struct leaf *l)
{
    l->ready = true;
    kio_waker_wake_by_ref(l->waker);
}

int leaves_polls(const struct leaf *at, int count)
{
    int polls = 0;

    for (int i = 0; i < count; i++)
        polls += at[i].polls;
    return polls;
}

int leaves_drops(const struct leaf *at, int count)
{
    int drops = 0;

    for (int i = 0; i < count; i++)
        drops += at[i].drops;
    return drops;
}
