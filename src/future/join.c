/* Up to 16 futures of any types: all of them, or all until the first error. */
#include "combine.h"
#include "leaf.h"
#include "guard.h"

/* step: how much further each poll begins than the last; 0: biased. */
static void arms_init(struct kio_arms_ *arms, kio_future *owner, kio_future *const *at, size_t count,
                      unsigned step, const char *call)
{
    arms->count = (uint8_t)count;
    arms->turn = 0;
    arms->step = (uint8_t)step;
    for (size_t i = 0; i < count; i++) {
        if (!at[i])
            ki_guard_fail(ki_guard_here(), "leave it out, or use kio_select, where NULL is disabled",
                          "%s was given NULL", call);
        kio_guard_borrow_(at[i], call, "a member");
        ki_take_in(owner, at[i], call);
        arms->at[i] = at[i];
    }
}

/* Polls who has not ended. *err: the first error among those that
 * end now. True: all have ended. */
static bool poll_all(struct kio_arms_ *arms, kio_context *cx, int *err)
{
    unsigned first = arms->turn;
    unsigned next = first + arms->step;
    bool all = true;

    arms->turn = (uint8_t)(next < arms->count ? next : 0);
    for (unsigned i = 0; i < arms->count; i++) {
        unsigned which = first + i;
        kio_future *arm = arms->at[which < arms->count ? which : which - arms->count];

        if (kio_is_over_(arm))
            continue;
        if (kio_poll_(arm, cx) == KIO_PENDING) {
            all = false;
        } else if (err && (*err = ki_error_of(arm))) {
            return true;
        }
    }
    return all;
}

static kio_poll join_poll(kio_future *f, kio_context *cx)
{
    f->state = f;
    if (!poll_all(&((struct kio_join *)f)->arms, cx, NULL))
        return KIO_PENDING;
    return ki_finish_with_kept(f);
}

static void join_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                         void *arg)
{
    ki_arms_each(&((const struct kio_join *)f)->arms, each, arg);
}

static const kio_future_type join_type = {
    .name = "kio_join",
    .members = join_members,
    .size = sizeof(struct kio_join),
    .poll = join_poll,
};

static struct kio_join *make_join(struct kio_join *slot, kio_future *const *arms, size_t count,
                                  unsigned step)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &join_type };
    arms_init(&slot->arms, &slot->kio, arms, count, step, "kio_join");
    return slot;
}

struct kio_join *kio_join_(struct kio_join *slot, kio_future *const *arms, size_t count)
{
    return make_join(slot, arms, count, 1);
}

struct kio_join *kio_join_biased_(struct kio_join *slot, kio_future *const *arms, size_t count)
{
    return make_join(slot, arms, count, 0);
}

static kio_poll try_join_poll(kio_future *f, kio_context *cx)
{
    struct kio_try_join *self = (struct kio_try_join *)f;
    int err = 0;

    f->state = f;
    if (!poll_all(&self->arms, cx, &err))
        return KIO_PENDING;
    self->out = err;
    return ki_finish_with_kept(f);
}

static void try_join_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                             void *arg)
{
    ki_arms_each(&((const struct kio_try_join *)f)->arms, each, arg);
}

static const kio_future_type try_join_type = {
    .name = "kio_try_join",
    .members = try_join_members,
    .size = sizeof(struct kio_try_join),
    .poll = try_join_poll,
    .out_offset = offsetof(struct kio_try_join, out),
    .out_size = sizeof(int),
};

static struct kio_try_join *make_try_join(struct kio_try_join *slot, kio_future *const *arms,
                                          size_t count, unsigned step)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &try_join_type };
    arms_init(&slot->arms, &slot->kio, arms, count, step, "kio_try_join");
    return slot;
}

struct kio_try_join *kio_try_join_(struct kio_try_join *slot, kio_future *const *arms, size_t count)
{
    return make_try_join(slot, arms, count, 1);
}

struct kio_try_join *kio_try_join_biased_(struct kio_try_join *slot, kio_future *const *arms,
                                          size_t count)
{
    return make_try_join(slot, arms, count, 0);
}
