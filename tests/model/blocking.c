/*
 * The blocking pool: however jobs come in while threads start, fall idle, watch and leave, each of them is
 * run once, or canceled when the pool ends, or refused; nobody is told that the pool is at rest before it is,
 * and somebody is when it is; a pool that was closed has no threads.
 *
 * A test has rooms for threads of the pool: test threads that wait to be started. A wait with a limit may
 * end at once, which is as late as the others let it be; each thread has its own time, which such waits move
 * on. Mutexes and conditions are words: a mutex is one step that waits, as locks are.
 */
#include "checker/mc.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

/* ---- threads, and what they wait for --------------------------------------------------------- */

#define ROOMS 3
#define NEVER INT64_MAX

static struct room {
    uint32_t start, ended;
    void *(*run)(void *);
    void *arg;
} rooms[ROOMS];
static ki_atomic(unsigned) rooms_taken;
static unsigned rooms_open;
static unsigned may_fail; /* so many starts of threads */
static pthread_t self_of[MC_THREADS + 1];
static int64_t time_of[MC_THREADS + 1];
static unsigned early_of[MC_THREADS + 1]; /* so many waits with a limit ended at once */
static unsigned early_most;

int ki_thread_start(pthread_t *thread, void *(*run)(void *), void *arg, size_t stack_size, const char *name,
                    unsigned number)
{
    unsigned i;

    (void)stack_size, (void)name, (void)number;
    if (may_fail && mc_choose(2)) {
        may_fail--;
        return -EAGAIN;
    }
    i = ki_fetch_add_relaxed(&rooms_taken, 1);
    if (i >= rooms_open)
        return -EAGAIN;
    rooms[i].run = run;
    rooms[i].arg = arg;
    *thread = i + 1;
    ki_bare_store_release(&rooms[i].start, 1);
    return 0;
}

static void in_room(struct room *r)
{
    mc_wait(&r->start);
    self_of[mc_self()] = (pthread_t)(r - rooms) + 1;
    r->run(r->arg);
    ki_bare_store_release(&r->ended, 1);
}

static void room_0(void)
{
    in_room(&rooms[0]);
}

static void room_1(void)
{
    in_room(&rooms[1]);
}

static void room_2(void)
{
    in_room(&rooms[2]);
}

static void join_room(pthread_t thread)
{
    mc_wait(&rooms[thread - 1].ended); /* once: the second one would wait for ever */
}

int64_t ki_clock_now(void)
{
    return time_of[mc_self()];
}

void ki_futex_wait(ki_atomic(uint32_t) *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec limit = { 0, 0 };

    if (timeout_ns < 0) {
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL);
        return;
    }
    if (early_of[mc_self()] < early_most && mc_choose(2))
        early_of[mc_self()]++;
    else
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &limit);
    if (ki_load_relaxed(word) == expected)
        time_of[mc_self()] += timeout_ns;
}

void ki_futex_wake(ki_atomic(uint32_t) *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL);
}

/* A condition's word counts broadcasts; whoever holds the mutex changes it. until_ns: on this thread's clock;
 * negative: for ever. */
static int wait_for_broadcast(ki_atomic(uint32_t) *count, uint32_t *mutex, int64_t until_ns)
{
    uint32_t is = ki_load_relaxed(count);

    ki_bare_store_release(mutex, 0);
    ki_futex_wait(count, is, until_ns < 0 ? -1 : until_ns - ki_clock_now());
    mc_take(mutex);
    return 0;
}

static void broadcast(ki_atomic(uint32_t) *count)
{
    ki_store_relaxed(count, ki_load_relaxed(count) + 1);
    ki_futex_wake(count, INT32_MAX);
}

#define pthread_self()                   self_of[mc_self()]
#define pthread_join(thread, out)        join_room(thread)
#define pthread_mutex_init(m, attr)      (*(uint32_t *)(m) = 0)
#define pthread_mutex_destroy(m)         ((void)(m))
#define pthread_mutex_lock(m)            mc_take((uint32_t *)(m))
#define pthread_mutex_unlock(m)          ki_bare_store_release((uint32_t *)(m), 0)
#define pthread_cond_init(c, attr)       (*(uint32_t *)(c) = 0)
#define pthread_cond_destroy(c)          ((void)(c))
#define pthread_cond_wait(c, m)          wait_for_broadcast((void *)(c), (uint32_t *)(m), -1)
#define pthread_cond_timedwait(c, m, ts) wait_for_broadcast((void *)(c), (uint32_t *)(m), (ts)->tv_nsec)
#define pthread_cond_broadcast(c)        broadcast((void *)(c))

#include "sched/blocking.c"

/* ---- jobs ------------------------------------------------------------------------------------ */

#define JOBS 3

