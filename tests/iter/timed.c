/* Async iterators with a clock, on a paused one: exact. include/kioto/iter.h */
#include "support/rt.h"

static int open_paused(void **state)
{
    (void)state;
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD,
                                                              .start_paused = true });
}

#define P(test) cmocka_unit_test_setup_teardown(test, open_paused, rt_close)

/* Values that come at given times (ms from the start). */
struct timetable {
    async_fn(int);
    struct kio_emitter *to;
    const int *at;
    int count;
    kio_instant start;
    int i;
    struct kio_sleep nap;
    struct kio_emit emit;
};

async(timetable)
{
    async_begin;
    for (self->i = 0; self->i < self->count; self->i++) {
        await(kio_sleep_until(&self->nap, self->start + self->at[self->i] * KIO_MS));
        await(kio_emit(&self->emit, self->to, &self->i));
    }
    async_return(0);
}

/* What came when: ms, and the value or -errno. */
static struct {
    int ms, value;
} seen[32];
static int seen_count;

static void saw(kio_instant start, int value)
{
    seen[seen_count].ms = (int)((kio_now() - start) / KIO_MS);
    seen[seen_count++].value = value;
}

static void assert_seen(int i, int ms, int value)
{
    assert_in_range(i, 0, seen_count - 1);
    assert_int_equal(seen[i].ms, ms);
    assert_int_equal(seen[i].value, value);
}

/* ---- interval ----------------------------------------------------------------------------- */

struct ticks {
    async_fn(void);
    kio_duration period;
    kio_instant start, tick;
    struct kio_iter_interval interval;
    struct kio_iter_take four;
    struct kio_iter_next next;
};

async(ticks)
{
    async_begin;
    seen_count = 0;
    self->start = kio_now();
    kio_iter_interval(&self->interval, self->period);
    kio_iter_take(&self->four, &self->interval, 4);
    for (;;) {
        await(kio_iter_next(&self->next, &self->four, &self->tick));
        saw(self->start, self->next.out == 1 ? (int)((self->tick - self->start) / KIO_MS)
                                             : self->next.out);
        if (!self->next.out)
            async_return();
    }
}

static void an_interval_ticks_from_now_on(void **state)
{
    (void)state;
    run(ticks, .period = 100 * KIO_MS);
    assert_int_equal(seen_count, 5);
    assert_seen(0, 0, 0);
    assert_seen(1, 100, 100);
    assert_seen(2, 200, 200);
    assert_seen(3, 300, 300);
    assert_seen(4, 300, 0);
}

static void an_interval_of_nothing_is_an_error_and_the_end(void **state)
{
    (void)state;
    run(ticks, .period = 0);
    assert_int_equal(seen_count, 2);
    assert_seen(0, 0, -EINVAL);
    assert_seen(1, 0, 0);
}

struct late {
    async_fn(void);
    kio_instant start, tick;
    struct kio_iter_interval interval;
    struct kio_iter_next next;
    struct kio_sleep busy;
    int i;
};

async(late)
{
    async_begin;
    seen_count = 0;
    self->start = kio_now();
    kio_iter_interval(&self->interval, 50 * KIO_MS);
    kio_interval_missed(kio_iter_interval_of(&self->interval), KIO_TICK_SKIP);
    for (self->i = 0; self->i < 4; self->i++) {
        await(kio_iter_next(&self->next, &self->interval, &self->tick));
        saw(self->start, (int)((self->tick - self->start) / KIO_MS));
        if (self->i == 0)
            await(kio_sleep(&self->busy, 175 * KIO_MS));
    }
    async_return();
}

static void the_ticks_of_an_interval_go_on_as_it_was_told(void **state)
{
    (void)state;
    run(late);
    assert_seen(0, 0, 0);
    assert_seen(1, 175, 50);
    assert_seen(2, 200, 200);
    assert_seen(3, 250, 250);
}

/* ---- throttle, timeout -------------------------------------------------------------------- */

struct paced {
    async_fn(void);
    const int *at;
    int count;
    bool throttled, repeats;
    kio_instant start;
    struct timetable body;
    struct kio_iter_generator values;
    struct kio_iter_throttle throttle;
    struct kio_iter_timeout timeout;
    struct kio_iter_next next;
    int value;
};

