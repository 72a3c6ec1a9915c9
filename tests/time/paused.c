/* Time on a paused clock: exact, and an hour takes no time. SEMANTICS.md, Time; TOKIO.md T clauses. */
#include "support/rt.h"

#include <time.h>
#include <unistd.h>

static int open_paused(void **state)
{
    (void)state;
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD,
                                                              .start_paused = true });
}

#define P(test) cmocka_unit_test_setup_teardown(test, open_paused, rt_close)

struct hour {
    async_fn(int64_t);
    kio_duration d;
    kio_instant start;
    struct kio_sleep nap;
};

async(hour)
{
    async_begin;
    self->start = kio_now();
    await(kio_sleep(&self->nap, self->d));
    async_return(kio_now() - self->start);
}

static void an_hour_passes_at_once_and_exactly(void **state)
{
    (void)state;
    assert_int_equal(run(hour, .d = 60 * KIO_MIN), 60 * KIO_MIN);
    assert_int_equal(run(hour, .d = 1), 1);
    assert_int_equal(run(hour, .d = 0), 0);
    assert_int_equal(run(hour, .d = -5 * KIO_SEC), 0);
    assert_int_equal(run(hour, .d = INT64_C(86400) * 365 * 100 * KIO_SEC),
                     INT64_C(86400) * 365 * 100 * KIO_SEC);
}

/* ---- order -------------------------------------------------------------------------------- */

static int order[64];
static int arrived;

struct sleeper {
    async_fn(void);
    kio_duration d;
    int mark;
    struct kio_sleep nap;
};

async(sleeper)
{
    async_begin;
    await(kio_sleep(&self->nap, self->d));
    order[arrived++] = self->mark;
    async_return();
}

struct race {
    async_fn(void);
    struct kio_join_handle h[50];
    int i;
};

async(race)
{
    async_begin;
    arrived = 0;
    for (self->i = 0; self->i < 50; self->i++)
        kio_spawn(&self->h[self->i], sleeper, .d = (self->i * 37 % 50) * 100 * KIO_US,
                  .mark = self->i * 37 % 50);
    for (self->i = 0; self->i < 50; self->i++)
        await(&self->h[self->i]);
    async_return();
}

static void timers_fire_in_the_order_of_their_times(void **state)
{
    (void)state;
    run(race);
    for (int i = 0; i < 50; i++)
        assert_int_equal(order[i], i);
}

struct ages {
    async_fn(void);
    kio_instant start;
    struct kio_sleep longer, nap;
    int64_t years[3];
    int i;
};

#define YEAR (365 * 24 * 3600 * KIO_SEC)

async(ages)
{
    async_begin;
    self->start = kio_now();
    async_let(kio_sleep(&self->longer, 280 * YEAR));
    for (self->i = 0; self->i < 3; self->i++) {
        await(kio_sleep_until(&self->nap, self->start + self->years[self->i] * YEAR));
        assert_int_equal(kio_now() - self->start, self->years[self->i] * YEAR);
    }
    await(&self->longer);
    assert_int_equal(kio_now() - self->start, 280 * YEAR);
    async_return();
}

static void a_sleep_of_centuries_ends_at_its_instant(void **state)
{
    (void)state;
    run(ages, .years = { 140, 150, 279 });
}

/* ---- reset -------------------------------------------------------------------------------- */

struct resets {
    async_fn(int64_t);
    kio_instant start;
    struct kio_sleep nap;
    struct kio_select s;
    struct kio_sleep tick;
    int i;
};

async(resets)
{
    async_begin;
    self->start = kio_now();
    async_let(kio_sleep(&self->nap, 10 * KIO_MS));
    for (self->i = 0; self->i < 1000; self->i++) {
        await(kio_select_biased(&self->s, &self->nap, kio_sleep(&self->tick, 5 * KIO_MS)));
        assert_int_equal(self->s.out, 1); /* pushed back each time, it never fires */
        kio_sleep_reset(&self->nap, kio_now() + 10 * KIO_MS);
    }
    assert_int_equal(kio_sleep_deadline(&self->nap), self->start + 5010 * KIO_MS);
    await(&self->nap);
    assert_int_equal(kio_now() - self->start, 5010 * KIO_MS);
    kio_sleep_reset(&self->nap, kio_now() + 3 * KIO_MS); /* over: it can be awaited again */
    await(&self->nap);
    async_return(kio_now() - self->start);
}

