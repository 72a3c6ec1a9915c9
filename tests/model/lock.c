/*
 * The lock itself, with its slow half: who is in has it alone and sees what the one before wrote.
 *
 * Sources: src/base/lock.c
 * Defines: -DMC_REAL_LOCK -DKI_LOCK_SPINS=1 -DKI_LOCK_BACKOFF=0
 */
#include "checker/mc.h"
#include "base/lock.h"

static struct ki_lock lock;
static unsigned entered; /* plain */

static void begin(void)
{
    mc_thread_local(&ki_friction, sizeof ki_friction);
}

static void enter_once(void)
{
    ki_lock(&lock, KI_RANK_LEAF);
    entered++;
    ki_unlock(&lock, KI_RANK_LEAF);
}

static void enter_twice(void)
{
    enter_once();
    enter_once();
}

static void try_once(void)
{
    if (ki_try_lock(&lock, KI_RANK_LEAF)) {
        entered++;
        ki_unlock(&lock, KI_RANK_LEAF);
    } else {
        enter_once();
    }
}

static void three(void)
{
    MC_ASSERT(entered == 3);
}

static void two(void)
{
    MC_ASSERT(entered == 2);
}

static const struct mc_test tests[] = {
    { "two_threads", begin, { enter_once, enter_twice }, three },
    { "three_threads", begin, { enter_once, enter_once, enter_once }, three },
    { "try_lock", begin, { enter_once, try_once }, two },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
