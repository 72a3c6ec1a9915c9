/*
 * kio_runtime_drain adds up what workers count apart: while a task lives it never finds that none does,
 * whichever worker spawned it and however old the counts are that it reads.
 *
 * Sources: tests/model/checker/doors.c
 */
#include "checker/mc.h"

#include "runtime/drain.c"

_Thread_local struct ki_worker *ki_worker_here;

static struct ki_worker workers[2];
static struct ki_sched sched;
static struct kio_runtime rt;
static uint32_t handed; /* a task goes to the other worker's queue */

/* ---- what is not part of it ----------------------------------------------------------------- */

void ki_blocking_stats(struct ki_blocking *b, struct ki_blocking_stats *stats)
{
    (void)b;
    *stats = (struct ki_blocking_stats){ 0 };
}

bool ki_blocking_busy(struct ki_blocking *b)
{
    (void)b;
    return false;
}

void ki_sched_each(struct ki_sched *s, void (*visit)(struct ki_worker *, unsigned, void *), void *arg)
{
    (void)s;
    for (unsigned i = 0; i < 2; i++)
        visit(&workers[i], i, arg);
}

int64_t ki_clock_now(void)
{
    return 1;
}

void ki_thread_nap(int64_t ns)
{
    (void)ns;
}

void ki_guard_no_task(const char *call)
{
    (void)call;
}

void ki_guard_outside(const struct kio_runtime *runtime, const char *what)
{
    (void)runtime, (void)what;
}

bool ki_runtime_run_here(struct kio_runtime *runtime, bool (*done)(void *), void *arg)
{
    (void)runtime, (void)done, (void)arg;
    return false;
}

void ki_runtime_wake_waiting(struct kio_runtime *runtime)
{
    (void)runtime;
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* The first worker has a task. */
static void begin(void)
{
    rt.sched = &sched;
    ki_count(&workers[0].spawned);
}

/* It spawns another one and ends. */
static void spawn_and_end(void)
{
    ki_count(&workers[0].spawned);
    ki_bare_store_release(&handed, 1);
    ki_count_ended(&workers[0]);
}

/* That one is stolen, spawns a third, and ends; the third lives. */
static void steal_spawn_and_end(void)
{
    mc_wait(&handed);
    ki_count(&workers[1].spawned);
    ki_count_ended(&workers[1]);
}

static void ask(void)
{
    MC_ASSERT(!is_empty(&rt));
}

static void end_the_third(void)
{
    MC_ASSERT(!is_empty(&rt));
    ki_count_ended(&workers[0]);
    MC_ASSERT(is_empty(&rt));
}

static const struct mc_test tests[] = {
    { "one_always_lives", begin, { spawn_and_end, steal_spawn_and_end, ask }, end_the_third },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