async(paced)
{
    async_begin;
    seen_count = 0;
    self->start = kio_now();
    kio_iter_generator(&self->values, sizeof(int), &self->body, timetable, .at = self->at,
                       .count = self->count, .start = self->start);
    if (self->throttled)
        kio_iter_throttle(&self->throttle, &self->values, 100 * KIO_MS);
    else if (self->repeats)
        kio_iter_timeout_repeating(&self->timeout, &self->values, 100 * KIO_MS);
    else
        kio_iter_timeout(&self->timeout, &self->values, 100 * KIO_MS);
    for (;;) {
        await(self->throttled ? kio_iter_next(&self->next, &self->throttle, &self->value)
                              : kio_iter_next(&self->next, &self->timeout, &self->value));
        if (!self->next.out)
            async_return();
        saw(self->start, self->next.out == 1 ? self->value : self->next.out);
    }
}

static void throttle_leaves_a_pause_after_each_item(void **state)
{
    static const int at[] = { 0, 10, 20, 500 };

    (void)state;
    run(paced, .at = at, .count = 4, .throttled = true);
    assert_int_equal(seen_count, 4);
    assert_seen(0, 0, 0);
    assert_seen(1, 100, 1);
    assert_seen(2, 200, 2);
    assert_seen(3, 500, 3);
}

static void timeout_tells_once_for_each_item_and_goes_on(void **state)
{
    static const int at[] = { 50, 400, 450 };

    (void)state;
    run(paced, .at = at, .count = 3);
    assert_int_equal(seen_count, 4);
    assert_seen(0, 50, 0);
    assert_seen(1, 150, -ETIMEDOUT);
    assert_seen(2, 400, 1);
    assert_seen(3, 450, 2);
}

static void each_late_item_has_a_timeout_of_its_own(void **state)
{
    static const int at[] = { 0, 200, 200, 400 };

    (void)state;
    run(paced, .at = at, .count = 4);
    assert_int_equal(seen_count, 6);
    assert_seen(0, 0, 0);
    assert_seen(1, 100, -ETIMEDOUT);
    assert_seen(2, 200, 1);
    assert_seen(3, 200, 2);
    assert_seen(4, 300, -ETIMEDOUT);
    assert_seen(5, 400, 3);
}

static void items_in_time_have_none(void **state)
{
    static const int at[] = { 0, 99, 198 };

    (void)state;
    run(paced, .at = at, .count = 3);
    assert_int_equal(seen_count, 3);
    assert_seen(2, 198, 2);
}

static void a_repeating_timeout_tells_again_and_again(void **state)
{
    static const int at[] = { 50, 400, 450 };

    (void)state;
    run(paced, .at = at, .count = 3, .repeats = true);
    assert_int_equal(seen_count, 6);
    assert_seen(0, 50, 0);
    assert_seen(1, 150, -ETIMEDOUT);
    assert_seen(2, 250, -ETIMEDOUT);
    assert_seen(3, 350, -ETIMEDOUT);
    assert_seen(4, 400, 1);
    assert_seen(5, 450, 2);
}

/* ---- chunks ------------------------------------------------------------------------------- */

struct batched {
    async_fn(void);
    const int *at;
    int count;
    kio_duration limit;
    kio_instant start;
    struct timetable body;
    struct kio_iter_generator values;
    struct kio_iter_chunks chunks;
    struct kio_iter_next next;
    int batch[3];
    size_t n;
};

async(batched)
{
    async_begin;
    seen_count = 0;
    self->start = kio_now();
    kio_iter_generator(&self->values, sizeof(int), &self->body, timetable, .at = self->at,
                       .count = self->count, .start = self->start);
    kio_iter_chunks(&self->chunks, &self->values, self->batch, 3, self->limit);
    for (;;) {
        await(kio_iter_next(&self->next, &self->chunks, &self->n));
        if (!self->next.out)
            async_return();
        saw(self->start, (int)self->n * 100 + self->batch[0]);
    }
}

static void a_batch_comes_when_it_is_full_or_its_time_is_over(void **state)
{
    static const int at[] = { 0, 10, 20, 30, 40, 300, 310 };

    (void)state;
    run(batched, .at = at, .count = 7, .limit = 100 * KIO_MS);
    assert_int_equal(seen_count, 3);
    assert_seen(0, 20, 300);  /* three, the first is 0 */
    assert_seen(1, 130, 203); /* two: 100 ms after the first of them */
    assert_seen(2, 310, 205); /* two: the source has ended */
}

