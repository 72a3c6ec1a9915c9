/*
 * The biased lock: who is in has it alone and sees what the one before wrote, while it is biased to a
 * thread, taken from it, and given to it.
 *
 * Sources: src/base/lock.c src/base/biased.c
 * Defines: -DMC_REAL_LOCK -DKI_LOCK_SPINS=1000 -DKI_LOCK_BACKOFF=1 -DKI_BIAS_AFTER=1u
 * Defines: -DKI_BIAS_LATER=0 -DKI_BIAS_SLOTS=3
 */
#include "checker/mc.h"

#include "base/biased.h"

static struct ki_biased lock, other;
static unsigned entered; /* plain */

static void begin(void)
{
    mc_thread_local(&ki_bias_here, sizeof ki_bias_here);
    mc_thread_local(&ki_friction, sizeof ki_friction);
    mc_barriers(true);
    lock = other = (struct ki_biased){ 0 };
    entered = 0;
}

static void begin_bare(void)
{
    begin();
    mc_barriers(false);
}

static void enter(struct ki_biased *l, unsigned *count)
{
    ki_biased_lock(l, KI_RANK_SYNC);
    ++*count;
    ki_biased_unlock(l, KI_RANK_SYNC);
}

/* The second time it is biased. Each thread has a slot of its own: who gets which is no question. */
static void get_ready(void)
{
    ki_bias_here.usual = mc_self();
    ki_bias_begin();
}

static void enter_thrice(void)
{
    get_ready();
    for (int i = 0; i < 3; i++)
        enter(&lock, &entered);
    ki_bias_end();
}

static void enter_twice(void)
{
    get_ready();
    for (int i = 0; i < 2; i++)
        enter(&lock, &entered);
    ki_bias_end();
}

static void enter_once(void)
{
    get_ready();
    enter(&lock, &entered);
    ki_bias_end();
}

/* With whichever slot is free, also one that had the bias for the thread before. */
static void enter_with_any_slot(void)
{
    ki_bias_begin();
    enter(&lock, &entered);
    ki_bias_end();
}

/* No thread that runs tasks. */
static void enter_from_outside(void)
{
    enter(&lock, &entered);
}

/* The one after the other by the same thread: holds says both. */
static void enter_two_locks(void)
{
    unsigned mine = 0;

    get_ready();
    for (int i = 0; i < 3; i++) {
        enter(&lock, &entered);
        enter(&other, &mine);
    }
    ki_bias_end();
}

static void in_all(unsigned times)
{
    mc_outcome(lock.word > 1);
    ki_biased_lock(&lock, KI_RANK_SYNC);
    MC_ASSERT(entered == times);
    ki_biased_unlock(&lock, KI_RANK_SYNC);
}

static void two(void)
{
    in_all(2);
}

static void three(void)
{
    in_all(3);
}

static void four(void)
{
    in_all(4);
}

/* The case is worth something only if the lock was biased in some of its executions. */
static void was_biased(void)
{
    if (!mc_seen(1))
        mc_fail("the lock never was biased at the end");
}

static const struct mc_test tests[] = {
    { "alone", begin, { enter_thrice }, three, .done = was_biased },
    { "taken_away", begin, { enter_thrice, enter_from_outside }, four, .done = was_biased },
    { "taken_by_another", begin, { enter_thrice, enter_once }, four, .done = was_biased },
    { "taken_and_biased_again", begin, { enter_twice, enter_twice }, four, .done = was_biased },
    { "taken_by_one_of_two", begin, { enter_once, enter_from_outside, enter_from_outside }, three,
      .done = was_biased },
    { "a_slot_handed_on", begin, { enter_with_any_slot, enter_with_any_slot }, two, .done = was_biased },
    { "beside_another_lock", begin, { enter_two_locks, enter_from_outside }, four, .done = was_biased },
    { "without_barriers", begin_bare, { enter_twice, enter_once }, three },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof *tests, argc, argv);
}
