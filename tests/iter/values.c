/* Async iterators without a clock, under an executor of ten lines. include/kioto/iter.h */
#include "support/iters.h"

static void an_array_gives_its_items_and_ends_for_good(void **state)
{
    static const int items[] = { 3, 1, 2 };
    static struct kio_iter_array a;

    (void)state;
    kio_iter_array(&a, items, 3);
    assert_int_equal(nexti(&a), 3);
    assert_int_equal(nexti(&a), 1);
    assert_int_equal(nexti(&a), 2);
    assert_int_equal(nexti(&a), END);
    assert_int_equal(nexti(&a), END);
    kio_drop(&a);
}

/* ---- by hand ------------------------------------------------------------------------------ */

/* Counts down; says -EIO at 5; waits at each odd number until it is told. */
struct countdown {
    KIO_ITER;
    int at;
    bool told;
    int calls, drops;
    kio_waker waker;
};

static int countdown_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct countdown *self = (struct countdown *)iter;

    self->calls++;
    if (self->at == 0)
        return 0;
    if (self->at % 2 && !self->told) {
        self->waker = cx->waker;
        return KIO_ITER_WAITS;
    }
    self->told = false;
    if (self->at == 5) {
        self->at--;
        return -EIO;
    }
    memcpy(item, &self->at, sizeof self->at);
    self->at--;
    return 1;
}

static void countdown_drop(kio_future *f)
{
    ((struct countdown *)f)->drops++;
}

static KIO_ITER_TYPE(countdown_type, countdown, countdown_next, countdown_drop);

static struct countdown *countdown(struct countdown *slot, int from)
{
    kio_iter_init(slot, &countdown_type, sizeof(int));
    slot->at = from;
    slot->told = false;
    slot->calls = 0;
    return slot;
}

static void tell(struct countdown *c)
{
    c->told = true;
    kio_waker_wake_by_ref(c->waker);
}

static void an_iterator_by_hand_waits_fails_goes_on_and_ends(void **state)
{
    static struct countdown c;

    (void)state;
    countdown(&c, 6);
    assert_int_equal(nexti(&c), 6);
    assert_int_equal(nexti(&c), WAITS);
    tell(&c);
    assert_int_equal(nexti(&c), -EIO);
    assert_int_equal(nexti(&c), 4);
    assert_int_equal(nexti(&c), WAITS);
    tell(&c);
    assert_int_equal(nexti(&c), 3);
    assert_int_equal(nexti(&c), 2);
    tell(&c);
    assert_int_equal(nexti(&c), 1);
    assert_int_equal(nexti(&c), END);
    assert_int_equal(c.calls, 9);
    assert_int_equal(nexti(&c), END);
    assert_int_equal(c.calls, 9); /* not asked again after its end */
    kio_drop(&c);
    assert_int_equal(c.drops, 1);
}