static void a_sleep_is_reset_while_it_waits_and_after(void **state)
{
    (void)state;
    assert_int_equal(run(resets), 5013 * KIO_MS);
}

/* ---- interval ----------------------------------------------------------------------------- */

struct ticks {
    async_fn(void);
    enum kio_missed_tick missed;
    kio_duration late;
    kio_instant start;
    int64_t at[5], due[5];
    struct kio_interval every;
    struct kio_tick tick;
    struct kio_sleep nap;
    int i;
    int64_t *got;
};

async(ticks)
{
    async_begin;
    self->start = kio_now();
    assert_int_equal(kio_interval(&self->every, 0), -EINVAL);
    assert_int_equal(kio_interval(&self->every, -1), -EINVAL);
    assert_int_equal(kio_interval(&self->every, 10 * KIO_MS), 0);
    kio_interval_missed(&self->every, self->missed);
    for (self->i = 0; self->i < 5; self->i++) {
        await(kio_tick(&self->tick, &self->every));
        self->got[self->i] = (kio_now() - self->start) / KIO_MS;
        if (self->i == 1)
            await(kio_sleep(&self->nap, self->late));
    }
    async_return();
}

static void expect_ticks(enum kio_missed_tick missed, int64_t a, int64_t b, int64_t c, int64_t d,
                         int64_t e)
{
    int64_t got[5];

    run(ticks, .missed = missed, .late = 35 * KIO_MS, .got = got);
    assert_int_equal(got[0], a);
    assert_int_equal(got[1], b);
    assert_int_equal(got[2], c);
    assert_int_equal(got[3], d);
    assert_int_equal(got[4], e);
}

static void missed_ticks_follow_at_once_with_burst(void **state)
{
    (void)state;
    expect_ticks(KIO_TICK_BURST, 0, 10, 45, 45, 45);
}

static void missed_ticks_move_the_plan_with_delay(void **state)
{
    (void)state;
    expect_ticks(KIO_TICK_DELAY, 0, 10, 45, 55, 65);
}

static void missed_ticks_are_left_out_with_skip(void **state)
{
    (void)state;
    expect_ticks(KIO_TICK_SKIP, 0, 10, 45, 50, 60);
}

/* ---- timeout ------------------------------------------------------------------------------ */

struct timeouts {
    async_fn(int);
    kio_duration limit, nap_for;
    struct kio_timeout t;
    struct kio_sleep nap;
};

async(timeouts)
{
    async_begin;
    await(kio_timeout(&self->t, self->limit, kio_sleep(&self->nap, self->nap_for)));
    assert_false(kio_is_live(&self->nap)); /* over, or dropped */
    async_return(self->t.out);
}

static void a_timeout_drops_what_is_late(void **state)
{
    (void)state;
    assert_int_equal(run(timeouts, .limit = KIO_SEC, .nap_for = 2 * KIO_SEC), -ETIMEDOUT);
    assert_int_equal(run(timeouts, .limit = 2 * KIO_SEC, .nap_for = KIO_SEC), 0);
    assert_int_equal(run(timeouts, .limit = 0, .nap_for = 0), 0); /* ready wins */
    assert_int_equal(run(timeouts, .limit = -1, .nap_for = 1), -ETIMEDOUT);
    assert_int_equal(run(timeouts, .limit = INT64_MAX, .nap_for = 1), 0);
}

/* ---- moving the clock --------------------------------------------------------------------- */

struct advances {
    async_fn(void);
    struct kio_time_advance advance;
    struct kio_join_handle h[3];
    struct kio_yield y;
    kio_instant start;
};

