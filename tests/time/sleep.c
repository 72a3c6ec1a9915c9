/* Sleeps, polled by hand on a paused clock, and their resets; moving the clock. TOKIO.md T1 to T5. */
#include "support/paused.h"

#include "driver/driver.h"

#include <unistd.h>

static struct little l;
static struct kio_sleep a, b, c;

/* Ready? */
static bool over(struct kio_sleep *s)
{
    (void)woken_since(&l);
    return poll_once(&l, s) == KIO_READY;
}

static size_t timers_armed(void)
{
    return ki_drivers_timers(ki_driver_here->all);
}

static int open_sleeps(void **state)
{
    little_init(&l);
    return open_paused(state);
}

static int close_sleeps(void **state)
{
    int err = rt_close(state);

    kio_drop(&a);
    kio_drop(&b);
    kio_drop(&c);
    if (ki_load_seq_cst(&l.clones) != ki_load_seq_cst(&l.drops))
        return -1;
    return err;
}

#define S(test) cmocka_unit_test_setup_teardown(test, open_sleeps, close_sleeps)

STORY(now)
{
    async_begin;
    self->start = kio_now();
    kio_sleep_until(&a, self->start);
    assert_false(kio_is_done(&a));
    assert_true(over(&a));
    assert_true(kio_is_done(&a));
    assert_int_equal(kio_now(), self->start);
    kio_sleep_until(&a, self->start - KIO_SEC);
    assert_true(over(&a));
    kio_sleep_until(&a, INT64_MIN);
    assert_true(over(&a));
    kio_sleep(&a, INT64_MIN);
    assert_true(over(&a));
    async_return();
}

static void a_sleep_until_now_or_before_is_over_at_once(void **state)
{
    tell(now);
}

STORY(done)
{
    async_begin;
    kio_sleep(&a, 10 * KIO_MS);
    assert_false(kio_is_done(&a));
    assert_false(over(&a));
    assert_false(kio_is_done(&a));
    await(sleep_ms(10));
    assert_true(woken_since(&l));
    assert_false(kio_is_done(&a)); /* only a poll ends it */
    assert_true(over(&a));
    assert_true(kio_is_done(&a));
    async_return();
}

static void a_sleep_is_done_when_a_poll_has_said_so(void **state)
{
    tell(done);
}

STORY(exact)
{
    static const kio_duration spans[] = {
        1 * KIO_MS, 10 * KIO_MS, 60 * KIO_MS, KIO_MS + 1, KIO_MS + 1, 5 * KIO_MS, 60 * KIO_MS,
        5 * 365 * 24 * 60 * KIO_MIN,  365 * 24 * 60 * KIO_MIN, 365 * 24 * 60 * KIO_MIN,
        10 * 365 * 24 * 60 * KIO_MIN, 100 * 365 * 24 * 60 * KIO_MIN,
    };

    async_begin;
    for (self->i = 0; self->i < (int)(sizeof spans / sizeof spans[0]); self->i++) {
        self->start = kio_now();
        await(kio_sleep_until(&self->nap, self->start + spans[self->i]));
        assert_int_equal(kio_now() - self->start, spans[self->i]);
    }
    async_return();
}

static void sleeps_from_a_nanosecond_to_a_century_are_exact_on_a_paused_clock(void **state)
{
    tell(exact);
}

/* "Never" must not keep others from ending, whichever is polled first. */
struct never {
    async_fn(int);
    kio_duration d;
    struct kio_sleep far, near;
    struct kio_select s;
};

async(never)
{
    async_begin;
    await(kio_select_biased(&self->s, kio_sleep(&self->far, self->d), kio_sleep(&self->near, 1)));
    async_return(self->s.out);
}

static void a_sleep_without_end_overflows_nothing_and_holds_up_nobody(void **state)
{
    (void)state;
    assert_int_equal(run(never, .d = INT64_MAX), 1);
    assert_int_equal(run(never, .d = INT64_MAX - KIO_MS), 1);
    assert_int_equal(run(never, .d = INT64_MAX / 10), 1);
}

