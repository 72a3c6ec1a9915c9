/* What the combinators share. */
#ifndef KI_FUTURE_COMBINE_H
#define KI_FUTURE_COMBINE_H

#include <kioto/combine.h>

KIO_NORETURN KIO_COLD void ki_empty_fault(const char *call);

/* Makes f the owner of a future that has none; a guard fails for an empty slot. call: the
 * combinator's name. That it does not lie on the C stack is the caller's to check: an array once. */
void ki_take_in(kio_future *f, kio_future *inner, const char *call);

/* Drops f's children, but for those that keep what their results refer to. True: there are some. */
bool ki_drop_but_kept(kio_future *f);

/* Ends f: children that keep what their results refer to stay until f's slot is vacated, all
 * others are dropped. */
kio_poll ki_finish_with_kept(kio_future *f);

/* For the types' `members`. */
void ki_arms_each(const struct kio_arms_ *arms, void (*each)(void *arg, const kio_future *member),
                  void *arg);
void ki_many_each(const struct kio_many_ *many, void (*each)(void *arg, const kio_future *member),
                  void *arg);

/* A negative result, or 0. */
int ki_error_of(const kio_future *f);

/* Evenly in 0 .. bound - 1; for fairness. A generator a thread. */
uint32_t ki_fair_below(uint32_t bound);

/* 0 or 1, for the same. */
unsigned ki_fair_bit_slow(void);
extern _Thread_local uint64_t ki_fair_bits; /* drawn and not used: below the highest that is set; 0: none */
static inline unsigned ki_fair_bit(void)
{
    uint64_t bits = ki_fair_bits;

    if (kio_unlikely_(bits <= 1))
        return ki_fair_bit_slow();
    ki_fair_bits = bits >> 1;
    return bits & 1;
}

struct ki_rand;
/* What this thread draws from until it is called again; NULL: its own. Gives what it was. */
struct ki_rand *ki_fair_from(struct ki_rand *rand);

/* ---- many.c: an array of members, of which only those that woke are polled ---------------- */

#define KI_MANY_PENDING SIZE_MAX

void ki_many_init(struct kio_many_ *many, kio_future *owner, kio_future *first, size_t stride,
                  size_t count, const char *call);
/* The index of a member that has just ended, or KI_MANY_PENDING: a wake is arranged. */
size_t ki_many_next(struct kio_many_ *many, kio_context *cx);
/* As long as ki_many_next() gives members: true, all have ended. */
bool ki_many_all(struct kio_many_ *many, kio_context *cx);
void ki_many_drop(struct kio_many_ *many);

static inline kio_future *ki_many_at(const struct kio_many_ *many, size_t i)
{
    return (kio_future *)(many->base + i * many->stride);
}

#endif
