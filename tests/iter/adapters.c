/* More adapters: those that decide, those that hold an item back, each; and how all of them end. */
#include "support/iters.h"

static bool even(void *arg, const void *item)
{
    (void)arg;
    return *(const int64_t *)item % 2 == 0;
}

static bool below(void *arg, const void *item)
{
    return *(const int64_t *)item < *(const int64_t *)arg;
}

static const int64_t three = 3, five = 5;

/* ---- filter_map, map_while, skip_while ------------------------------------------------------- */

static bool halved(void *arg, const void *in, void *out)
{
    int64_t x;

    memcpy(&x, in, sizeof x);
    ++*(int *)arg;
    if (x % 2)
        return false;
    *(int *)out = (int)(x / 2);
    return true;
}

static void filter_map_leaves_out_what_it_does_not_change(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_filter_map halves;
    static int asked;

    (void)state;
    asked = 0;
    kio_iter_range(&r, 1, 6);
    kio_iter_filter_map(&halves, &r, sizeof(int), halved, &asked);
    assert_int_equal(nexti(&halves), 1);
    assert_int_equal(nexti(&halves), 2);
    assert_int_equal(nexti(&halves), END);
    assert_int_equal(asked, 5);
    kio_drop(&halves);
}

static void map_while_ends_at_the_first_no_and_asks_no_more(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_filter_map halves;
    static int asked;

    (void)state;
    asked = 0;
    kio_iter_range(&r, 4, 100);
    kio_iter_map_while(&halves, &r, sizeof(int), halved, &asked);
    assert_int_equal(nexti(&halves), 2);
    assert_int_equal(nexti(&halves), END);
    assert_int_equal(nexti(&halves), END);
    assert_int_equal(asked, 2);
    assert_int_equal(r.at, 6); /* 6 would be even: the source is left alone */
    kio_drop(&halves);
}

static void skip_while_gives_all_from_the_first_it_keeps(void **state)
{
    static const int64_t numbers[] = { 1, 2, 7, 1, 2 };
    static struct kio_iter_array a;
    static struct kio_iter_skip_while rest;

    (void)state;
    kio_iter_array(&a, numbers, 5);
    kio_iter_skip_while(&rest, &a, below, (void *)&five);
    assert_int_equal(next64(&rest), 7);
    assert_int_equal(next64(&rest), 1);
    assert_int_equal(next64(&rest), 2);
    assert_int_equal(next64(&rest), END);
    kio_drop(&rest);
}

/* ---- each ------------------------------------------------------------------------------------ */

static bool add(void *arg, const void *item)
{
    int64_t x;

    memcpy(&x, item, sizeof x);
    *(int64_t *)arg += x;
    return *(int64_t *)arg < 30;
}

static void each_folds_until_it_says_no_and_goes_on_after_waiting(void **state)
{
    static struct kio_tx tx;
    static struct kio_rx rx;
    static struct kio_iter_rx it;
    static struct kio_iter_each sum;
    static int64_t total;

    (void)state;
    total = 0;
    assert_int_equal(kio_mpsc_unbounded(&tx, &rx, sizeof(int64_t)), 0);
    kio_iter_rx(&it, &rx);
    kio_iter_each(&sum, &it, add, &total);
    assert_int_equal(poll_once(&l, &sum), KIO_PENDING);
    for (int64_t v = 1; v <= 3; v++)
        assert_int_equal(kio_try_send(&tx, &v), 0);
    assert_true(woken());
    assert_int_equal(poll_once(&l, &sum), KIO_PENDING);
    assert_int_equal(total, 6);
    for (int64_t v = 20; v <= 22; v++)
        assert_int_equal(kio_try_send(&tx, &v), 0);
    assert_int_equal(poll_once(&l, &sum), KIO_READY);
    assert_int_equal(sum.out, 5);
    assert_int_equal(total, 47);
    assert_int_equal(next64(&it), 22); /* what each() did not ask for is still there */
    kio_tx_drop(&tx);
    total = -100;
    kio_iter_each(&sum, &it, add, &total);
    assert_int_equal(poll_once(&l, &sum), KIO_READY);
    assert_int_equal(sum.out, 0);
    kio_drop(&it);
    kio_rx_drop(&rx);
}