static void a_dropped_next_takes_nothing(void **state)
{
    static struct countdown c;

    (void)state;
    countdown(&c, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(nexti(&c), WAITS); /* each drops its future */
    tell(&c);
    assert_int_equal(nexti(&c), 3);
    kio_drop(&c);
}

static void adapters_own_their_sources(void **state)
{
    static struct countdown a, b;
    static struct kio_iter_chain both;
    static struct kio_iter_take three;

    (void)state;
    a.drops = b.drops = 0;
    countdown(&a, 2);
    countdown(&b, 2);
    kio_iter_chain(&both, &a, &b);
    kio_iter_take(&three, &both, 3);
    assert_int_equal(nexti(&three), 2);
    kio_drop(&three);
    assert_int_equal(a.drops, 1);
    assert_int_equal(b.drops, 1);
    assert_false(kio_is_live(&both));
    kio_drop(&three); /* nothing more */
    assert_int_equal(a.drops, 1);
}

/* An async function owns the outermost iterator in its struct. */
struct owner {
    async_fn(int);
    struct countdown c;
    struct kio_iter_take two;
    struct kio_iter_next next;
    int item, sum;
};

async(owner)
{
    async_begin;
    countdown(&self->c, 4);
    kio_iter_take(&self->two, &self->c, 5);
    for (;;) {
        await(kio_iter_next(&self->next, &self->two, &self->item));
        if (self->next.out <= 0)
            async_return(self->sum);
        self->sum += self->item;
    }
}

static void an_async_function_that_is_dropped_drops_its_iterators(void **state)
{
    static struct owner o;

    (void)state;
    async_call(&o, owner);
    assert_int_equal(run_until_stalled(&l, &o), KIO_PENDING);
    assert_int_equal(o.sum, 4);
    kio_drop(&o);
    assert_int_equal(o.c.drops, 1);
}

/* ---- adapters ----------------------------------------------------------------------------- */

static void square(void *arg, const void *in, void *out)
{
    int64_t x;

    memcpy(&x, in, sizeof x);
    *(int *)out = (int)(x * x);
    ++*(int *)arg;
}

static bool even(void *arg, const void *item)
{
    (void)arg;
    return *(const int64_t *)item % 2 == 0;
}

static bool below(void *arg, const void *item)
{
    return *(const int64_t *)item < *(const int64_t *)arg;
}

static void map_filter_skip_and_take_compose(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_filter evens;
    static struct kio_iter_skip skipped;
    static struct kio_iter_take taken;
    static struct kio_iter_map squares;
    static int mapped;

    (void)state;
    mapped = 0;
    kio_iter_range(&r, 0, INT64_MAX);
    kio_iter_filter(&evens, &r, even, NULL);
    kio_iter_skip(&skipped, &evens, 2);
    kio_iter_take(&taken, &skipped, 3);
    kio_iter_map(&squares, &taken, sizeof(int), square, &mapped);
    assert_int_equal(nexti(&squares), 16);
    assert_int_equal(nexti(&squares), 36);
    assert_int_equal(nexti(&squares), 64);
    assert_int_equal(nexti(&squares), END);
    assert_int_equal(mapped, 3);
    assert_int_equal(r.at, 9); /* the tenth was not asked for */
    kio_drop(&squares);
}

static void take_while_ends_at_the_first_it_does_not_keep(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_take_while few;
    static const int64_t limit = 12;

    (void)state;
    kio_iter_range(&r, 10, 100);
    kio_iter_take_while(&few, &r, below, (void *)&limit);
    assert_int_equal(next64(&few), 10);
    assert_int_equal(next64(&few), 11);
    assert_int_equal(next64(&few), END);
    assert_int_equal(next64(&few), END);
    kio_drop(&few);
}

static void merge_takes_turns_and_ends_with_the_last(void **state)
{
    static struct kio_iter_range a, b;
    static struct kio_iter_merge m;
    int64_t got[5];

    (void)state;
    kio_iter_range(&a, 0, 2);
    kio_iter_range(&b, 10, 13);
    kio_iter_merge(&m, &a, &b);
    for (int i = 0; i < 5; i++)
        got[i] = next64(&m);
    assert_int_equal(got[0], 0);
    assert_int_equal(got[1], 10);
    assert_int_equal(got[2], 1);
    assert_int_equal(got[3], 11);
    assert_int_equal(got[4], 12);
    assert_int_equal(next64(&m), END);
    kio_drop(&m);
}

static void merge_goes_on_with_one_while_the_other_waits(void **state)
{
    static struct countdown waits, c;
    static struct kio_iter_merge m;

    (void)state;
    countdown(&waits, 1);
    countdown(&c, 2);
    kio_iter_merge(&m, &waits, &c);
    assert_int_equal(nexti(&m), 2);
    assert_int_equal(nexti(&m), WAITS);
    tell(&waits);
    assert_int_equal(nexti(&m), 1);
    tell(&c);
    assert_int_equal(nexti(&m), 1);
    assert_int_equal(nexti(&m), END);
    kio_drop(&m);
}

/* ---- channels ----------------------------------------------------------------------------- */

static void a_receiver_is_an_iterator_until_it_is_closed_and_drained(void **state)
{
    static struct kio_tx tx;
    static struct kio_rx rx;
    static struct kio_iter_rx it;
    int v = 5;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof v, 4), 0);
    kio_iter_rx(&it, &rx);
    assert_int_equal(nexti(&it), WAITS);
    assert_int_equal(kio_try_send(&tx, &v), 0);
    assert_int_equal(ki_load_relaxed(&l.wakes), 1); /* the receive is the iterator's: it still waits */
    v = 6;
    assert_int_equal(kio_try_send(&tx, &v), 0);
    assert_int_equal(nexti(&it), 5);
    kio_tx_drop(&tx);
    assert_int_equal(nexti(&it), 6);
    assert_int_equal(nexti(&it), END);
    kio_drop(&it);
    kio_rx_drop(&rx);
}

