/*
 * Spare workers: at rest as many run as workers are blocked, also when one was wanted while there was none
 * to be had; a shutdown that they come late for finds them gone.
 *
 * The pool's thread is a test thread that runs the job it is given; a spare's work is to ask whether it
 * may retire.
 *
 * Sources: src/sched/lifo.c src/base/lock.c tests/model/checker/doors.c
 */
#include "checker/park.h"
#include "checker/pool.h"

#include "sched/spare.c"

_Thread_local struct ki_worker *ki_worker_here;

static struct ki_multi m;
static ki_atomic(uint32_t) spares_began;

/* ---- the worker's loop ------------------------------------------------------------------------------ */

int ki_mworker_init(struct mworker *w, struct ki_multi *multi, unsigned index)
{
    *w = (struct mworker){ .multi = multi, .index = index };
    return 0;
}

void ki_mworker_fini(struct mworker *w)
{
    (void)w;
}

void ki_mworker_begin(struct mworker *w, const char *stack_base)
{
    (void)w, (void)stack_base;
}

void ki_mworker_end(struct mworker *w)
{
    (void)w;
}

void ki_mworker_settle(struct mworker *w)
{
    (void)w;
}

void ki_multi_free_lingering(struct mworker *w)
{
    (void)w;
}

void ki_multi_steps_aside(struct mworker *w)
{
    (void)w;
}

void ki_mworker_work(struct mworker *w)
{
    w->lifo_runs++; /* plain: one thread has it at a time */
    ki_fetch_add_relaxed(&spares_began, 1);
    while (!ki_spare_may_retire(w))
        mc_spin();
}

void ki_mworker_leave(struct mworker *w)
{
    ki_fetch_sub_acq_rel(&w->multi->running, 1);
}

bool ki_multi_has_work(struct ki_multi *multi)
{
    (void)multi;
    return false;
}

void ki_task_stamp_slow(struct ki_task *task)
{
    (void)task;
}

/* ---- tests ----------------------------------------------------------------------------------------- */

static void begin(void)
{
    m.config.spares = 1;
    m.base.park = &the_park;
    m.count = 1;
    ki_store_relaxed(&m.running, 2);
}

static void block_for_ever(void)
{
    (void)ki_multi_stand_in(&m.base);
}

static void block_and_go_on(void)
{
    (void)ki_multi_stand_in(&m.base);
    ki_multi_stand_down(&m.base);
}

static void block_and_go_on_twice(void)
{
    block_and_go_on();
    block_and_go_on();
}

static void one_stands_in(void)
{
    MC_ASSERT(ki_multi_spares(&m.base) == 1);
    MC_ASSERT(ki_load_relaxed(&m.surplus) == 0);
    MC_ASSERT(ki_load_relaxed(&m.running) == 3);
}

static void none_stands_in(void)
{
    MC_ASSERT(ki_multi_spares(&m.base) == 0);
    MC_ASSERT(ki_load_relaxed(&m.surplus) == 0);
    MC_ASSERT(ki_load_relaxed(&m.running) == 2);
    MC_ASSERT(m.spare_free && !m.spare_free->free);
}

/* The others have ended while it was on its way: the last of them dropped every task. */
static bool dropped;

static void end_all(void)
{
    if (ki_fetch_sub_acq_rel(&m.running, 1) == 2)
        dropped = true;
}

static void all_ended(void)
{
    MC_ASSERT(dropped == !ki_load_relaxed(&spares_began));
}

static const struct mc_test tests[] = {
    { "blocked_for_ever", begin, { pool_thread, block_for_ever }, .at_rest = one_stands_in },
    { "blocked_and_back", begin, { pool_thread, block_and_go_on }, .at_rest = none_stands_in },
    { "blocked_twice", begin, { pool_thread, block_and_go_on_twice }, .at_rest = none_stands_in },
    { "wanted_while_there_was_none", begin, { pool_thread, block_and_go_on, block_for_ever },
      .at_rest = one_stands_in },
    { "end_meets_a_late_spare", begin, { pool_thread, block_for_ever, end_all }, .at_rest = all_ended },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
