#include "combine.h"
#include "guard.h"
#include "../base/atomic.h"
#include "../base/rand.h"

#include <string.h>

void ki_empty_fault(const char *call)
{
    ki_guard_fail(ki_guard_here(), "make each future in its slot first", "%s was given an empty slot", call);
}

void ki_take_in(kio_future *f, kio_future *inner, const char *call)
{
    if (kio_unlikely_(!inner->type))
        ki_empty_fault(call);
    if (!kio_is_owned_(inner) && !kio_is_over_(inner))
        kio_adopt_(f, inner);
}

bool ki_drop_but_kept(kio_future *f)
{
    kio_future *next;
    bool kept = false;

    for (kio_future *child = f->child; child; child = next) {
        next = child->next;
        if (child->state == KIO_KEPT)
            kept = true;
        else
            kio_drop_(child);
    }
    return kept;
}

kio_poll ki_finish_with_kept(kio_future *f)
{
    if (ki_drop_but_kept(f))
        kio_finish_keep(f);
    else
        kio_finish(f);
    return KIO_READY;
}

int ki_error_of(const kio_future *f)
{
    const void *out = (const char *)f + f->type->out_offset;
    int64_t wide = 0;
    int32_t narrow = 0;

    if (f->type->out_size == sizeof wide) {
        memcpy(&wide, out, sizeof wide);
        return wide < 0 ? (int)wide : 0;
    }
    if (f->type->out_size == sizeof narrow)
        memcpy(&narrow, out, sizeof narrow);
    return narrow < 0 ? narrow : 0;
}

static _Thread_local struct ki_rand *fair;
_Thread_local uint64_t ki_fair_bits;

static KIO_COLD void seed_own(void)
{
    static ki_atomic(uint64_t) threads; /* relaxed: only that each gets another number */
    static _Thread_local struct ki_rand own;

    if (!own.state)
        ki_rand_seed(&own, ki_fetch_add_relaxed(&threads, 1) + 1);
    fair = &own;
}

uint32_t ki_fair_below(uint32_t bound)
{
    if (kio_unlikely_(!fair))
        seed_own();
    return ki_rand_below(fair, bound);
}

unsigned ki_fair_bit_slow(void)
{
    uint64_t bits;

    if (!fair)
        seed_own();
    bits = ki_rand_next(fair);
    ki_fair_bits = bits >> 1 | (uint64_t)1 << 63;
    return bits & 1;
}

struct ki_rand *ki_fair_from(struct ki_rand *rand)
{
    struct ki_rand *before = fair;

    fair = rand;
    ki_fair_bits = 0; /* the same seed, the same bits */
    return before;
}

void ki_arms_each(const struct kio_arms_ *arms, void (*each)(void *arg, const kio_future *member),
                  void *arg)
{
    for (unsigned i = 0; i < arms->count; i++) {
        if (arms->at[i])
            each(arg, arms->at[i]);
    }
}