/* ---- peekable -------------------------------------------------------------------------------- */

static struct kio_iter_peek peek;

/* What comes next, or END, WAITS, an error. */
static int64_t peeked(struct kio_iter_peekable *of)
{
    int64_t x;

    if (poll_once(&l, kio_iter_peek(&peek, of)) == KIO_PENDING) {
        kio_drop(&peek);
        return WAITS;
    }
    if (peek.out != 1) {
        assert_null(peek.item);
        return peek.out == 0 ? END : peek.out;
    }
    memcpy(&x, peek.item, sizeof x);
    return x;
}

static void a_peek_shows_the_next_item_and_leaves_it(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_peekable p;

    (void)state;
    kio_iter_range(&r, 10, 13);
    kio_iter_peekable(&p, &r);
    assert_int_equal(peeked(&p), 10);
    assert_int_equal(peeked(&p), 10);
    assert_int_equal(next64(&p), 10);
    assert_int_equal(next64(&p), 11);
    assert_int_equal(peeked(&p), 12);
    *(int64_t *)peek.item += 100; /* what was changed is what is taken */
    assert_int_equal(next64(&p), 112);
    assert_int_equal(peeked(&p), END);
    assert_int_equal(next64(&p), END);
    kio_drop(&p);
}

static void a_peek_waits_with_its_source_and_a_dropped_one_takes_nothing(void **state)
{
    static struct kio_tx tx;
    static struct kio_rx rx;
    static struct kio_iter_rx it;
    static struct kio_iter_peekable p;
    int64_t v = 7;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof v, 4), 0);
    kio_iter_rx(&it, &rx);
    kio_iter_peekable(&p, &it);
    assert_int_equal(peeked(&p), WAITS);
    assert_int_equal(kio_try_send(&tx, &v), 0);
    assert_true(woken());
    assert_int_equal(peeked(&p), 7);
    kio_tx_drop(&tx);
    assert_int_equal(next64(&p), 7);
    assert_int_equal(peeked(&p), END);
    kio_drop(&p);
    kio_rx_drop(&rx);
}

/* ---- zip ------------------------------------------------------------------------------------- */

static void times(void *arg, const void *a, const void *b, void *out)
{
    int64_t x, y;

    (void)arg;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    x *= y;
    memcpy(out, &x, sizeof x);
}

static void zip_pairs_items_and_holds_one_while_the_other_waits(void **state)
{
    static struct kio_tx tx;
    static struct kio_rx rx;
    static struct kio_iter_rx it;
    static struct kio_iter_range r;
    static struct kio_iter_zip z;
    int64_t v = 10;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof v, 4), 0);
    kio_iter_rx(&it, &rx);
    kio_iter_range(&r, 1, 100);
    kio_iter_zip(&z, &r, &it, sizeof v, times, NULL);
    assert_int_equal(next64(&z), WAITS);
    assert_int_equal(next64(&z), WAITS);
    assert_int_equal(r.at, 2); /* one was taken, and is held */
    assert_int_equal(kio_try_send(&tx, &v), 0);
    assert_int_equal(kio_try_send(&tx, &v), 0);
    assert_int_equal(next64(&z), 10);
    assert_int_equal(next64(&z), 20);
    kio_tx_drop(&tx);
    assert_int_equal(next64(&z), END);
    assert_int_equal(next64(&z), END);
    kio_drop(&z);
    kio_rx_drop(&rx);
}

/* ---- merge, chain, collect on channels ------------------------------------------------------- */

static struct kio_tx tx1, tx2;
static struct kio_rx rx1, rx2;
static struct kio_iter_rx it1, it2;

static void open_two(void)
{
    assert_int_equal(kio_mpsc_unbounded(&tx1, &rx1, sizeof(int)), 0);
    assert_int_equal(kio_mpsc_unbounded(&tx2, &rx2, sizeof(int)), 0);
    kio_iter_rx(&it1, &rx1);
    kio_iter_rx(&it2, &rx2);
}

