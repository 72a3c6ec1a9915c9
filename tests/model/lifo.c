/*
 * The LIFO slot: its owner puts in and takes out while thieves come. Every task is had by one, once, and who
 * has it sees what was written into it before it was put there. With barriers and without.
 *
 * Sources: src/sched/lifo.c tests/model/checker/doors.c
 */
#include "checker/mc.h"

#include "sched/lifo.h"

#define TASKS 3

static struct ki_lifo slot;
static struct ki_task task[TASKS];
static uint32_t had[TASKS]; /* plain: by one thread */

static void begin(void)
{
    for (unsigned i = 0; i < TASKS; i++) {
        had[i] = 0;
        task[i].flags = 0;
    }
    slot = (struct ki_lifo){ 0 };
    mc_barriers(true);
}

static void begin_bare(void)
{
    begin();
    mc_barriers(false);
}

static void have(struct ki_task *t)
{
    if (!t)
        return;
    MC_ASSERT(t->flags == 1); /* plain, as written by the owner */
    had[t - task]++;
}

static void push(unsigned i)
{
    task[i].flags = 1;
    have(ki_lifo_push(&slot, &task[i]));
}

static void owner_takes(void)
{
    push(0);
    have(ki_lifo_take(&slot));
}

static void owner_replaces(void)
{
    push(0);
    push(1);
    have(ki_lifo_take(&slot));
}

/* The same task again, which a thief may have had in between. */
static void owner_again(void)
{
    push(0);
    if (ki_lifo_take(&slot) == &task[0])
        push(0);
    push(1);
    have(ki_lifo_take(&slot));
    push(2);
}

static void thief(void)
{
    have(ki_lifo_steal(&slot));
}

static void thief_twice(void)
{
    have(ki_lifo_steal(&slot));
    have(ki_lifo_steal(&slot));
}

static void each_once(unsigned count)
{
    have(ki_lifo_take(&slot));
    MC_ASSERT(!ki_lifo_has(&slot));
    for (unsigned i = 0; i < count; i++)
        MC_ASSERT(had[i] == 1);
}

static void one_once(void)
{
    each_once(1);
}

static void two_once(void)
{
    each_once(2);
}

static void three_once(void)
{
    each_once(3);
}

static const struct mc_test tests[] = {
    { "take_meets_steal", begin, { owner_takes, thief }, one_once },
    { "take_meets_two", begin, { owner_takes, thief, thief }, one_once },
    { "replace_meets_steal", begin, { owner_replaces, thief }, two_once },
    { "replace_meets_steals", begin, { owner_replaces, thief_twice }, two_once },
    { "again_meets_steals", begin, { owner_again, thief_twice }, three_once },
    { "bare_take", begin_bare, { owner_takes, thief, thief }, one_once },
    { "bare_replace", begin_bare, { owner_replaces, thief_twice }, two_once },
    { "bare_again", begin_bare, { owner_again, thief_twice }, three_once },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof *tests, argc, argv);
}