static void a_broadcast_receiver_says_where_messages_were_missed(void **state)
{
    static struct kio_broadcast_tx tx;
    static struct kio_broadcast_rx rx;
    static struct kio_iter_broadcast it;

    (void)state;
    assert_int_equal(kio_broadcast_channel(&tx, &rx, sizeof(int), 2), 0);
    kio_iter_broadcast(&it, &rx, sizeof(int));
    for (int v = 1; v <= 4; v++)
        kio_broadcast_send(&tx, &v);
    assert_int_equal(nexti(&it), -EOVERFLOW);
    assert_int_equal(nexti(&it), 3);
    assert_int_equal(nexti(&it), 4);
    assert_int_equal(nexti(&it), WAITS);
    kio_broadcast_tx_drop(&tx);
    assert_int_equal(nexti(&it), END);
    kio_drop(&it);
    kio_broadcast_rx_drop(&rx);
}

static void a_watch_receiver_gives_the_value_now_and_then_the_latest(void **state)
{
    static struct kio_watch_tx tx;
    static struct kio_watch_rx rx;
    static struct kio_iter_watch it;
    int v = 1;

    (void)state;
    assert_int_equal(kio_watch_channel(&tx, &rx, sizeof v, &v), 0);
    kio_iter_watch(&it, &rx, sizeof v);
    assert_int_equal(nexti(&it), 1);
    assert_int_equal(nexti(&it), WAITS);
    v = 2;
    kio_watch_send(&tx, &v);
    v = 3;
    kio_watch_send(&tx, &v);
    assert_int_equal(nexti(&it), 3);
    kio_watch_tx_drop(&tx);
    assert_int_equal(nexti(&it), END);
    kio_drop(&it);
    kio_watch_rx_drop(&rx);
}

static void watch_changes_begins_with_what_is_new(void **state)
{
    static struct kio_watch_tx tx;
    static struct kio_watch_rx rx;
    static struct kio_iter_watch it;
    int v = 1;

    (void)state;
    assert_int_equal(kio_watch_channel(&tx, &rx, sizeof v, &v), 0);
    kio_iter_watch_changes(&it, &rx, sizeof v);
    assert_int_equal(nexti(&it), WAITS);
    v = 2;
    kio_watch_send(&tx, &v);
    assert_int_equal(nexti(&it), 2);
    kio_watch_send(&tx, &v);
    kio_watch_tx_drop(&tx);
    assert_int_equal(nexti(&it), 2); /* the last value comes, once, then the end */
    assert_int_equal(nexti(&it), END);
    kio_drop(&it);
    kio_watch_rx_drop(&rx);
}

/* ---- generators --------------------------------------------------------------------------- */

static int generator_drops;

struct fibonacci {
    async_fn(int);
    struct kio_emitter *to;
    int count;
    int error;

    int a, b;
    struct kio_emit emit;
};

static void fibonacci_drop(struct fibonacci *self)
{
    (void)self;
    generator_drops++;
}

async(fibonacci, fibonacci_drop)
{
    async_begin;
    for (self->b = 1; self->count > 0; self->count--) {
        await(kio_emit(&self->emit, self->to, &self->b));
        int sum = self->a + self->b;
        self->a = self->b;
        self->b = sum;
    }
    async_return(self->error);
}

static void a_generator_emits_and_ends_with_its_result(void **state)
{
    static struct kio_iter_generator g;
    static struct fibonacci body;

    (void)state;
    generator_drops = 0;
    kio_iter_generator(&g, sizeof(int), &body, fibonacci, .count = 5, .error = -EIO);
    assert_int_equal(nexti(&g), 1);
    assert_int_equal(nexti(&g), 1);
    assert_int_equal(nexti(&g), 2);
    assert_int_equal(nexti(&g), 3);
    assert_int_equal(nexti(&g), 5);
    assert_int_equal(nexti(&g), -EIO);
    assert_int_equal(nexti(&g), END);
    assert_int_equal(generator_drops, 1);
    kio_drop(&g);
    assert_int_equal(generator_drops, 1);
}

