/*
 * Who sleeps and who is woken: what is pushed from outside while workers go to sleep is run, without any
 * alarm; so is what the watchdog waits for.
 *
 * A worker here is the skeleton of worker.c's loop: take, search, sleep. multi.c has the real loop, with
 * one worker; this one is small enough for two.
 *
 * Sources: src/sched/watch.c src/base/lock.c tests/model/checker/sched_doors.c
 */
#include "checker/park.h"
#include "sched/idle.h"
#include "sched/inject.h"
#include "sched/watch.h"

static struct ki_idle idle;
static struct ki_inject inject;
static ki_atomic(uint32_t) ending;
static struct ki_task tasks[3];
static ki_atomic(uint32_t) ran;
static unsigned runs[3];

static void begin_with(unsigned workers)
{
    idle = (struct ki_idle){ .workers = workers };
}

static void begin_one(void)
{
    begin_with(1);
}

static void begin_two(void)
{
    begin_with(2);
}

static void run(struct ki_task *task)
{
    unsigned i = (unsigned)(task - tasks);

    MC_ASSERT(task->flags == i + 1);
    MC_ASSERT(!runs[i]);
    runs[i] = 1; /* a race if another has it too */
    ki_fetch_add_relaxed(&ran, 1);
}

static bool take(void)
{
    struct ki_task *list;

    if (!ki_inject_pop(&inject, &list, 1))
        return false;
    run(list);
    return true;
}

static bool has_work(void)
{
    return ki_load_seq_cst(&inject.len) != 0;
}

/* As sleep_until_woken. Returns after a sleep. */
static void sleep_once(bool searching)
{
    bool may_sleep;

    ki_idle_enter(&idle, searching);
    may_sleep = !has_work() && !ki_load_seq_cst(&ending);
    park_turn(&the_park, NULL, may_sleep ? -1 : 0);
    ki_idle_leave(&idle);
}

/* As search: one look, as searcher if it may, then sleep. */
static void search(void)
{
    bool searching = ki_idle_search(&idle);

    if (searching && take()) {
        if (ki_idle_found(&idle) && has_work())
            ki_idle_notify(&idle, &the_park, false);
        return;
    }
    sleep_once(searching);
}

/* For ever: at rest it sleeps. */
static void work(void)
{
    while (!ki_load_seq_cst(&ending)) {
        if (!take())
            search();
    }
}

/* Begins asleep; counted by begin_asleep. */
static void wake_and_work(void)
{
    park_turn(&the_park, NULL, -1);
    ki_idle_leave(&idle);
    work();
}

/* Begins where a searcher gives up. */
static void give_up_and_work(void)
{
    sleep_once(true);
    work();
}

static void begin_asleep(void)
{
    begin_two();
    ki_store_relaxed(&idle.sleepers, 1);
}

static void begin_giving_up(void)
{
    begin_asleep();
    ki_store_relaxed(&idle.searching, 1);
}

/* A look at the driver by a worker that goes on: it may get the wake that was meant for a sleeper. */
static void busy_turn(void)
{
    if (park_turn(&the_park, NULL, 0) & KI_TURN_WOKEN) {
        ki_idle_took_wake(&idle);
        if (has_work())
            ki_idle_notify(&idle, &the_park, true);
    }
}

static void turn_then_work(void)
{
    busy_turn();
    work();
}

static void busy_only(void)
{
    busy_turn();
    busy_turn();
}

static void push(unsigned i)
{
    tasks[i].flags = i + 1;
    ki_inject_push(&inject, &tasks[i], &tasks[i], 1);
    ki_idle_notify(&idle, &the_park, true);
}

static void push_0(void)
{
    push(0);
}

static void push_1(void)
{
    push(1);
}

static void push_two(void)
{
    push(0);
    push(1);
}

static void one_wanted(void)
{
    MC_ASSERT(ki_load_relaxed(&ran) == 1);
}

static void two_wanted(void)
{
    MC_ASSERT(ki_load_relaxed(&ran) == 2);
}

/* Who ends wakes the next, as worker_main. */
static void work_to_the_end(void)
{
    work();
    park_unpark(&the_park);
}

static void wake_to_the_end(void)
{
    wake_and_work();
    park_unpark(&the_park);
}

static void end_all(void)
{
    ki_store_seq_cst(&ending, 1);
    park_unpark(&the_park);
}

/* ---- the watchdog --------------------------------------------------------------------------- */

static struct ki_watch watch;
static struct ki_watched watched[2];
static ki_atomic(uint32_t) looks;

/* As the watchdog's loop: sleeps while nobody is awake, or looks. */
static void watchdog(void)
{
    ki_store_seq_cst(&watch.asleep, 1);
    for (;;) {
        if (ki_load_seq_cst(&watched[0].awake) || ki_load_seq_cst(&watched[1].awake)) {
            ki_store_seq_cst(&watch.asleep, 0);
            break;
        }
        ki_futex_wait(&watch.asleep, 1, -1);
        if (!ki_load_seq_cst(&watch.asleep))
            break;
    }
    ki_store_relaxed(&looks, 1);
}

static void wake_up_0(void)
{
    ki_watch_begin(&watch, &watched[0]);
}

static void up_and_down_1(void)
{
    ki_watch_begin(&watch, &watched[1]);
    ki_watch_end(&watch, &watched[1]);
}

static void it_looked(void)
{
    MC_ASSERT(ki_load_relaxed(&looks) == 1);
}

static const struct mc_test tests[] = {
    { "push_meets_sleep", begin_one, { work, push_0 }, .at_rest = one_wanted },
    { "push_meets_one_of_two", begin_asleep, { wake_and_work, work, push_0 }, .at_rest = one_wanted },
    { "push_meets_last_searcher", begin_giving_up, { wake_and_work, give_up_and_work, push_0 },
      .at_rest = one_wanted },
    { "two_pushers", begin_one, { work, push_0, push_1 }, .at_rest = two_wanted },
    { "wake_taken_by_a_busy_one", begin_asleep, { wake_and_work, turn_then_work, push_0 },
      .at_rest = one_wanted },
    { "wake_taken_by_one_that_stays_busy", begin_asleep, { wake_and_work, busy_only, push_two },
      .at_rest = two_wanted },
    { "end_meets_sleep", begin_asleep, { wake_to_the_end, work_to_the_end, end_all } },
    { "watchdog_meets_first_awake", NULL, { watchdog, wake_up_0 }, it_looked },
    { "watchdog_meets_two", NULL, { watchdog, wake_up_0, up_and_down_1 }, it_looked },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
