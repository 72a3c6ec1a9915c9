/*
 * Timers of a runtime with several workers: one fires while its owner, on another worker, cancels it or
 * leaves another waker; a clock that stands waits for jobs. A timer's memory is its owner's again as
 * soon as it was cancelled or has fired, and it is woken exactly once or not at all.
 *
 * Sources: src/driver/wheel.c src/future/waker.c src/base/lock.c tests/model/checker/doors.c
 */
#include "checker/sleeper.h"

#include "driver/driver.c"

#define DUE 1000000
#define NOW 5000000

static struct ki_drivers *all;
static struct sleeper *task, *other_task;
static struct kio_timer_ *timer;
static struct ki_driver *driver; /* with which timer is armed */
static unsigned fired;

/* ---- what is not part of it: the clock, the kernel ------------------------------------------- */

int64_t ki_clock_now(void)
{
    return NOW;
}

void ki_clock_init(struct ki_clock *clock)
{
    *clock = (struct ki_clock){ 0 };
}

int64_t ki_clock_refresh(struct ki_clock *clock)
{
    if (!clock->paused)
        clock->now_ns = NOW;
    return clock->now_ns;
}

void ki_clock_jump(struct ki_clock *clock, int64_t at_ns)
{
    clock->now_ns = at_ns;
}

static ki_atomic(uint32_t) wakes; /* as the eventfd: acquire and release, no more */

int ki_poller_open(struct ki_poller *p, bool with_timer)
{
    (void)p, (void)with_timer;
    return 0;
}

void ki_poller_close(struct ki_poller *p)
{
    (void)p;
}

bool ki_poller_need_timer(struct ki_poller *p)
{
    (void)p;
    return true;
}

void ki_poller_wait(struct ki_poller *p, int64_t timeout_ns, struct ki_polled *seen)
{
    (void)p;
    seen->count = 0;
    seen->timer = false;
    seen->woken = true;
    if (timeout_ns < 0)
        mc_wait((uint32_t *)&wakes);
    else
        seen->woken = ki_xchg_acq_rel(&wakes, 0);
}

void ki_poller_deliver(const struct ki_polled *seen)
{
    (void)seen;
}

void ki_poller_wake(struct ki_poller *p)
{
    (void)p;
    ki_xchg_acq_rel(&wakes, 1);
}

void ki_poller_set_timer(struct ki_poller *p, int64_t deadline_ns)
{
    (void)p, (void)deadline_ns;
}

/* ---- timers ----------------------------------------------------------------------------------- */

static void begin(void)
{
    int err;

    all = ki_drivers_new(2, true, &err);
    MC_ASSERT(all);
    task = sleeper_new();
    other_task = sleeper_new();
    timer = mc_alloc(sizeof *timer, 16, true);
    timer->deadline_ns = DUE;
    fired = 0;
}

static void arm(struct ki_driver *d, kio_waker waker)
{
    driver = d;
    ki_timer_arm(d, timer, waker);
}

static void begin_armed(void)
{
    begin();
    arm(&all->each[0], sleeper_waker(task));
}

static void end(void)
{
    kio_waker_drop(sleeper_waker(task));
    kio_waker_drop(sleeper_waker(other_task));
    ki_drivers_free(all);
    MC_ASSERT(mc_alive() == 0);
}

/* The worker that comes by: it looks after every wheel. */
static void turn_1(void)
{
    turn_shared(&all->park, &all->each[1], 0);
}

static void turn_0(void)
{
    turn_shared(&all->park, &all->each[0], 0);
}

static void cancel(void)
{
    ki_timer_cancel(driver, timer);
    mc_free(timer);
}

static void cancel_later(void)
{
    kio_waker waker = ki_timer_take(driver, timer);

    if (waker.to) { /* it was armed: not fired, and not going to be */
        MC_ASSERT(!ki_load_relaxed(&task->woken));
        kio_waker_drop(waker);
    }
    mc_free(timer);
}

static void poll_again(struct sleeper *by)
{
    while (ki_timer_rearm(driver, timer, sleeper_waker(by)))
        sleeper_park(by);
    mc_free(timer);
}

static void poll_by_the_same(void)
{
    poll_again(task);
}

static void poll_by_another(void)
{
    poll_again(other_task);
}

/* Moves its timer, as kio_sleep_reset. */
static void reset(void)
{
    kio_waker waker = ki_timer_take(driver, timer);

    timer->deadline_ns = DUE + 1;
    if (waker.to) {
        arm(&all->each[1], waker);
        kio_waker_drop(waker);
        cancel();
    } else {
        mc_free(timer);
    }
}

/* Two timers in one wheel: links that another thread unlinks. */
static struct kio_timer_ *second;

static void begin_two(void)
{
    begin_armed();
    second = mc_alloc(sizeof *second, 16, true);
    second->deadline_ns = DUE;
    ki_timer_arm(&all->each[0], second, sleeper_waker(other_task));
}

static void poll_second(void)
{
    while (ki_timer_rearm(driver, second, sleeper_waker(other_task)))
        sleeper_park(other_task);
    mc_free(second);
}

/* Armed while the other worker turns: this worker turns later itself. */
static void arm_and_turn(void)
{
    arm(&all->each[0], sleeper_waker(task));
    turn_0();
    poll_again(task);
}

/* A spare's wheel, made while others turn. */
static void more(void)
{
    struct ki_driver *d = ki_drivers_more(all);

    arm(d, sleeper_waker(task));
    turn_shared(&all->park, d, 0);
    poll_again(task);
}

/* ---- the clock that stands ---------------------------------------------------------------------- */

static ki_atomic(uint32_t) jobs;
static ki_atomic(uint32_t) job_woke;

static unsigned busy(void *arg)
{
    (void)arg;
    return ki_load_seq_cst(&jobs); /* as ki_blocking_busy */
}

static void begin_paused(void)
{
    begin_armed();
    timer->deadline_ns = INT64_C(1) << 40;
    ki_timer_cancel(driver, timer);
    arm(&all->each[0], sleeper_waker(task));
    all->shared = false;
    all->each[0].clock.paused = true;
    all->busy = busy;
    ki_store_relaxed(&jobs, 1);
}

/* Nothing runs: the clock may jump once the job is over, and must then. */
static void stand(void)
{
    while (all->each[0].clock.now_ns < timer->deadline_ns)
        turn_paused(all, &all->each[0], -1);
    MC_ASSERT(ki_load_relaxed(&job_woke)); /* its wake came first */
    MC_ASSERT(!timer->prev);
}

static void job(void)
{
    ki_store_relaxed(&job_woke, 1);
    ki_fetch_sub_seq_cst(&jobs, 1); /* as a worker of the blocking pool */
    ki_drivers_quiet(all);
}

static void end_paused(void)
{
    mc_free(timer);
    end();
}

static const struct mc_test tests[] = {
    { "fire_meets_cancel", begin_armed, { turn_1, cancel }, end },
    { "fire_by_two_meets_cancel", begin_armed, { turn_1, turn_0, cancel_later }, end },
    { "fire_meets_poll", begin_armed, { turn_1, poll_by_the_same }, end },
    { "fire_meets_poll_by_another_task", begin_armed, { turn_1, poll_by_another }, end },
    { "fire_meets_reset", begin_armed, { turn_1, reset }, end },
    { "two_timers", begin_two, { turn_1, cancel, poll_second }, end },
    { "arm_meets_turn", begin, { turn_1, arm_and_turn }, end },
    { "wheel_made_while_others_turn", begin, { turn_1, more }, end },
    { "standing_clock_waits_for_job", begin_paused, { stand, job }, end_paused },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