/* ---- reset ----------------------------------------------------------------------------------- */

STORY(resets)
{
    async_begin;
    self->start = kio_now();
    kio_sleep_until(&a, self->start + 100 * KIO_MS);
    assert_false(over(&a));
    kio_sleep_reset(&a, self->start + 200 * KIO_MS); /* later */
    await(until_ms(199));
    assert_false(woken_since(&l));
    await(until_ms(200));
    assert_true(woken_since(&l));
    assert_true(over(&a));

    self->start = kio_now();
    kio_sleep_until(&a, self->start + 100 * KIO_MS);
    assert_false(over(&a));
    await(until_ms(10));
    kio_sleep_reset(&a, self->start + 80 * KIO_MS); /* earlier */
    await(until_ms(80));
    assert_true(woken_since(&l));
    assert_true(over(&a));

    kio_sleep_reset(&a, self->start + 110 * KIO_MS); /* over: it begins anew */
    assert_int_equal(kio_sleep_deadline(&a), self->start + 110 * KIO_MS);
    assert_false(kio_is_done(&a));
    assert_false(over(&a));
    assert_false(over(&a));
    await(until_ms(110));
    assert_true(over(&a));

    kio_sleep_until(&b, self->start + 500 * KIO_MS);
    kio_sleep_reset(&b, self->start + 130 * KIO_MS); /* before its first poll */
    assert_false(over(&b));
    await(until_ms(130));
    assert_true(over(&b));
    async_return();
}

static void a_sleep_can_be_reset_at_any_time_of_its_life(void **state)
{
    tell(resets);
}

STORY(to_the_past)
{
    async_begin;
    self->start = kio_now();
    kio_sleep_until(&a, self->start + 100 * KIO_MS);
    assert_false(over(&a));
    await(until_ms(50));
    assert_false(woken_since(&l));
    kio_sleep_reset(&a, self->start + 40 * KIO_MS);
    assert_true(woken_since(&l));
    assert_true(over(&a));
    /* before the clock's zero: this used to sleep for ever */
    kio_sleep(&a, 100 * KIO_MS);
    assert_false(over(&a));
    kio_sleep_reset(&a, -KIO_SEC);
    assert_true(woken_since(&l));
    assert_true(over(&a));
    await(until_ms(300));
    assert_false(woken_since(&l)); /* nothing is left armed */
    async_return();
}

static void a_sleep_reset_to_the_past_wakes_and_is_over(void **state)
{
    tell(to_the_past);
}

STORY(million)
{
    size_t armed;
    int n = amount(1000000);

    async_begin;
    self->start = kio_now();
    kio_sleep(&a, KIO_SEC);
    assert_false(over(&a));
    armed = timers_armed();
    for (int i = 0; i < n; i++)
        kio_sleep_reset(&a, self->start + KIO_SEC + i * KIO_US);
    assert_int_equal(timers_armed(), armed);
    assert_false(woken_since(&l));
    await(kio_sleep_until(&self->nap, self->start + KIO_SEC + (n - 2) * KIO_US));
    assert_false(woken_since(&l));
    await(kio_sleep_until(&self->nap, self->start + KIO_SEC + (n - 1) * KIO_US));
    assert_true(woken_since(&l));
    assert_true(over(&a));
    async_return();
}

static void a_timer_reset_a_million_times_grows_nothing_and_fires_once(void **state)
{
    tell(million);
}

STORY(drop_reset)
{
    async_begin;
    self->start = kio_now();
    kio_sleep(&a, 5 * KIO_MS);
    kio_sleep(&b, 5 * KIO_MS);
    kio_sleep(&c, 10 * KIO_MS);
    assert_false(over(&a));
    assert_false(over(&b));
    assert_false(over(&c));
    kio_sleep_reset(&b, self->start + 10 * KIO_MS);
    await(sleep_ms(5));
    assert_true(over(&a));
    kio_drop(&b); /* leaves the slot it shares with c */
    await(sleep_ms(5));
    assert_true(woken_since(&l));
    assert_true(over(&c));
    async_return();
}