static void close_two(void)
{
    kio_tx_drop(&tx1);
    kio_tx_drop(&tx2);
    kio_rx_drop(&rx1);
    kio_rx_drop(&rx2);
}

static void put(struct kio_tx *tx, int v)
{
    assert_int_equal(kio_try_send(tx, &v), 0);
}

static void a_merge_is_woken_by_either_and_by_each_end(void **state)
{
    static struct kio_iter_merge m;

    (void)state;
    open_two();
    kio_iter_merge(&m, &it1, &it2);
    assert_int_equal(nexti(&m), WAITS);
    put(&tx1, 1);
    assert_true(woken());
    assert_int_equal(nexti(&m), 1);
    assert_int_equal(nexti(&m), WAITS);
    put(&tx2, 2);
    assert_true(woken());
    assert_int_equal(nexti(&m), 2);
    assert_int_equal(nexti(&m), WAITS);
    kio_tx_drop(&tx1);
    assert_true(woken());
    assert_int_equal(nexti(&m), WAITS);
    put(&tx2, 3);
    assert_true(woken());
    assert_int_equal(nexti(&m), 3);
    assert_int_equal(nexti(&m), WAITS);
    kio_tx_drop(&tx2);
    assert_true(woken());
    assert_int_equal(nexti(&m), END);
    kio_drop(&m);
    close_two();
}

static void a_chain_does_not_look_at_the_second_before_the_first_has_ended(void **state)
{
    static struct kio_iter_chain c;

    (void)state;
    open_two();
    kio_iter_chain(&c, &it1, &it2);
    assert_int_equal(nexti(&c), WAITS);
    put(&tx2, 2);
    assert_false(woken());
    assert_int_equal(nexti(&c), WAITS);
    put(&tx1, 1);
    assert_true(woken());
    assert_int_equal(nexti(&c), 1);
    assert_int_equal(nexti(&c), WAITS);
    kio_tx_drop(&tx1);
    assert_true(woken());
    assert_int_equal(nexti(&c), 2);
    assert_int_equal(nexti(&c), WAITS);
    kio_tx_drop(&tx2);
    assert_true(woken());
    assert_int_equal(nexti(&c), END);
    kio_drop(&c);
    close_two();
}

static void collect_is_woken_by_each_item_and_by_the_end(void **state)
{
    static struct kio_iter_collect all;
    static int items[8];

    (void)state;
    open_two();
    kio_iter_collect(&all, &it1, items, 8);
    assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    for (int v = 1; v <= 2; v++) {
        put(&tx1, v);
        assert_true(woken());
        assert_int_equal(poll_once(&l, &all), KIO_PENDING);
    }
    assert_int_equal(kio_iter_collected(&all), 2);
    kio_tx_drop(&tx1);
    assert_true(woken());
    assert_int_equal(poll_once(&l, &all), KIO_READY);
    assert_int_equal(all.out, 2);
    assert_int_equal(items[0] * 10 + items[1], 12);
    assert_int_equal(poll_once(&l, kio_iter_collect(&all, &it1, items, 8)), KIO_READY);
    assert_int_equal(all.out, 0); /* it has ended */
    kio_drop(&it1);
    kio_drop(&it2);
    close_two();
}

/* ---- batches of what is there ---------------------------------------------------------------- */

static void a_batch_without_a_wait_has_what_is_there(void **state)
{
    static struct kio_iter_chunks batches;
    static int batch[3];
    static struct kio_iter_next next;
    static size_t n;

    (void)state;
    open_two();
    kio_iter_chunks(&batches, &it1, batch, 3, 0);
    assert_int_equal(poll_once(&l, kio_iter_next(&next, &batches, &n)), KIO_PENDING);
    for (int v = 1; v <= 5; v++)
        put(&tx1, v);
    assert_true(woken());
    assert_int_equal(poll_once(&l, &next), KIO_READY);
    assert_int_equal(n, 3);
    assert_int_equal(batch[2], 3);
    assert_int_equal(poll_once(&l, kio_iter_next(&next, &batches, &n)), KIO_READY);
    assert_int_equal(n, 2);
    assert_int_equal(batch[1], 5);
    assert_int_equal(poll_once(&l, kio_iter_next(&next, &batches, &n)), KIO_PENDING);
    put(&tx1, 6);
    kio_tx_drop(&tx1);
    assert_int_equal(poll_once(&l, &next), KIO_READY);
    assert_int_equal(n, 1);
    assert_int_equal(poll_once(&l, kio_iter_next(&next, &batches, &n)), KIO_READY);
    assert_int_equal(next.out, 0);
    kio_drop(&batches);
    kio_drop(&it2);
    close_two();
}