async(advances)
{
    async_begin;
    arrived = 0;
    self->start = kio_now();
    kio_spawn(&self->h[0], sleeper, .d = 1 * KIO_SEC, .mark = 1);
    kio_spawn(&self->h[1], sleeper, .d = 2 * KIO_SEC, .mark = 2);
    kio_spawn(&self->h[2], sleeper, .d = 4 * KIO_SEC, .mark = 3);
    await(kio_yield_now(&self->y));
    await(kio_time_advance(&self->advance, 3 * KIO_SEC));
    assert_int_equal(self->advance.out, 0);
    assert_int_equal(arrived, 2);
    assert_int_equal(kio_now() - self->start, 3 * KIO_SEC);
    await(kio_time_advance(&self->advance, KIO_SEC));
    await(&self->h[2]);
    assert_int_equal(arrived, 3);
    assert_int_equal(kio_time_resume(), 0);
    await(kio_time_advance(&self->advance, KIO_SEC));
    assert_int_equal(self->advance.out, -ENOTSUP);
    assert_int_equal(kio_time_pause(), 0);
    async_return();
}

static void advance_runs_what_is_due_in_order(void **state)
{
    (void)state;
    run(advances);
}

/* ---- jobs hold the jump ------------------------------------------------------------------- */

static void *nap_for_real(void *arg)
{
    (void)arg;
    usleep(30000);
    return NULL;
}

struct held {
    async_fn(int64_t);
    struct kio_join_handle job;
    struct kio_sleep nap;
    struct kio_select s;
    kio_instant start;
    bool detached;
};

async(held)
{
    async_begin;
    self->start = kio_now();
    kio_spawn_blocking(&self->job, nap_for_real, NULL);
    if (self->detached) { /* nobody is woken by its end: the clock goes on all the same */
        kio_drop(&self->job);
        await(kio_sleep(&self->nap, 60 * KIO_MIN));
        async_return(kio_now() - self->start);
    }
    await(kio_select(&self->s, &self->job, kio_sleep(&self->nap, 60 * KIO_MIN)));
    async_return(self->s.out);
}

static void a_job_in_flight_holds_the_jump(void **state)
{
    (void)state;
    assert_int_equal(run(held), 0);
    assert_int_equal(run(held, .detached = true), 60 * KIO_MIN);
}

/* ---- and with the real clock -------------------------------------------------------------- */

static void a_sleep_is_never_early(void **state)
{
    (void)state;
    for (int i = 0; i < amount(40); i++)
        assert_true(run(hour, .d = i * 100 * KIO_US) >= i * 100 * KIO_US);
}

struct pauses {
    async_fn(int);
};

async(pauses)
{
    async_begin;
    async_return(kio_time_pause());
}

static void only_one_thread_can_stop_the_clock(void **state)
{
    (void)state;
    assert_int_equal(kio_time_pause(), -ENOTSUP);
    assert_int_equal(run(pauses), rt_flavor == KIO_CURRENT_THREAD ? 0 : -ENOTSUP);
}

int main(void)
{
    const struct CMUnitTest paused[] = {
        P(an_hour_passes_at_once_and_exactly),
        P(timers_fire_in_the_order_of_their_times),
        P(a_sleep_of_centuries_ends_at_its_instant),
        P(a_sleep_is_reset_while_it_waits_and_after),
        P(missed_ticks_follow_at_once_with_burst),
        P(missed_ticks_move_the_plan_with_delay),
        P(missed_ticks_are_left_out_with_skip),
        P(a_timeout_drops_what_is_late),
        P(advance_runs_what_is_due_in_order),
        P(a_job_in_flight_holds_the_jump),
    };
    const struct CMUnitTest real[] = {
        RT(a_sleep_is_never_early),
        RT(only_one_thread_can_stop_the_clock),
    };
    int failed = cmocka_run_group_tests_name("paused", paused, NULL, NULL);

    rt_flavor = KIO_CURRENT_THREAD;
    failed += cmocka_run_group_tests_name("current_thread", real, NULL, NULL);
    rt_flavor = KIO_MULTI_THREAD;
    return failed + cmocka_run_group_tests_name("multi_thread", real, NULL, NULL);
}
