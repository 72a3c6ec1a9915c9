#include "biased.h"

static struct ki_bias_slot slots[KI_BIAS_SLOTS];

_Thread_local struct ki_bias_thread ki_bias_here;

void ki_bias_get(void)
{
    struct ki_bias_thread *me = &ki_bias_here;

    me->tried = true;
    for (unsigned i = 0; ki_barriers() && i < KI_BIAS_SLOTS; i++) {
        unsigned at = (me->usual + i) % KI_BIAS_SLOTS;
        struct ki_bias_slot *slot = &slots[at];
        uint32_t is_free = 0;

        /* acquire: pairs with ki_bias_end */
        if (ki_load_relaxed(&slot->taken) || !ki_cas_strong_acquire(&slot->taken, &is_free, 1))
            continue;
        slot->number = 2 * (at + 1);
        me->usual = at;
        me->slot = slot;
        return;
    }
}

void ki_bias_begin(void)
{
    if (ki_bias_here.begun++)
        return;
    ki_bias_here.tried = false;
    ki_bias_look();
}

void ki_bias_end(void)
{
    struct ki_bias_slot *slot = ki_bias_here.slot;

    if (--ki_bias_here.begun || !slot)
        return;
    ki_bias_here.slot = NULL;
    /* release: pairs with ki_bias_begin. What the next thread finds biased to the slot it may have. */
    ki_store_release(&slot->taken, 0);
}

void ki_biases_forked(void)
{
    for (unsigned i = 0; i < KI_BIAS_SLOTS; i++) {
        if (&slots[i] == ki_bias_here.slot)
            continue;
        ki_store_relaxed(&slots[i].holds, NULL); /* nobody else is here */
        ki_store_relaxed(&slots[i].taken, 0);
    }
}

static struct ki_bias_slot *slot_of(uint32_t word)
{
    return &slots[word / 2 - 1];
}

/* Held, with the bias gone, when who has the bias has let go of it. */
static bool take_away(struct ki_biased *b, uint32_t bias)
{
    struct ki_lock_wait wait = { 0 };

    /* acquire: pairs with the unlock that biased it. Before the look at holds: the barrier */
    if (!ki_cas_strong_acquire(&b->word, &bias, 1))
        return false;
    ki_barrier_heavy();
    /* acquire: pairs with ki_biased_unlock */
    while (ki_load_acquire(&slot_of(bias)->holds) == b)
        ki_lock_pause(&wait, &b->word);
    ki_fetch_sub_relaxed(&slot_of(bias)->biases, 1); /* a count */
    b->streak = 0;
    if (b->revoked < 4)
        b->revoked++;
    return true;
}

void ki_biased_free(struct ki_biased *b)
{
    uint32_t word = ki_load_relaxed(&b->word); /* nobody else has it */

    if (word > 1)
        ki_fetch_sub_relaxed(&slot_of(word)->biases, 1); /* a count */
}

KIO_COLD void ki_biased_lock_slow(struct ki_biased *b)
{
    struct ki_lock_wait wait = { 0 };

    for (;;) {
        uint32_t word = ki_load_relaxed(&b->word); /* the exchanges check it */

        /* acquire: pairs with ki_biased_unlock */
        if (word == 0 && ki_cas_strong_acquire(&b->word, &word, 1))
            return;
        if (word > 1 && take_away(b, word))
            return;
        if (word == 1)
            ki_lock_pause(&wait, &b->word);
    }
}
