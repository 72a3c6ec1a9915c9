/* Sets of iterators: whose item it was, who comes and goes, fairness. include/kioto/iter.h */
#include "support/iters.h"

static struct kio_iter_set set;
static struct kio_tx tx[2];
static struct kio_rx rx[2];
static struct kio_iter_rx it[2];

/* The next item as key * 1000 + value. */
static int64_t next_keyed(void)
{
    int64_t got = nexti(&set);

    return got == END || got == WAITS || got < 0 ? got : (int64_t)set.key * 1000 + got;
}

static void open_two(void)
{
    kio_iter_set(&set, sizeof(int));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kio_mpsc_unbounded(&tx[i], &rx[i], sizeof(int)), 0);
        kio_iter_rx(&it[i], &rx[i]);
    }
}

static void close_two(void)
{
    kio_drop(&set);
    for (int i = 0; i < 2; i++) {
        kio_drop(&it[i]);
        kio_tx_drop(&tx[i]);
        kio_rx_drop(&rx[i]);
    }
}

static void put(int which, int v)
{
    assert_int_equal(kio_try_send(&tx[which], &v), 0);
}

static void an_empty_set_is_at_its_end(void **state)
{
    (void)state;
    kio_iter_set(&set, sizeof(int));
    assert_int_equal(kio_iter_set_len(&set), 0);
    assert_int_equal(next_keyed(), END);
    assert_int_equal(next_keyed(), END);
    assert_false(kio_iter_set_remove(&set, 1));
    kio_drop(&set);
}

static void a_member_that_is_added_after_the_end_goes_on(void **state)
{
    (void)state;
    open_two();
    assert_int_equal(next_keyed(), END);
    assert_int_equal(kio_iter_set_add(&set, 5, &it[0]), 0);
    assert_true(kio_iter_set_has(&set, 5));
    assert_false(kio_iter_set_has(&set, 6));
    assert_int_equal(kio_iter_set_len(&set), 1);
    for (int v = 1; v <= 2; v++) {
        assert_int_equal(next_keyed(), WAITS);
        put(0, v);
        assert_true(woken());
        assert_int_equal(next_keyed(), 5000 + v);
    }
    assert_int_equal(next_keyed(), WAITS);
    kio_tx_drop(&tx[0]);
    assert_true(woken());
    assert_int_equal(next_keyed(), END);
    assert_int_equal(kio_iter_set_len(&set), 0);
    close_two();
}

static void items_say_whose_they_are_and_come_in_turn(void **state)
{
    (void)state;
    open_two();
    assert_int_equal(kio_iter_set_add(&set, 1, &it[0]), 0);
    assert_int_equal(kio_iter_set_add(&set, 2, &it[1]), 0);
    assert_int_equal(next_keyed(), WAITS);
    put(0, 1);
    assert_true(woken());
    assert_int_equal(next_keyed(), 1001);
    put(1, 2);
    assert_int_equal(next_keyed(), 2002);
    for (int v = 3; v <= 5; v++)
        put(0, v);
    put(1, 6);
    assert_int_equal(next_keyed(), 1003);
    assert_int_equal(next_keyed(), 2006); /* not starved by the first */
    assert_int_equal(next_keyed(), 1004);
    assert_int_equal(next_keyed(), 1005);
    assert_int_equal(next_keyed(), WAITS);
    kio_tx_drop(&tx[0]);
    assert_true(woken());
    assert_int_equal(next_keyed(), WAITS);
    kio_tx_drop(&tx[1]);
    assert_int_equal(next_keyed(), END);
    close_two();
}

static void a_removed_member_is_dropped_and_its_source_can_be_used_again(void **state)
{
    (void)state;
    open_two();
    assert_int_equal(kio_iter_set_add(&set, 1, &it[0]), 0);
    assert_true(kio_iter_set_remove(&set, 1));
    assert_false(kio_is_live(&it[0]));
    put(0, 1);
    assert_false(woken());
    assert_int_equal(next_keyed(), END);
    kio_iter_rx(&it[0], &rx[0]);
    assert_int_equal(kio_iter_set_add(&set, 2, &it[0]), 0);
    assert_int_equal(next_keyed(), 2001);
    assert_true(kio_iter_set_remove(&set, 2));
    assert_int_equal(next_keyed(), END);
    assert_int_equal(kio_iter_set_len(&set), 0);
    close_two();
}

static void a_key_that_is_taken_is_replaced(void **state)
{
    (void)state;
    open_two();
    assert_int_equal(kio_iter_set_add(&set, 1, &it[0]), 0);
    assert_int_equal(next_keyed(), WAITS);
    assert_int_equal(kio_iter_set_add(&set, 1, &it[1]), 0);
    assert_true(woken()); /* it was not asked yet */
    assert_int_equal(kio_iter_set_len(&set), 1);
    assert_false(kio_is_live(&it[0]));
    assert_int_equal(next_keyed(), WAITS);
    put(0, 1);
    assert_false(woken());
    assert_int_equal(next_keyed(), WAITS);
    put(1, 2);
    assert_true(woken());
    assert_int_equal(next_keyed(), 1002);
    /* by one that is made anew in the same slot */
    kio_iter_rx(&it[1], &rx[1]);
    assert_int_equal(kio_iter_set_add(&set, 1, &it[1]), 0);
    assert_true(kio_is_live(&it[1]));
    put(1, 3);
    assert_int_equal(next_keyed(), 1003);
    close_two();
}

