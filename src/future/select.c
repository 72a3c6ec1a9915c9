/* The first of several futures. */
#include "combine.h"

/* A fair order: each of the count! orders as likely as the others (Fisher and Yates). */
static void shuffle(uint8_t *order, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        order[i] = (uint8_t)i;
    for (unsigned i = count; i-- > 1;) {
        unsigned j = ki_fair_below(i + 1);
        uint8_t other = order[j];

        order[j] = order[i];
        order[i] = other;
    }
}

static kio_poll select_poll(kio_future *f, kio_context *cx)
{
    struct kio_select *self = (struct kio_select *)f;
    uint8_t order[KIO_ARMS_MAX];
    bool enabled = false;

    f->state = f;
    if (!self->biased)
        shuffle(order, self->arms.count);
    for (unsigned i = 0; i < self->arms.count; i++) {
        unsigned which = self->biased ? i : order[i];
        kio_future *arm = self->arms.at[which];

        if (!arm || kio_is_over_(arm)) /* over: dropped meanwhile by one that shares it */
            continue;
        enabled = true;
        if (kio_poll_(arm, cx) == KIO_READY) {
            self->out = (int)which;
            return ki_finish_with_kept(f);
        }
    }
    if (enabled)
        return KIO_PENDING;
    self->out = -1;
    return ki_finish_with_kept(f);
}

static const kio_future_type select_type = {
    .name = "kio_select",
    .size = sizeof(struct kio_select),
    .poll = select_poll,
    .out_offset = offsetof(struct kio_select, out),
    .out_size = sizeof(int),
};

static struct kio_select *make(struct kio_select *slot, kio_future *const *arms, size_t count,
                               bool biased)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &select_type };
    slot->biased = biased;
    slot->arms.count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        slot->arms.at[i] = arms[i];
        if (!arms[i])
            continue;
        kio_guard_borrow_(arms[i], "kio_select", "a member");
        ki_take_in(&slot->kio, arms[i], "kio_select");
        if (kio_is_over_(arms[i]))
            slot->arms.at[i] = NULL; /* finished: disabled */
    }
    return slot;
}

struct kio_select *kio_select_(struct kio_select *slot, kio_future *const *arms, size_t count)
{
    return make(slot, arms, count, false);
}

struct kio_select *kio_select_biased_(struct kio_select *slot, kio_future *const *arms, size_t count)
{
    return make(slot, arms, count, true);
}
