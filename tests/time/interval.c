/* Intervals on a paused clock, polled by hand: late ticks, resets. TOKIO.md I1, I2, and the table of 2.11. */
#include "support/paused.h"

static struct little l;
static struct kio_interval every;
static struct kio_tick tick;
static kio_instant start;

#define WAITS (-1000)

/* The next tick in ms from the start; the future that waits stays from poll to poll. */
static int ticks(void)
{
    if (!kio_is_live(&tick))
        kio_tick(&tick, &every);
    (void)woken_since(&l);
    return poll_once(&l, &tick) == KIO_PENDING ? WAITS : (int)((tick.out - start) / KIO_MS);
}

static void begin(kio_duration period)
{
    start = kio_now();
    assert_int_equal(kio_interval(&every, period), 0);
}

static int open_ticks(void **state)
{
    little_init(&l);
    return open_paused(state);
}

static int close_ticks(void **state)
{
    kio_drop(&tick);
    return rt_close(state);
}

#define I(test) cmocka_unit_test_setup_teardown(test, open_ticks, close_ticks)

/* ---- late ------------------------------------------------------------------------------------ */

STORY(bursts)
{
    async_begin;
    begin(300 * KIO_MS);
    assert_int_equal(ticks(), 0);
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(100));
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(200));
    assert_true(woken_since(&l));
    assert_int_equal(ticks(), 300);
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(650)); /* 950 */
    assert_int_equal(ticks(), 600);
    assert_int_equal(ticks(), 900);
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(200));
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(100));
    assert_int_equal(ticks(), 1200);
    await(advance_ms(250));
    assert_int_equal(ticks(), 1500);
    await(advance_ms(300));
    assert_int_equal(ticks(), 1800);
    assert_int_equal(ticks(), WAITS);
    async_return();
}

static void burst_gives_every_tick_that_was_missed(void **state)
{
    tell(bursts);
}

STORY(delays)
{
    async_begin;
    begin(300 * KIO_MS);
    kio_interval_missed(&every, KIO_TICK_DELAY);
    assert_int_equal(ticks(), 0);
    await(advance_ms(100));
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(200));
    assert_int_equal(ticks(), 300);
    await(advance_ms(650)); /* 950 */
    assert_int_equal(ticks(), 600);
    await(advance_ms(100));
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(200));
    assert_int_equal(ticks(), 1250); /* a period after the late one was seen */
    await(advance_ms(300));
    assert_int_equal(ticks(), 1550);
    await(advance_ms(300));
    assert_int_equal(ticks(), 1850);
    assert_int_equal(ticks(), WAITS);
    async_return();
}

static void delay_counts_on_from_the_late_tick(void **state)
{
    tell(delays);
}

STORY(skips)
{
    async_begin;
    begin(300 * KIO_MS);
    kio_interval_missed(&every, KIO_TICK_SKIP);
    assert_int_equal(ticks(), 0);
    await(advance_ms(100));
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(200));
    assert_int_equal(ticks(), 300);
    await(advance_ms(650)); /* 950: 900 is left out */
    assert_int_equal(ticks(), 600);
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(250));
    assert_int_equal(ticks(), 1200);
    await(advance_ms(300));
    assert_int_equal(ticks(), 1500);
    await(advance_ms(300));
    assert_int_equal(ticks(), 1800);
    assert_int_equal(ticks(), WAITS);
    async_return();
}

static void skip_leaves_out_what_was_missed(void **state)
{
    tell(skips);
}

/* Period 50, one tick, busy until 175: when the next five are seen. */
static int seen[3][5];

struct busy {
    async_fn(void);
    enum kio_missed_tick missed;
    struct kio_interval every;
    struct kio_tick tick;
    struct kio_time_advance by;
    kio_instant start;
    int i;
};