static void without_a_limit_only_full_batches_and_the_last_come(void **state)
{
    static const int at[] = { 0, 10, 2000, 2010 };

    (void)state;
    run(batched, .at = at, .count = 4, .limit = KIO_FOREVER);
    assert_int_equal(seen_count, 2);
    assert_seen(0, 2000, 300);
    assert_seen(1, 2010, 103);
}

struct remainder {
    async_fn(void);
    kio_instant start;
    struct timetable body;
    struct kio_iter_generator values;
    struct kio_iter_chunks chunks;
    struct kio_iter_next next;
    struct kio_timeout limit;
    int batch[5];
    size_t n;
};

async(remainder)
{
    static const int at[] = { 0, 0, 0, 1000 };

    async_begin;
    self->start = kio_now();
    kio_iter_generator(&self->values, sizeof(int), &self->body, timetable, .at = at, .count = 4,
                       .start = self->start);
    kio_iter_chunks(&self->chunks, &self->values, self->batch, 5, 20 * KIO_MS);
    await(kio_timeout(&self->limit, 10 * KIO_MS,
                      kio_iter_next(&self->next, &self->chunks, &self->n)));
    assert_int_equal(self->limit.out, -ETIMEDOUT);
    assert_int_equal(kio_iter_chunks_gathered(&self->chunks), 3);
    assert_int_equal(self->batch[2], 2);
    await(kio_iter_next(&self->next, &self->chunks, &self->n));
    assert_int_equal(self->n, 3);
    assert_int_equal(kio_now() - self->start, 20 * KIO_MS);
    assert_int_equal(kio_iter_chunks_gathered(&self->chunks), 0);
    async_return();
}

static void what_is_gathered_stays_when_the_wait_is_dropped(void **state)
{
    (void)state;
    run(remainder);
}

/* ---- buffered on tasks' worth of time ----------------------------------------------------- */

struct slow {
    async_fn(int64_t);
    int64_t value;
    struct kio_sleep nap;
};

async(slow)
{
    async_begin;
    await(kio_sleep(&self->nap, (10 - self->value) * 100 * KIO_MS));
    async_return(self->value * 2);
}

static void start_slow(void *arg, const void *item, void *slot)
{
    int64_t value;

    (void)arg;
    memcpy(&value, item, sizeof value);
    async_call((struct slow *)slot, slow, .value = value);
}

struct parallel {
    async_fn(void);
    bool ordered;
    kio_instant start;
    struct kio_iter_range numbers;
    struct slow jobs[2];
    struct kio_iter_buffered results;
    struct kio_iter_next next;
    int64_t value;
};

async(parallel)
{
    async_begin;
    seen_count = 0;
    self->start = kio_now();
    kio_iter_range(&self->numbers, 1, 4);
    if (self->ordered)
        kio_iter_buffered(&self->results, &self->numbers, self->jobs, 2, start_slow, NULL);
    else
        kio_iter_buffer_unordered(&self->results, &self->numbers, self->jobs, 2, start_slow, NULL);
    for (;;) {
        await(kio_iter_next(&self->next, &self->results, &self->value));
        if (!self->next.out)
            async_return();
        saw(self->start, (int)self->value);
    }
}

static void two_are_in_flight_at_once(void **state)
{
    (void)state;
    run(parallel, .ordered = false); /* 1 takes 900 ms, 2 takes 800, 3 takes 700 */
    assert_int_equal(seen_count, 3);
    assert_seen(0, 800, 4);
    assert_seen(1, 900, 2);
    assert_seen(2, 1500, 6);
    run(parallel, .ordered = true); /* 3 begins when the first result was given */
    assert_int_equal(seen_count, 3);
    assert_seen(0, 900, 2);
    assert_seen(1, 900, 4);
    assert_seen(2, 1600, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        P(an_interval_ticks_from_now_on),
        P(an_interval_of_nothing_is_an_error_and_the_end),
        P(the_ticks_of_an_interval_go_on_as_it_was_told),
        P(throttle_leaves_a_pause_after_each_item),
        P(timeout_tells_once_for_each_item_and_goes_on),
        P(each_late_item_has_a_timeout_of_its_own),
        P(items_in_time_have_none),
        P(a_repeating_timeout_tells_again_and_again),
        P(a_batch_comes_when_it_is_full_or_its_time_is_over),
        P(without_a_limit_only_full_batches_and_the_last_come),
        P(what_is_gathered_stays_when_the_wait_is_dropped),
        P(two_are_in_flight_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