static void a_generator_dropped_half_way_is_destroyed_once(void **state)
{
    static struct kio_iter_generator g;
    static struct fibonacci body;

    (void)state;
    generator_drops = 0;
    kio_iter_generator(&g, sizeof(int), &body, fibonacci, .count = 5);
    assert_int_equal(nexti(&g), 1);
    kio_drop(&g);
    assert_int_equal(generator_drops, 1);
    kio_iter_generator(&g, sizeof(int), &body, fibonacci, .count = 5); /* never started */
    kio_drop(&g);
    assert_int_equal(generator_drops, 2);
}

/* Two emits in one poll: neither is lost. */
struct pair {
    async_fn(int);
    struct kio_emitter *to;
    int x, y;
    struct kio_emit first, second;
    struct kio_join both;
};

async(pair)
{
    async_begin;
    self->x = 1;
    self->y = 2;
    await(kio_join(&self->both, kio_emit(&self->first, self->to, &self->x),
                   kio_emit(&self->second, self->to, &self->y)));
    async_return(0);
}

static void emits_side_by_side_are_given_one_after_the_other(void **state)
{
    static struct kio_iter_generator g;
    static struct pair body;
    int64_t sum = 0;

    (void)state;
    kio_iter_generator(&g, sizeof(int), &body, pair);
    sum += nexti(&g);
    sum += nexti(&g);
    assert_int_equal(sum, 3);
    assert_int_equal(nexti(&g), END);
    kio_drop(&g);
}

/* ---- collect ------------------------------------------------------------------------------ */

static void collect_stops_at_its_room_and_says_how_many_came_before_an_error(void **state)
{
    static struct kio_iter_range r;
    static struct countdown c;
    static struct kio_iter_collect all;
    static int64_t numbers[4];
    static int few[4];

    (void)state;
    kio_iter_range(&r, 0, 6);
    assert_int_equal(poll_once(&l, kio_iter_collect(&all, &r, numbers, 4)), KIO_READY);
    assert_int_equal(all.out, 4);
    assert_int_equal(numbers[3], 3);
    assert_int_equal(poll_once(&l, kio_iter_collect(&all, &r, numbers, 4)), KIO_READY);
    assert_int_equal(all.out, 2);
    assert_int_equal(numbers[1], 5);
    kio_drop(&r);
    countdown(&c, 6);
    assert_int_equal(poll_once(&l, kio_iter_collect(&all, &c, few, 4)), KIO_PENDING);
    tell(&c);
    assert_int_equal(run_until_stalled(&l, &all), KIO_READY);
    assert_int_equal(all.out, -EIO);
    assert_int_equal(kio_iter_collected(&all), 1);
    assert_int_equal(few[0], 6);
    kio_drop(&c);
}

/* ---- buffered ----------------------------------------------------------------------------- */

static struct leaf jobs[3];

static void start_leaf(void *arg, const void *item, void *slot)
{
    int64_t value;

    ++*(int *)arg;
    memcpy(&value, item, sizeof value);
    leaf(slot, (int)value);
}

static void buffered_keeps_the_order_and_no_more_than_its_slots_in_flight(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_buffered b;
    static int started;

    (void)state;
    started = 0;
    memset(jobs, 0, sizeof jobs);
    kio_iter_range(&r, 100, 105);
    kio_iter_buffered(&b, &r, jobs, 3, start_leaf, &started);
    assert_int_equal(nexti(&b), WAITS);
    assert_int_equal(started, 3);
    leaf_tell(&jobs[1]);
    leaf_tell(&jobs[2]);
    assert_int_equal(nexti(&b), WAITS); /* the first is not done */
    leaf_tell(&jobs[0]);
    assert_int_equal(nexti(&b), 100);
    assert_int_equal(started, 3);
    assert_int_equal(nexti(&b), 101); /* slot 0 is used again meanwhile */
    assert_int_equal(started, 4);
    assert_int_equal(nexti(&b), 102);
    assert_int_equal(started, 5);
    leaf_tell(&jobs[1]);
    assert_int_equal(nexti(&b), WAITS);
    leaf_tell(&jobs[0]);
    assert_int_equal(nexti(&b), 103);
    assert_int_equal(nexti(&b), 104);
    assert_int_equal(nexti(&b), END);
    kio_drop(&b);
}

