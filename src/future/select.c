/*
 * The first of several futures.
 *
 * Who owns an arm: until its first poll is over (`holds`) a select links nothing, because most are
 * ready then. An arm that nobody had says that it is the newest child, and so do the others, while
 * `child` stays NULL: who takes itself out writes NULL there again. Once the select waits they are
 * its children, as with other combinators.
 */
#include "combine.h"
#include "guard.h"
#include "leaf.h"

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

static inline void hold(struct kio_select *self, kio_future *arm)
{
    arm->next = NULL;
    arm->prev = (uintptr_t)&self->kio.child + 1;
}

static inline bool holds(const struct kio_select *self, const kio_future *arm)
{
    return arm && kio_is_newest_(&self->kio, arm);
}

/* Of one that holds nothing: dropped. */
static inline void let_go(kio_future *arm)
{
    arm->prev = 0;
    arm->state = KIO_DONE;
}

/* What it holds becomes its children. */
static KIO_NOINLINE void link_all(struct kio_select *self)
{
    self->holds = self->quick = false;
    for (unsigned i = 0; i < self->arms.count; i++) {
        kio_future *arm = self->arms.at[i];

        if (!holds(self, arm) || self->kio.child == arm) /* the newest by right: it is written twice */
            continue;
        arm->prev = 0;
        kio_adopt_(&self->kio, arm);
    }
}

/* True: there are some that have ended and keep what their results refer to; they are its children now. */
static bool drop_held(struct kio_select *self)
{
    bool kept = false;

    for (unsigned i = self->arms.count; i-- > 0;) {
        kio_future *arm = self->arms.at[i];

        if (!holds(self, arm))
            continue;
        if (ki_holds_nothing(arm))
            let_go(arm);
        else if (arm->state == KIO_KEPT)
            kept = true; /* the one that was just ready; or somebody else polled it */
        else
            kio_drop_(arm);
    }
    self->holds = false;
    if (kept)
        link_all(self);
    return kept;
}

static kio_poll finish(struct kio_select *self, int out)
{
    self->out = out;
    if (kio_likely_(self->holds) ? !drop_held(self) : !ki_drop_but_kept(&self->kio))
        return ki_ready_now(&self->kio);
    kio_finish_keep(&self->kio);
    return KIO_READY;
}

/* The same of two, in either order. */
#define TWO_ARMS(first) ((first) ? 0x01u : 0x10u)

/* The `left` arms that this poll has not come to; enabled: it has met one that is. Each of their orders
 * is as likely as the others; what is not needed is not drawn. */
static KIO_NOINLINE kio_poll poll_arms(struct kio_select *self, kio_context *cx, uint64_t arms,
                                       unsigned left, bool enabled)
{
    bool drawn = !self->biased && self->arms.count > 2;

    self->kio.state = self;
    for (; left; left--) {
        unsigned which = take_arm(&arms, drawn && left > 1 ? ki_fair_below(left) : 0);
        kio_future *arm = self->arms.at[which];

        if (!arm || kio_is_over_(arm)) /* over: dropped meanwhile by one that shares it */
            continue;
        enabled = true;
        if (kio_poll_(arm, cx) == KIO_READY)
            return finish(self, (int)which);
    }
    if (!enabled)
        return finish(self, -1);
    if (self->holds)
        link_all(self);
    return KIO_PENDING;
}

static KIO_NOINLINE kio_poll poll_all(struct kio_select *self, kio_context *cx)
{
    bool two = self->arms.count == 2 && !self->biased;

    self->kio.state = self;
    if (!kio_coop_may_(cx)) /* else an arm that costs nothing would win over all others, for ever */
        return KIO_PENDING;
    return poll_arms(self, cx, two ? TWO_ARMS(ki_fair_bit()) : ALL_ARMS, self->arms.count, false);
}

/* The short path is that of two new arms of which the one drawn is ready. It has no branch that hangs
 * on which of them that is. */
static kio_poll select_poll(kio_future *f, kio_context *cx)
{
    struct kio_select *self = (struct kio_select *)f;
    kio_future *arm, *other;
    unsigned first;

    if (kio_unlikely_(!self->quick || !ki_coop_can(cx)))
        return poll_all(self, cx);
    first = ki_fair_bit();
    arm = self->arms.at[first];
    if (kio_unlikely_(!arm || arm->state))
        return poll_arms(self, cx, TWO_ARMS(first), 2, false);
    if (kio_poll_(arm, cx) == KIO_PENDING)
        return poll_arms(self, cx, first ^ 1, 1, true);
    other = self->arms.at[first ^ 1];
    if (kio_unlikely_(holds(self, arm) || !holds(self, other) || !ki_holds_nothing(other)))
        return finish(self, (int)first); /* of the first: its result keeps something */
    let_go(other);
    self->holds = false;
    self->out = (int)first;
    return ki_ready_now(f);
}

/* After its children: what it holds instead. */
static void select_drop(kio_future *f)
{
    struct kio_select *self = (struct kio_select *)f;

    if (!self->holds || !drop_held(self))
        return;
    while (f->child)
        kio_drop_(f->child);
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
    .drop = select_drop,
    .out_offset = offsetof(struct kio_select, out),
    .out_size = sizeof(int),
};

/* An arm that is not new, or has an owner. */
static KIO_NOINLINE void take_old(struct kio_select *self, unsigned i)
{
    kio_future *arm = self->arms.at[i];

    if (kio_unlikely_(!arm->type))
        ki_empty_fault("kio_select");
    if (kio_is_over_(arm))
        self->arms.at[i] = NULL; /* finished: disabled */
    else if (!kio_is_owned_(arm))
        hold(self, arm);
}

static inline void take(struct kio_select *self, unsigned i, kio_future *arm)
{
    self->arms.at[i] = arm;
    if (!arm)
        return;
    ki_guard_borrow(arm, "kio_select", "a member");
    if (kio_likely_(arm->type && !arm->state && !kio_is_owned_(arm)))
        hold(self, arm);
    else
        take_old(self, i);
}

static inline struct kio_select *make(struct kio_select *slot, kio_future *const *arms, size_t count,
                                      bool biased)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &select_type };
    slot->biased = biased;
    slot->holds = true;
    slot->quick = !biased && count == 2;
    slot->arms.count = (uint8_t)count;
    if (kio_likely_(slot->quick)) {
        take(slot, 0, arms[0]);
        take(slot, 1, arms[1]);
        return slot;
    }
    for (unsigned i = 0; i < count; i++)
        take(slot, i, arms[i]);
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
