/* The first of several futures. */
#include "combine.h"

/* Arms that this poll has not come to, four bits each, in the order written. */
#define ALL_ARMS 0xfedcba9876543210u
_Static_assert(KIO_ARMS_MAX <= 16, "an arm's number has four bits");

static unsigned take_arm(uint64_t *arms, unsigned place)
{
    unsigned shift = place * 4;
    uint64_t before = ((uint64_t)1 << shift) - 1;
    unsigned which = *arms >> shift & 15;

    *arms = (*arms & before) | (*arms >> 4 & ~before);
    return which;
}

/* Each of the orders is as likely as the others; what is not needed is not drawn. */
static kio_poll select_poll(kio_future *f, kio_context *cx)
{
    struct kio_select *self = (struct kio_select *)f;
    uint64_t arms = ALL_ARMS;
    bool enabled = false;

    f->state = f;
    if (!kio_coop_may_(cx)) /* else an arm that costs nothing would win over all others, for ever */
        return KIO_PENDING;
    for (unsigned left = self->arms.count; left; left--) {
        unsigned which = take_arm(&arms, self->biased || left == 1 ? 0 : ki_fair_below(left));
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

static void select_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                           void *arg)
{
    ki_arms_each(&((const struct kio_select *)f)->arms, each, arg);
}

static const kio_future_type select_type = {
    .name = "kio_select",
    .kind = KIO_KIND_ANY,
    .members = select_members,
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