static void a_reset_timer_leaves_its_new_slot_when_it_is_dropped(void **state)
{
    tell(drop_reset);
}

/* ---- drops during wakes ---------------------------------------------------------------------- */

static struct kio_sleep crowd[100];
static int crowd_wakes;

static void wake_drops_all(struct kio_wakeable *self)
{
    (void)self;
    crowd_wakes++;
    for (int i = 0; i < 100; i++)
        kio_drop(&crowd[i]);
}

static const kio_waker_type dropping_type = { .name = "dropping", .wake = wake_drops_all };

STORY(drops_in_wake)
{
    static struct kio_wakeable dropping = { &dropping_type };
    kio_context by_dropping;

    async_begin;
    crowd_wakes = 0;
    kio_context_init(&by_dropping, (kio_waker){ &dropping });
    for (int i = 0; i < 100; i++)
        assert_int_equal(kio_future_poll(&kio_sleep(&crowd[i], 10 * KIO_MS)->kio, &by_dropping),
                         KIO_PENDING);
    await(sleep_ms(11));
    assert_in_range(crowd_wakes, 1, 100);
    assert_int_equal(timers_armed(), 0);
    async_return();
}

static void a_wake_may_drop_the_timers_that_fire_with_it(void **state)
{
    tell(drops_in_wake);
}

/* ---- the clock ------------------------------------------------------------------------------- */

STORY(advances)
{
    async_begin;
    self->start = kio_now();
    kio_sleep_until(&a, self->start + 300 * KIO_MS);
    kio_sleep_until(&b, self->start + 300 * KIO_MS);
    assert_false(over(&a));
    await(advance_ms(100));
    assert_int_equal(kio_now() - self->start, 100 * KIO_MS);
    assert_false(woken_since(&l));
    assert_false(over(&a));
    assert_false(over(&b)); /* first polled after the move */
    await(kio_time_advance(&self->by, 51592 * KIO_US));
    assert_int_equal(kio_now() - self->start, 151592 * KIO_US);
    await(kio_time_advance(&self->by, KIO_US));
    await(kio_time_advance(&self->by, 1));
    assert_int_equal(kio_now() - self->start, 151593001);
    await(kio_time_advance(&self->by, 3141592 * KIO_US));
    assert_int_equal(kio_now() - self->start, 151593001 + 3141592 * KIO_US);
    assert_true(woken_since(&l));
    assert_true(over(&a));
    await(kio_time_advance(&self->by, 0));
    await(kio_time_advance(&self->by, -5));
    assert_int_equal(self->by.out, 0);
    assert_int_equal(kio_now() - self->start, 151593001 + 3141592 * KIO_US);
    async_return();
}

static void the_clock_moves_by_what_it_is_told_to_the_nanosecond(void **state)
{
    tell(advances);
}

STORY(small_steps)
{
    async_begin;
    kio_sleep(&a, KIO_MS);
    assert_false(over(&a));
    for (self->i = 0; self->i < 3; self->i++) {
        await(kio_time_advance(&self->by, 250 * KIO_US));
        assert_false(woken_since(&l));
        assert_false(over(&a));
    }
    await(kio_time_advance(&self->by, 250 * KIO_US));
    assert_true(woken_since(&l));
    assert_true(over(&a));
    kio_sleep(&a, KIO_MS);
    assert_false(over(&a));
    await(kio_time_advance(&self->by, 250 * KIO_US));
    assert_false(over(&a));
    await(kio_time_advance(&self->by, 1500 * KIO_US)); /* past it in one step */
    assert_true(woken_since(&l));
    assert_true(over(&a));
    async_return();
}

static void small_steps_add_up_to_a_timer(void **state)
{
    tell(small_steps);
}