async(busy)
{
    async_begin;
    self->start = kio_now();
    assert_int_equal(kio_interval(&self->every, 50 * KIO_MS), 0);
    kio_interval_missed(&self->every, self->missed);
    await(kio_tick(&self->tick, &self->every));
    await(advance_ms(175));
    for (self->i = 0; self->i < 5; self->i++) {
        await(kio_tick(&self->tick, &self->every));
        seen[self->missed][self->i] = passed_ms();
    }
    async_return();
}

static void the_table_of_late_ticks(void **state)
{
    static const int want[3][5] = {
        [KIO_TICK_BURST] = { 175, 175, 175, 200, 250 },
        [KIO_TICK_DELAY] = { 175, 225, 275, 325, 375 },
        [KIO_TICK_SKIP] = { 175, 200, 250, 300, 350 },
    };

    (void)state;
    for (int how = 0; how < 3; how++)
        run(busy, .missed = how);
    assert_memory_equal(seen, want, sizeof want);
}

STORY(jitter)
{
    async_begin;
    for (self->i = KIO_TICK_BURST; self->i <= KIO_TICK_SKIP; self->i++) {
        kio_drop(&tick);
        begin(50 * KIO_MS);
        kio_interval_missed(&every, self->i);
        assert_int_equal(ticks(), 0);
        await(advance_ms(55)); /* 5 ms late is no missed tick */
        assert_int_equal(ticks(), 50);
        assert_int_equal(ticks(), WAITS);
        await(advance_ms(45));
        assert_int_equal(ticks(), 100);
    }
    async_return();
}

static void five_milliseconds_are_not_late(void **state)
{
    tell(jitter);
}

/* ---- resets ---------------------------------------------------------------------------------- */

/* To 400 ms, with ticks at 0 and 300 and one that waits. */
#define UP_TO_400                                                                                  \
    begin(300 * KIO_MS);                                                                           \
    assert_int_equal(ticks(), 0);                                                                  \
    await(advance_ms(100));                                                                        \
    assert_int_equal(ticks(), WAITS);                                                              \
    await(advance_ms(200));                                                                        \
    assert_int_equal(ticks(), 300);                                                                \
    await(advance_ms(100));                                                                        \
    assert_int_equal(ticks(), WAITS)

STORY(resets)
{
    async_begin;
    UP_TO_400;
    kio_interval_reset(&every);
    await(advance_ms(250)); /* 650: the old time is over */
    assert_false(woken_since(&l));
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(50));
    assert_true(woken_since(&l));
    assert_int_equal(ticks(), 700);
    await(advance_ms(300));
    assert_int_equal(ticks(), 1000);
    assert_int_equal(ticks(), WAITS);
    async_return();
}

static void a_reset_moves_the_tick_that_waits_a_period_away(void **state)
{
    tell(resets);
}

STORY(immediately)
{
    async_begin;
    UP_TO_400;
    kio_interval_reset_immediately(&every);
    assert_true(woken_since(&l));
    assert_int_equal(ticks(), 400);
    await(advance_ms(100));
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(200));
    assert_int_equal(ticks(), 700);
    async_return();
}

static void a_reset_to_now_wakes_and_ticks_at_once(void **state)
{
    tell(immediately);
}

STORY(reset_after)
{
    async_begin;
    UP_TO_400;
    kio_interval_reset_after(&every, 20 * KIO_MS);
    await(advance_ms(20));
    assert_true(woken_since(&l));
    assert_int_equal(ticks(), 420);
    await(advance_ms(100));
    assert_int_equal(ticks(), WAITS);
    await(advance_ms(200));
    assert_int_equal(ticks(), 720);
    kio_interval_reset_after(&every, INT64_MAX); /* far */
    await(advance_ms(1000));
    assert_int_equal(ticks(), WAITS);
    async_return();
}

static void a_reset_after_a_while_ticks_then(void **state)
{
    tell(reset_after);
}