static struct work {
    struct ki_job job;
    unsigned runs, cancels; /* plain: one thread has it at a time */
    bool refused;
    uint32_t *gate, *opens; /* what it waits for, and what it lets go on */
    struct work *next;      /* that it submits, to the other lane */
} works[JOBS];
static struct ki_blocking *pool;
static ki_atomic(unsigned) ended, told;
static uint32_t second_done, asked; /* who submits, who asks is done with the pool */
static uint32_t gates[JOBS];
static bool closed;

static void submit_to(struct work *w, enum ki_lane lane)
{
    int err = ki_blocking_submit(pool, &w->job, lane);

    MC_ASSERT(!err || err == -ESHUTDOWN || err == -EAGAIN);
    w->refused = err != 0;
}

static void run(struct ki_job *job)
{
    struct work *w = ki_container(job, struct work, job);

    if (w->gate)
        mc_wait(w->gate);
    if (w->opens)
        ki_bare_store_release(w->opens, 1);
    if (w->next)
        submit_to(w->next, KI_LANE_LOOKUP);
    w->runs++;
    ki_fetch_add_relaxed(&ended, 1);
}

static void cancel(struct ki_job *job)
{
    ki_container(job, struct work, job)->cancels++;
}

static void on_thread(void *arg, bool start)
{
    (void)arg, (void)start;
}

/* Who is told has all that the jobs did. */
static void on_quiet(void *arg)
{
    (void)arg;
    ki_fetch_or_relaxed(&told, 1u << ki_load_relaxed(&ended));
}

static void begin_with(unsigned max, unsigned open, int64_t keep_alive_ns)
{
    rooms_open = open;
    for (int i = 0; i < JOBS; i++)
        works[i].job = (struct ki_job){ .run = run, .cancel = cancel };
    MC_ASSERT(!ki_blocking_new(&pool, &(struct ki_blocking_config){ .max_threads = max,
                                                                    .keep_alive_ns = keep_alive_ns,
                                                                    .on_thread = on_thread,
                                                                    .on_quiet = on_quiet }));
}

/* ---- what holds when nobody can go on -------------------------------------------------------- */

static void lane_rests(struct lane *lane)
{
    MC_ASSERT(!lane->first && !lane->in_first);
    MC_ASSERT(lane->takers == lane->idles && lane->threads == lane->idles);
    MC_ASSERT(!lane->sentinel && !lane->dozing);
    MC_ASSERT(lane->door == DOOR_CALL || lane->door == DOOR_SHUT);
    MC_ASSERT(lane->takers || lane->door == DOOR_SHUT);
}

/* Each of so many was run, unless it was refused, and somebody was told so. */
static void ran(int count)
{
    unsigned accepted = 0;

    for (int i = 0; i < count; i++) {
        MC_ASSERT(works[i].runs + works[i].refused == 1 && !works[i].cancels);
        accepted += works[i].runs;
    }
    for (int i = 0; i < KI_LANE_COUNT; i++)
        lane_rests(&pool->lanes[i]);
    MC_ASSERT(!ki_blocking_busy(pool));
    MC_ASSERT(!accepted || (ki_load_relaxed(&told) >> accepted & 1));
}

static void two_ran(void)
{
    ran(2);
    MC_ASSERT(works[0].runs && works[1].runs);
}

static void three_ran(void)
{
    ran(3);
    MC_ASSERT(works[0].runs && works[1].runs && works[2].runs);
}

static void two_ran_or_were_refused(void)
{
    ran(2);
}

static void three_ran_or_were_refused(void)
{
    ran(3);
}

static void is_closed(void)
{
    MC_ASSERT(closed);
    for (int i = 0; i < ROOMS; i++)
        MC_ASSERT(!rooms[i].ended); /* whoever was there was joined */
    for (int i = 0; i < 2; i++)
        MC_ASSERT(works[i].runs + works[i].cancels + works[i].refused == 1);
    mc_outcome(works[1].runs + 2 * works[1].cancels + 4 * works[1].refused);
}