/* Ten thousand random sleeps: twice the same, and each exact. */
STORY(random_sleeps)
{
    static unsigned seed;
    static uint64_t sum[2];
    static int turn, i;

    async_begin;
    seed = getenv("KIOTO_SEED") ? (unsigned)atoi(getenv("KIOTO_SEED")) : (unsigned)getpid();
    print_message("KIOTO_SEED=%u\n", seed);
    for (turn = 0; turn < 2; turn++) {
        srand(seed);
        sum[turn] = 0;
        for (i = 0; i < amount(10000); i++) {
            self->start = kio_now();
            self->i = rand() % 1000000;
            await(kio_sleep(&self->nap, self->i * KIO_US));
            assert_int_equal(kio_now() - self->start, self->i * KIO_US);
            sum[turn] = sum[turn] * 31 + (uint64_t)(kio_now() - self->start);
        }
    }
    assert_true(sum[0] == sum[1]);
    async_return();
}

static void a_paused_clock_gives_the_same_times_each_run(void **state)
{
    tell(random_sleeps);
}

struct pauser {
    async_fn(int);
    kio_instant before;
};

async(pauser)
{
    async_begin;
    if (kio_time_resume() || kio_time_resume() || kio_time_pause() || kio_time_pause())
        async_return(-1); /* once more is nothing, and no error */
    self->before = kio_now();
    usleep(2000);
    async_return(kio_now() == self->before);
}

STORY(pause_in_task)
{
    static struct kio_join_handle task;

    async_begin;
    kio_spawn(&task, pauser);
    await(&task);
    assert_int_equal(*kio_output(&task, int), 1);
    kio_drop(&task);
    async_return();
}

static void any_task_may_stop_the_clock_and_stopping_twice_is_stopping_once(void **state)
{
    tell(pause_in_task);
}

/* ---- with the real clock --------------------------------------------------------------------- */

struct short_sleeps {
    async_fn(int);
    struct kio_sleep nap;
};

async(short_sleeps)
{
    async_begin;
    for (; self->out < 1000; self->out++)
        await(kio_sleep(&self->nap, 0));
    async_return(self->out);
}

static void a_thousand_sleeps_of_nothing_end(void **state)
{
    (void)state;
    assert_int_equal(run(short_sleeps), 1000);
}

/* Made, and polled when its time is over: no turn has looked at the clock between. */
struct late_poll {
    async_fn(void);
    kio_duration d;
};

async(late_poll)
{
    async_begin;
    kio_sleep(&a, self->d);
    kio_sleep(&b, self->d + 10 * KIO_SEC);
    kio_sleep_until(&c, kio_now() + self->d);
    usleep((unsigned)(self->d / KIO_US) + 1000);
    assert_true(over(&a));
    assert_false(over(&b));
    assert_true(over(&c));
    kio_drop(&b);
    async_return();
}

static void a_sleep_whose_time_is_over_before_its_first_poll_is_over_with_that(void **state)
{
    static const kio_duration spans[] = { 1, 100 * KIO_US, 2 * KIO_MS, 60 * KIO_MS };

    (void)state;
    little_init(&l);
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        run(late_poll, .d = spans[i]);
}

struct nothings {
    async_fn(void);
    struct kio_sleep nap;
};

/* It used to wait for a tick whenever the clock had been read a moment before. */
async(nothings)
{
    async_begin;
    little_init(&l);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(poll_once(&l, kio_sleep(&self->nap, 0)), KIO_READY);
        assert_int_equal(poll_once(&l, kio_sleep(&self->nap, -KIO_SEC)), KIO_READY);
    }
    async_return();
}

static void a_sleep_of_nothing_is_over_at_its_first_poll(void **state)
{
    (void)state;
    run(nothings);
}

/* Wakes itself in every poll: timers must be looked at all the same. */
struct starve {
    async_fn(int64_t);
    struct kio_sleep *sleep;
};