static void buffer_unordered_gives_them_as_they_end(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_buffered b;
    static int started;

    (void)state;
    started = 0;
    memset(jobs, 0, sizeof jobs);
    kio_iter_range(&r, 100, 105);
    kio_iter_buffer_unordered(&b, &r, jobs, 3, start_leaf, &started);
    assert_int_equal(nexti(&b), WAITS);
    leaf_tell(&jobs[2]);
    assert_int_equal(nexti(&b), 102);
    leaf_tell(&jobs[1]);
    assert_int_equal(nexti(&b), 101);
    assert_int_equal(started, 4);
    assert_int_equal(nexti(&b), WAITS);
    assert_int_equal(started, 5);
    for (int i = 0; i < 3; i++)
        leaf_tell(&jobs[i]);
    assert_int_equal(nexti(&b) + nexti(&b) + nexti(&b), 100 + 103 + 104);
    assert_int_equal(nexti(&b), END);
    kio_drop(&b);
}

static void a_wake_polls_the_job_that_woke(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_buffered b;
    static int started;

    (void)state;
    memset(jobs, 0, sizeof jobs);
    kio_iter_range(&r, 0, 3);
    kio_iter_buffer_unordered(&b, &r, jobs, 3, start_leaf, &started);
    assert_int_equal(nexti(&b), WAITS);
    leaf_tell(&jobs[1]);
    assert_int_equal(nexti(&b), 1);
    assert_int_equal(jobs[0].polls, 1);
    assert_int_equal(jobs[1].polls, 2);
    assert_int_equal(jobs[2].polls, 1);
    kio_drop(&b);
    assert_int_equal(leaves_drops(jobs, 3), 3);
}

static void what_is_in_flight_is_dropped_with_the_iterator(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_buffered b;
    static int started;

    (void)state;
    memset(jobs, 0, sizeof jobs);
    kio_iter_range(&r, 0, 10);
    kio_iter_buffered(&b, &r, jobs, 3, start_leaf, &started);
    assert_int_equal(nexti(&b), WAITS);
    leaf_tell(&jobs[2]);
    assert_int_equal(nexti(&b), WAITS);
    kio_drop(&b);
    assert_int_equal(leaves_drops(jobs, 3), 3);
}

static void a_job_without_memory_is_an_error_and_the_rest_goes_on(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_buffered b;
    static int started;

    (void)state;
    memset(jobs, 0, sizeof jobs);
    kio_iter_range(&r, 0, 2);
    kio_iter_buffered(&b, &r, jobs, 3, start_leaf, &started);
    ki_mem_fail_at(1);
    assert_int_equal(nexti(&b), -ENOMEM);
    ki_mem_fail_at(0);
    assert_int_equal(nexti(&b), WAITS);
    leaf_tell(&jobs[0]);
    assert_int_equal(nexti(&b), 1);
    assert_int_equal(nexti(&b), END);
    kio_drop(&b);
}

/* Wake nodes are pooled: the first ones stay allocated. */
static int warm_up(void **state)
{
    static struct leaf one;
    static struct kio_future_set set;

    (void)state;
    if (kio_future_set_push(&set, leaf(&one, 0)))
        return -1;
    kio_drop(&set);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_array_gives_its_items_and_ends_for_good),
        T(an_iterator_by_hand_waits_fails_goes_on_and_ends),
        T(a_dropped_next_takes_nothing),
        T(adapters_own_their_sources),
        T(an_async_function_that_is_dropped_drops_its_iterators),
        T(map_filter_skip_and_take_compose),
        T(take_while_ends_at_the_first_it_does_not_keep),
        T(merge_takes_turns_and_ends_with_the_last),
        T(merge_goes_on_with_one_while_the_other_waits),
        T(a_receiver_is_an_iterator_until_it_is_closed_and_drained),
        T(a_broadcast_receiver_says_where_messages_were_missed),
        T(a_watch_receiver_gives_the_value_now_and_then_the_latest),
        T(watch_changes_begins_with_what_is_new),
        T(a_generator_emits_and_ends_with_its_result),
        T(a_generator_dropped_half_way_is_destroyed_once),
        T(emits_side_by_side_are_given_one_after_the_other),
        T(collect_stops_at_its_room_and_says_how_many_came_before_an_error),
        T(buffered_keeps_the_order_and_no_more_than_its_slots_in_flight),
        T(buffer_unordered_gives_them_as_they_end),
        T(a_wake_polls_the_job_that_woke),
        T(what_is_in_flight_is_dropped_with_the_iterator),
        T(a_job_without_memory_is_an_error_and_the_rest_goes_on),
    };

    ki_mem_watch();
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