STORY(reset_at)
{
    async_begin;
    UP_TO_400;
    kio_interval_reset_at(&every, start + 440 * KIO_MS);
    await(advance_ms(40));
    assert_true(woken_since(&l));
    assert_int_equal(ticks(), 440);
    await(advance_ms(300));
    assert_int_equal(ticks(), 740);
    /* further away than a period */
    kio_interval_reset_at(&every, start + 1740 * KIO_MS);
    for (self->i = 0; self->i < 3; self->i++) {
        await(advance_ms(300));
        assert_int_equal(ticks(), WAITS);
    }
    await(advance_ms(100));
    assert_int_equal(ticks(), 1740);
    await(advance_ms(300));
    assert_int_equal(ticks(), 2040);
    async_return();
}

static void a_reset_to_an_instant_ticks_then_near_or_far(void **state)
{
    tell(reset_at);
}

/* ---- the rest -------------------------------------------------------------------------------- */

STORY(ends)
{
    async_begin;
    assert_int_equal(kio_interval(&every, 0), -EINVAL);
    assert_int_equal(kio_interval_at(&every, kio_now(), 0), -EINVAL);
    assert_int_equal(kio_interval_at(&every, kio_now(), -1), -EINVAL);
    for (self->i = KIO_TICK_BURST; self->i <= KIO_TICK_SKIP; self->i++) {
        kio_drop(&tick);
        begin(INT64_MAX);
        kio_interval_missed(&every, self->i);
        assert_int_equal(ticks(), 0);
        assert_int_equal(ticks(), WAITS);
        kio_interval_reset(&every);
        assert_int_equal(ticks(), WAITS);
        /* and the other end: the first tick was due before the clock's beginning */
        kio_drop(&tick);
        assert_int_equal(kio_interval_at(&every, INT64_MIN, 300), 0);
        kio_interval_missed(&every, self->i);
        kio_tick(&tick, &every);
        assert_int_equal(poll_once(&l, &tick), KIO_READY);
        assert_true(tick.out == INT64_MIN);
    }
    assert_int_equal(kio_interval_period(&every), 300);
    async_return();
}

static void periods_and_instants_at_the_ends_of_the_clock_are_fine(void **state)
{
    tell(ends);
}

STORY(dropped)
{
    async_begin;
    begin(100 * KIO_MS);
    assert_int_equal(ticks(), 0);
    assert_int_equal(ticks(), WAITS);
    kio_drop(&tick);
    kio_interval_reset_immediately(&every); /* nobody waits any more */
    assert_false(woken_since(&l));
    kio_interval_reset_at(&every, start + 100 * KIO_MS);
    assert_int_equal(ticks(), WAITS);
    kio_drop(&tick);
    await(advance_ms(100));
    assert_int_equal(ticks(), 100); /* the dropped ones used nothing up */
    async_return();
}

static void a_dropped_tick_uses_nothing_up(void **state)
{
    tell(dropped);
}

/* An interval inside an iterator by hand that answers "nothing yet" after a tick: it is polled again when it
 * woke itself, and only then. */
struct fourth {
    KIO_ITER;
    struct kio_interval every;
    struct kio_tick tick;
    bool wakes_itself;
    int count, calls;
};

static int fourth_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct fourth *self = (struct fourth *)iter;

    self->calls++;
    if (self->count >= 12)
        return 0;
    if (!kio_is_live(&self->tick))
        kio_adopt_(&iter->kio, &kio_tick(&self->tick, &self->every)->kio);
    if (kio_future_poll(&self->tick.kio, cx) == KIO_PENDING)
        return KIO_ITER_WAITS;
    if (++self->count % 4) {
        if (self->wakes_itself)
            kio_waker_wake_by_ref(cx->waker);
        return KIO_ITER_WAITS;
    }
    memcpy(item, &self->count, sizeof self->count);
    return 1;
}

static KIO_ITER_TYPE(fourth_type, fourth, fourth_next);