static kio_poll starve_poll(kio_future *f, kio_context *cx)
{
    struct starve *self = (struct starve *)f;

    f->state = f;
    if (kio_future_poll(&self->sleep->kio, cx) == KIO_READY) {
        kio_finish(f);
        return KIO_READY;
    }
    self->out++;
    kio_waker_wake_by_ref(cx->waker);
    return KIO_PENDING;
}

static const kio_future_type starve_type = {
    .name = "starve",
    .size = sizeof(struct starve),
    .poll = starve_poll,
};

struct starving {
    async_fn(void);
    struct kio_sleep nap;
    struct starve starve;
    kio_instant when;
};

async(starving)
{
    async_begin;
    self->when = kio_now() + 10 * KIO_MS;
    async_let(kio_sleep_until(&self->nap, self->when));
    self->starve = (struct starve){ .kio = { .type = &starve_type }, .sleep = &self->nap };
    await(&self->starve);
    assert_true(kio_now() >= self->when);
    async_return();
}

static void a_task_that_always_wakes_itself_starves_no_timer(void **state)
{
    (void)state;
    run(starving);
}

struct napper {
    async_fn(void);
    kio_instant start;
    struct kio_sleep nap;
};

async(napper)
{
    async_begin;
    self->start = kio_now();
    await(kio_sleep(&self->nap, 10 * KIO_MS));
    assert_true(kio_now() - self->start >= 10 * KIO_MS);
    async_return();
}

struct nappers {
    async_fn(void);
    struct napper here;
    struct kio_join_set set;
    struct kio_join_next next;
    int i;
};

static void nappers_drop(struct nappers *self)
{
    kio_join_set_drop(&self->set);
}

async(nappers, nappers_drop)
{
    async_begin;
    await(async_call(&self->here, napper));
    for (self->i = 0; self->i < amount(512); self->i++)
        assert_int_equal(kio_join_set_spawn(&self->set, napper), 0);
    for (;;) {
        await(kio_join_next(&self->next, &self->set));
        if (!self->next.out)
            async_return();
        assert_int_equal(self->next.handle.out, 0);
    }
}

static void sleeps_on_every_worker_are_never_early(void **state)
{
    (void)state;
    run(nappers);
}

int main(void)
{
    const struct CMUnitTest paused[] = {
        S(a_sleep_until_now_or_before_is_over_at_once),
        S(a_sleep_is_done_when_a_poll_has_said_so),
        S(sleeps_from_a_nanosecond_to_a_century_are_exact_on_a_paused_clock),
        S(a_sleep_without_end_overflows_nothing_and_holds_up_nobody),
        S(a_sleep_can_be_reset_at_any_time_of_its_life),
        S(a_sleep_reset_to_the_past_wakes_and_is_over),
        S(a_timer_reset_a_million_times_grows_nothing_and_fires_once),
        S(a_reset_timer_leaves_its_new_slot_when_it_is_dropped),
        S(a_wake_may_drop_the_timers_that_fire_with_it),
        S(the_clock_moves_by_what_it_is_told_to_the_nanosecond),
        S(small_steps_add_up_to_a_timer),
        S(a_paused_clock_gives_the_same_times_each_run),
        S(any_task_may_stop_the_clock_and_stopping_twice_is_stopping_once),
    };
    const struct CMUnitTest real[] = {
        RT(a_thousand_sleeps_of_nothing_end),
        RT(a_sleep_of_nothing_is_over_at_its_first_poll),
        RT(a_sleep_whose_time_is_over_before_its_first_poll_is_over_with_that),
        RT(a_task_that_always_wakes_itself_starves_no_timer),
        RT(sleeps_on_every_worker_are_never_early),
    };
    int failed = cmocka_run_group_tests_name("paused", paused, NULL, NULL);

    rt_flavor = KIO_CURRENT_THREAD;
    failed += cmocka_run_group_tests_name("current_thread", real, NULL, NULL);
    rt_flavor = KIO_MULTI_THREAD;
    return failed + cmocka_run_group_tests_name("multi_thread", real, NULL, NULL);
}