static void the_second_had_each_end(void)
{
    MC_ASSERT(mc_seen(1) && mc_seen(2) && mc_seen(4));
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void submit_0(void)
{
    submit_to(&works[0], KI_LANE_JOBS);
}

static void submit_1(void)
{
    submit_to(&works[1], KI_LANE_JOBS);
    ki_bare_store_release(&second_done, 1);
}

static void submit_2(void)
{
    submit_to(&works[2], KI_LANE_JOBS);
}

static void submit_both(void)
{
    submit_0();
    submit_1();
}

/* This thread's time when nobody else can go on. */
static void let_them_rest(void)
{
    static ki_atomic(uint32_t) never;

    ki_futex_wait(&never, 0, 1);
}

static void submit_the_third_late(void)
{
    submit_both();
    let_them_rest();
    submit_2();
}

static void one_thread(void)
{
    begin_with(1, 1, NEVER);
}

static void two_threads(void)
{
    begin_with(2, 2, NEVER);
}

/* And one thread may fail. */
static void short_lives(void)
{
    begin_with(2, 2, 1000);
    early_most = 1;
    may_fail = 1;
}

static void threads_may_fail(void)
{
    begin_with(2, 2, NEVER);
    may_fail = 2;
}

/* The first one cannot end before the second one has run. */
static void blocks_until_the_second(void)
{
    two_threads();
    works[0].gate = works[1].opens = &gates[0];
}

/* Nor the second before the third. */
static void block_until_the_third(void)
{
    begin_with(3, 3, NEVER);
    works[0].gate = works[1].opens = &gates[0];
    works[1].gate = works[2].opens = &gates[1];
    submit_both();
}

/* The first one cannot end before the third has run; of the threads that are wanted for it one may fail. */
static void one_thread_may_fail(void)
{
    two_threads();
    works[0].gate = works[2].opens = &gates[0];
    may_fail = 1;
}

static void first_submits_second(void)
{
    two_threads();
    works[0].next = &works[1];
}

static void submit_and_ask(void)
{
    submit_0();
    if (!ki_blocking_busy(pool))
        MC_ASSERT(works[0].runs == 1 && works[1].runs == 1); /* plain: it knows all that they did */
}

/* Another thread may come after the first one, not beside it. */
static void one_after_the_other(void)
{
    begin_with(1, 2, NEVER);
    submit_0();
}

static void close_and_free(void)
{
    MC_ASSERT(!ki_blocking_shutdown(pool, -1));
    mc_wait(&second_done);
    MC_ASSERT(!ki_blocking_threads(pool));
    MC_ASSERT(!ki_blocking_busy(pool));
    ki_blocking_free(pool);
    closed = true;
}

static void close_when_they_rest(void)
{
    let_them_rest();
    close_and_free();
}

static void both_came_before(void)
{
    blocks_until_the_second();
    submit_both();
}

static void two_came_to_one(void)
{
    one_thread();
    submit_both();
    early_most = 1; /* the close's */
}

static void ends_is_told(void)
{
    if (!ki_blocking_busy(pool))
        MC_ASSERT(works[0].runs + works[0].cancels == 1 && works[1].runs + works[1].cancels == 1);
    ki_bare_store_release(&asked, 1);
}

static void close_asked_and_free(void)
{
    MC_ASSERT(!ki_blocking_shutdown(pool, -1));
    mc_wait(&asked);
    ki_blocking_free(pool);
    closed = true;
}

static void close_at_once_and_free(void)
{
    works[0].refused = true; /* did not come */
    close_and_free();
}

static void close_in_time_or_later(void)
{
    int err = ki_blocking_shutdown(pool, 1000);

    MC_ASSERT(ki_blocking_submit(pool, &works[2].job, KI_LANE_JOBS) == -ESHUTDOWN);
    if (err)
        MC_ASSERT(!ki_blocking_shutdown(pool, -1));
    ki_blocking_free(pool);
    closed = true;
}

static const struct mc_test tests[] = {
    { "two_jobs_on_one_thread", one_thread, { submit_both, room_0 }, .at_rest = two_ran },
    { "a_job_meets_an_idle_thread", two_threads, { submit_both, room_0, room_1 }, .at_rest = two_ran },
    { "a_job_meets_a_thread_that_leaves", short_lives, { submit_both, room_0, room_1 },
      .at_rest = two_ran_or_were_refused },
    { "two_come_at_once", two_threads, { submit_0, submit_1, room_0, room_1 }, .at_rest = two_ran },
    { "threads_that_cannot_be_had", threads_may_fail, { submit_0, submit_1, room_0, room_1 },
      .at_rest = two_ran_or_were_refused },
    { "who_comes_next_tries_again", one_thread_may_fail, { room_0, room_1, submit_the_third_late },
      .at_rest = three_ran_or_were_refused },
    { "a_job_that_blocks_is_helped", blocks_until_the_second, { submit_both, room_0, room_1 },
      .at_rest = two_ran },
    { "who_helps_is_helped", block_until_the_third, { submit_2, room_0, room_1, room_2 },
      .at_rest = three_ran },
    { "at_rest_is_at_rest", first_submits_second, { submit_and_ask, room_0, room_1 }, .at_rest = two_ran },
    { "a_close_meets_the_first_submit", two_threads, { submit_1, close_at_once_and_free, room_0 },
      .at_rest = is_closed, .done = the_second_had_each_end },
    { "a_close_meets_a_submit", one_after_the_other, { submit_1, close_and_free, room_0, room_1 },
      .at_rest = is_closed, .done = the_second_had_each_end },
    { "a_close_meets_idle_threads", both_came_before, { room_0, room_1, close_when_they_rest },
      .at_rest = is_closed },
    { "a_close_comes_late", two_came_to_one, { close_in_time_or_later, room_0 }, .at_rest = is_closed },
    { "a_close_is_asked_for_its_end", two_came_to_one, { ends_is_told, close_asked_and_free, room_0 },
      .at_rest = is_closed },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