struct counts {
    async_fn(int);
    bool wakes_itself;
    struct fourth values;
    struct kio_iter_next next;
    struct kio_timeout limit;
    int value, sum;
};

async(counts)
{
    async_begin;
    kio_iter_init(&self->values, &fourth_type, sizeof(int));
    assert_int_equal(kio_interval(&self->values.every, 10 * KIO_MS), 0);
    self->values.wakes_itself = self->wakes_itself;
    do {
        await(kio_timeout(&self->limit, 150 * KIO_MS,
                          kio_iter_next(&self->next, &self->values, &self->value)));
        if (self->limit.out == 0 && self->next.out == 1)
            self->sum += self->value;
    } while (self->limit.out == 0 && self->next.out == 1);
    async_return(self->sum);
}

static void a_tick_that_is_ready_leaves_no_waker(void **state)
{
    (void)state;
    assert_int_equal(run(counts, .wakes_itself = true), 4 + 8 + 12);
    assert_int_equal(run(counts, .wakes_itself = false), 0);
}

/* ---- under load -------------------------------------------------------------------------------- */

/* Holds its worker for 2 ms at a time, until it is told. */
struct hog {
    async_fn(void);
    ki_atomic(int) *stop;
    kio_instant until;
    struct kio_yield y;
};

async(hog)
{
    async_begin;
    while (!ki_load_seq_cst(self->stop)) {
        self->until = kio_now() + 2 * KIO_MS;
        while (kio_now() < self->until)
            ;
        await(kio_yield_now(&self->y));
    }
    async_return();
}

struct loaded {
    async_fn(void);
    ki_atomic(int) stop;
    struct kio_join_handle hogs[3];
    struct kio_interval every;
    struct kio_tick tick;
    kio_instant start;
    int i, seen;
};

async(loaded)
{
    async_begin;
    for (self->i = 0; self->i < 3; self->i++)
        kio_spawn(&self->hogs[self->i], hog, .stop = &self->stop);
    self->start = kio_now();
    assert_int_equal(kio_interval_at(&self->every, self->start, KIO_MS), 0);
    for (self->seen = 0; self->seen < 40; self->seen++) {
        await(kio_tick(&self->tick, &self->every));
        assert_int_equal(self->tick.out - self->start, self->seen * KIO_MS); /* none is lost */
        assert_true(kio_now() >= self->tick.out);                            /* none is early */
    }
    ki_store_seq_cst(&self->stop, 1);
    for (self->i = 0; self->i < 3; self->i++)
        await(&self->hogs[self->i]);
    async_return();
}

static void ticks_under_load_are_never_early_and_none_is_lost(void **state)
{
    (void)state;
    run(loaded);
}

int main(void)
{
    const struct CMUnitTest real[] = { RT(ticks_under_load_are_never_early_and_none_is_lost) };
    int failed;
    const struct CMUnitTest tests[] = {
        I(burst_gives_every_tick_that_was_missed),
        I(delay_counts_on_from_the_late_tick),
        I(skip_leaves_out_what_was_missed),
        I(the_table_of_late_ticks),
        I(five_milliseconds_are_not_late),
        I(a_reset_moves_the_tick_that_waits_a_period_away),
        I(a_reset_to_now_wakes_and_ticks_at_once),
        I(a_reset_after_a_while_ticks_then),
        I(a_reset_to_an_instant_ticks_then_near_or_far),
        I(periods_and_instants_at_the_ends_of_the_clock_are_fine),
        I(a_dropped_tick_uses_nothing_up),
        I(a_tick_that_is_ready_leaves_no_waker),
    };

    failed = cmocka_run_group_tests_name("paused", tests, NULL, NULL);
    rt_flavor = KIO_CURRENT_THREAD;
    failed += cmocka_run_group_tests_name("current_thread", real, NULL, NULL);
    rt_flavor = KIO_MULTI_THREAD;
    return failed + cmocka_run_group_tests_name("multi_thread", real, NULL, NULL);
}