/* ---- how they end ---------------------------------------------------------------------------- */

static void pending_never_gives_anything(void **state)
{
    static struct kio_iter_pending p;
    static struct kio_iter_range r;
    static struct kio_iter_merge m;

    (void)state;
    kio_iter_pending(&p);
    for (int i = 0; i < 3; i++)
        assert_int_equal(nexti(&p), WAITS);
    kio_iter_range(&r, 0, 1);
    kio_iter_merge(&m, &p, &r);
    assert_int_equal(next64(&m), 0);
    assert_int_equal(next64(&m), WAITS);
    kio_drop(&m);
}

static void an_empty_source_ends_at_once_and_one_item_comes_once(void **state)
{
    static struct kio_iter_array a;
    static const int one = 1;

    (void)state;
    kio_iter_array(&a, &one, 0);
    assert_int_equal(nexti(&a), END);
    kio_iter_array(&a, &one, 1);
    assert_int_equal(nexti(&a), 1);
    assert_int_equal(nexti(&a), END);
    kio_drop(&a);
}

/* Gives 1 and 2, ends, and would give more if it was asked again. */
struct comes_back {
    KIO_ITER;
    int calls;
};

static int comes_back_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    int64_t n = ++((struct comes_back *)iter)->calls;

    (void)cx;
    memcpy(item, &n, sizeof n);
    return n != 3;
}

static KIO_ITER_TYPE(comes_back_type, comes_back, comes_back_next);

static void copies(void *arg, const void *in, void *out)
{
    (void)arg;
    memcpy(out, in, sizeof(int64_t));
}

static bool copies_below_three(void *arg, const void *in, void *out)
{
    copies(arg, in, out);
    return below((void *)&three, in);
}

/* A future for each item: with one slot the counterpart of "then". */
struct answer {
    async_fn(int64_t);
    int64_t value;
};

async(answer)
{
    async_begin;
    async_return(self->value);
}

static struct answer job;

static void start(void *arg, const void *item, void *slot)
{
    int64_t value;

    (void)arg;
    memcpy(&value, item, sizeof value);
    async_call((struct answer *)slot, answer, .value = value);
}