static void clear_drops_all(void **state)
{
    static const int numbers[] = { 1, 2, 3 };
    static struct kio_iter_array a[3];

    (void)state;
    kio_iter_set(&set, sizeof(int));
    for (int i = 0; i < 3; i++)
        assert_int_equal(kio_iter_set_add(&set, (uint64_t)i, kio_iter_array(&a[i], numbers, 3)), 0);
    assert_int_equal(next_keyed(), 1);
    kio_iter_set_clear(&set);
    assert_int_equal(next_keyed(), END);
    assert_int_equal(kio_iter_set_len(&set), 0);
    for (int i = 0; i < 3; i++)
        assert_false(kio_is_live(&a[i]));
    kio_drop(&set);
}

static void one_item_is_found_among_many_ends(void **state)
{
    static const int one = 7;
    static struct kio_iter_array a[3];
    static struct kio_iter_pending p;

    (void)state;
    for (int first = 0; first < 4; first++) {
        kio_iter_set(&set, sizeof(int));
        for (int k = 0; k < 4; k++) {
            int key = (k + first) % 4;

            if (key == 3)
                assert_int_equal(kio_iter_set_add(&set, 3, kio_iter_pending(&p)), 0);
            else
                assert_int_equal(
                    kio_iter_set_add(&set, (uint64_t)key, kio_iter_array(&a[key], &one, key == 2)), 0);
        }
        assert_int_equal(next_keyed(), 2007);
        assert_int_equal(next_keyed(), WAITS);
        assert_int_equal(kio_iter_set_len(&set), 1); /* the one that waits for ever */
        kio_drop(&set);
    }
}

/* Nine members that never end: nine items in a row are of nine. */
static void each_of_many_has_its_turn(void **state)
{
    static struct kio_iter_range r[9];
    bool seen[9] = { false };

    (void)state;
    kio_iter_set(&set, sizeof(int64_t));
    for (int i = 0; i < 9; i++)
        assert_int_equal(kio_iter_set_add(&set, (uint64_t)i, kio_iter_range(&r[i], 0, INT64_MAX)), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(next64(&set), 0);
    assert_true(kio_iter_set_remove(&set, 1)); /* before the turn */
    for (int i = 0; i < 8; i++) {
        assert_in_range(next64(&set), 0, 1);
        assert_false(seen[set.key]);
        seen[set.key] = true;
    }
    kio_drop(&set);
}

static void a_batch_takes_what_several_members_have(void **state)
{
    static struct kio_iter_chunks batches;
    static int batch[8];
    static struct kio_iter_next next;
    static size_t n;

    (void)state;
    open_two();
    assert_int_equal(kio_iter_set_add(&set, 1, &it[0]), 0);
    assert_int_equal(kio_iter_set_add(&set, 2, &it[1]), 0);
    kio_iter_chunks(&batches, &set, batch, 3, 0);
    assert_int_equal(poll_once(&l, kio_iter_next(&next, &batches, &n)), KIO_PENDING);
    put(0, 1);
    put(1, 2);
    assert_int_equal(poll_once(&l, &next), KIO_READY);
    assert_int_equal(n, 2); /* fewer than it has room for: it does not wait for more */
    for (int v = 0; v < 4; v++)
        put(v % 2, 10 + v);
    assert_int_equal(poll_once(&l, kio_iter_next(&next, &batches, &n)), KIO_READY);
    assert_int_equal(n, 3); /* no more than that */
    assert_int_equal(poll_once(&l, kio_iter_next(&next, &batches, &n)), KIO_READY);
    assert_int_equal(n, 1);
    kio_drop(&batches);
    close_two();
}

static void without_memory_the_iterator_is_left_as_it_was(void **state)
{
    (void)state;
    open_two();
    put(0, 1);
    ki_mem_fail_at(1);
    assert_int_equal(kio_iter_set_add(&set, 1, &it[0]), -ENOMEM);
    ki_mem_fail_at(0);
    assert_int_equal(nexti(&it[0]), 1);
    assert_int_equal(kio_iter_set_add(&set, 1, &it[0]), 0);
    close_two();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_empty_set_is_at_its_end),
        T(a_member_that_is_added_after_the_end_goes_on),
        T(items_say_whose_they_are_and_come_in_turn),
        T(a_removed_member_is_dropped_and_its_source_can_be_used_again),
        T(a_key_that_is_taken_is_replaced),
        T(clear_drops_all),
        T(one_item_is_found_among_many_ends),
        T(each_of_many_has_its_turn),
        T(a_batch_takes_what_several_members_have),
        T(without_memory_the_iterator_is_left_as_it_was),
    };

    ki_mem_watch();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