static void every_adapter_ends_once_and_for_good(void **state)
{
    static struct comes_back s, second;
    static union {
        struct kio_iter iter;
        struct kio_iter_map map;
        struct kio_iter_filter filter;
        struct kio_iter_filter_map filter_map;
        struct kio_iter_skip skip;
        struct kio_iter_skip_while skip_while;
        struct kio_iter_take take;
        struct kio_iter_take_while take_while;
        struct kio_iter_chain chain;
        struct kio_iter_merge merge;
        struct kio_iter_peekable peekable;
        struct kio_iter_zip zip;
        struct kio_iter_set set;
        struct kio_iter_buffered buffered;
    } u;
    static const int gives[] = { 2, 1, 2, 2, 1, 2, 2, 0, 2, 2, 4, 4, 2, 2, 2, 2 };
    static const int64_t zero = 0;
    static struct kio_iter_next next;
    static int64_t item;

    (void)state;
    for (int which = 0; which < 16; which++) {
        kio_iter_init(&s, &comes_back_type, sizeof(int64_t));
        kio_iter_init(&second, &comes_back_type, sizeof(int64_t));
        s.calls = second.calls = 0;
        switch (which) {
        case 0:
            kio_iter_map(&u.map, &s, sizeof(int64_t), copies, NULL);
            break;
        case 1:
            kio_iter_filter(&u.filter, &s, even, NULL);
            break;
        case 2:
            kio_iter_filter_map(&u.filter_map, &s, sizeof(int64_t), copies_below_three, NULL);
            break;
        case 3:
            kio_iter_map_while(&u.filter_map, &s, sizeof(int64_t), copies_below_three, NULL);
            break;
        case 4:
            kio_iter_skip(&u.skip, &s, 1);
            break;
        case 5:
            kio_iter_skip_while(&u.skip_while, &s, below, (void *)&zero);
            break;
        case 6:
            kio_iter_take(&u.take, &s, 2);
            break;
        case 7:
            kio_iter_take(&u.take, &s, 0);
            break;
        case 8:
            kio_iter_take(&u.take, &s, 9);
            break;
        case 9:
            kio_iter_take_while(&u.take_while, &s, below, (void *)&three);
            break;
        case 10:
            kio_iter_chain(&u.chain, &s, &second);
            break;
        case 11:
            kio_iter_merge(&u.merge, &s, &second);
            break;
        case 12:
            kio_iter_peekable(&u.peekable, &s);
            break;
        case 13:
            kio_iter_zip(&u.zip, &s, &second, sizeof(int64_t), times, NULL);
            break;
        case 14:
            kio_iter_set(&u.set, sizeof(int64_t));
            assert_int_equal(kio_iter_set_add(&u.set, 1, &s), 0);
            break;
        case 15:
            memset(&job, 0, sizeof job);
            kio_iter_buffered(&u.buffered, &s, &job, 1, start, NULL);
            break;
        }
        for (int i = 0; i <= gives[which] + 2; i++) {
            assert_int_equal(poll_once(&l, kio_iter_next_(&next, &u.iter, &item, sizeof item)),
                             KIO_READY);
            assert_int_equal(next.out, i < gives[which]);
        }
        assert_in_range(s.calls, 0, 3);
        kio_drop_(&u.iter.kio);
        kio_drop(&second);
    }
}

/* What is always ready takes from the task's budget. */
static bool count_one(void *arg, const void *item)
{
    (void)item;
    ++*(int64_t *)arg;
    return true;
}

static void an_iterator_that_is_always_ready_ends_the_tasks_turn(void **state)
{
    static struct kio_iter_range r;
    static struct kio_iter_each all;
    static int64_t seen;
    struct kio_run run = { .budget = 128 };
    kio_context cx;

    (void)state;
    kio_iter_range(&r, 0, 1000);
    seen = 0;
    kio_context_init(&cx, (kio_waker){ &l.wakeable });
    cx.run = &run;
    kio_iter_each(&all, &r, count_one, &seen);
    assert_int_equal(kio_future_poll(&all.kio, &cx), KIO_PENDING);
    assert_int_equal(seen, 128);
    assert_true(woken());
    run.budget = 2000;
    assert_int_equal(kio_future_poll(&all.kio, &cx), KIO_READY);
    assert_int_equal(all.out, 1000);
    kio_drop(&r);
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
        T(filter_map_leaves_out_what_it_does_not_change),
        T(map_while_ends_at_the_first_no_and_asks_no_more),
        T(skip_while_gives_all_from_the_first_it_keeps),
        T(each_folds_until_it_says_no_and_goes_on_after_waiting),
        T(a_peek_shows_the_next_item_and_leaves_it),
        T(a_peek_waits_with_its_source_and_a_dropped_one_takes_nothing),
        T(zip_pairs_items_and_holds_one_while_the_other_waits),
        T(a_merge_is_woken_by_either_and_by_each_end),
        T(a_chain_does_not_look_at_the_second_before_the_first_has_ended),
        T(collect_is_woken_by_each_item_and_by_the_end),
        T(a_batch_without_a_wait_has_what_is_there),
        T(pending_never_gives_anything),
        T(an_empty_source_ends_at_once_and_one_item_comes_once),
        T(every_adapter_ends_once_and_for_good),
        T(an_iterator_that_is_always_ready_ends_the_tasks_turn),
    };

    ki_mem_watch();
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
