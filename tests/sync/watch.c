/* watch under a little executor. SEMANTICS.md, Sync. */
#include "support/little.h"
#include "base/mem.h"

#include <kioto/watch.h>

#include <errno.h>

static struct kio_watch_tx tx;
static struct kio_watch_rx rx;
static struct kio_watch_changed changed;
static struct little l;
static long before;

static int open_channel(void **state)
{
    int one = 1;

    (void)state;
    little_init(&l);
    before = ki_mem_alive();
    return kio_watch_channel(&tx, &rx, sizeof(int), &one);
}

static int close_channel(void **state)
{
    (void)state;
    kio_drop(&changed);
    kio_watch_tx_drop(&tx);
    kio_watch_rx_drop(&rx);
    return ki_mem_alive() == before && l.clones == l.drops ? 0 : -1;
}

#define PENDING(l, fut) assert_int_equal(poll_once(l, fut), KIO_PENDING)
#define READY(l, fut)   assert_int_equal(poll_once(l, fut), KIO_READY)

static void send(int value)
{
    assert_int_equal(kio_watch_send(&tx, &value), 0);
}

static int peek(void)
{
    int value;

    kio_watch_peek(&rx, &value);
    return value;
}

static int get(struct kio_watch_rx *of)
{
    int value;

    kio_watch_get(of, &value);
    return value;
}

/* ---- changed ------------------------------------------------------------------------------ */

static void the_first_value_is_seen_and_each_change_is_told_and_the_end(void **state)
{
    (void)state;
    PENDING(&l, kio_watch_changed(&changed, &rx));
    kio_drop(&changed);
    assert_int_equal(peek(), 1);
    PENDING(&l, kio_watch_changed(&changed, &rx));
    send(2);
    assert_int_equal(l.wakes, 1);
    READY(&l, &changed);
    assert_int_equal(changed.out, 0);
    assert_int_equal(peek(), 2);
    PENDING(&l, kio_watch_changed(&changed, &rx));
    kio_watch_tx_drop(&tx);
    assert_int_equal(l.wakes, 2);
    READY(&l, &changed);
    assert_int_equal(changed.out, -EPIPE);
    assert_int_equal(peek(), 2);
}

static void every_receiver_is_told_of_every_change(void **state)
{
    struct kio_watch_rx second = kio_watch_rx_clone(&rx);
    struct kio_watch_changed also = { 0 };
    struct little m;

    (void)state;
    little_init(&m);
    PENDING(&l, kio_watch_changed(&changed, &rx));
    PENDING(&m, kio_watch_changed(&also, &second));
    send(2);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(m.wakes, 1);
    READY(&l, &changed); /* the other does not look yet */
    PENDING(&l, kio_watch_changed(&changed, &rx));
    send(3);
    assert_int_equal(l.wakes, 2);
    READY(&l, &changed);
    READY(&m, &also); /* once for both */
    assert_int_equal(get(&second), 3);
    PENDING(&m, kio_watch_changed(&also, &second));
    PENDING(&l, kio_watch_changed(&changed, &rx));
    send(4);
    READY(&l, &changed);
    READY(&m, &also);
    assert_int_equal(get(&rx), 4);
    assert_int_equal(get(&second), 4);
    kio_watch_rx_drop(&second);
    assert_int_equal(m.clones, m.drops);
}

static void the_last_value_is_told_after_the_sender_has_gone(void **state)
{
    (void)state;
    PENDING(&l, kio_watch_changed(&changed, &rx));
    send(3);
    kio_watch_tx_drop(&tx);
    READY(&l, &changed);
    assert_int_equal(changed.out, 0);
    assert_int_equal(peek(), 3);
    READY(&l, kio_watch_changed(&changed, &rx));
    assert_int_equal(changed.out, -EPIPE);
    assert_int_equal(peek(), 3);
}

static void changed_is_the_end_at_once_when_all_was_seen(void **state)
{
    (void)state;
    kio_watch_tx_drop(&tx);
    READY(&l, kio_watch_changed(&changed, &rx));
    assert_int_equal(changed.out, -EPIPE);
    assert_int_equal(peek(), 1);
}

/* Another answer than Tokio's, which has an error at once: who only asks would miss the last value. */
static void has_changed_tells_of_the_last_value_before_the_end(void **state)
{
    (void)state;
    assert_int_equal(kio_watch_has_changed(&rx), 0);
    send(2);
    kio_watch_tx_drop(&tx);
    assert_int_equal(kio_watch_has_changed(&rx), 1);
    assert_int_equal(get(&rx), 2);
    assert_int_equal(kio_watch_has_changed(&rx), -EPIPE);
}

static void getting_a_value_is_seeing_it_and_peeking_is_not(void **state)
{
    (void)state;
    send(2);
    assert_int_equal(kio_watch_has_changed(&rx), 1);
    assert_int_equal(peek(), 2);
    assert_int_equal(kio_watch_has_changed(&rx), 1);
    READY(&l, kio_watch_changed(&changed, &rx));
    PENDING(&l, kio_watch_changed(&changed, &rx));
    assert_int_equal(kio_watch_has_changed(&rx), 0);
    send(3);
    assert_int_equal(get(&rx), 3);
    PENDING(&l, &changed); /* it was woken, and there is nothing new any more */
    assert_int_equal(kio_watch_has_changed(&rx), 0);
    kio_watch_tx_drop(&tx);
    assert_int_equal(get(&rx), 3);
    READY(&l, &changed);
    assert_int_equal(changed.out, -EPIPE);
    assert_int_equal(kio_watch_has_changed(&rx), -EPIPE);
}

static void a_dropped_changed_has_seen_nothing(void **state)
{
    (void)state;
    PENDING(&l, kio_watch_changed(&changed, &rx));
    send(2);
    kio_drop(&changed);
    assert_int_equal(l.clones, l.drops);
    READY(&l, kio_watch_changed(&changed, &rx));
    assert_int_equal(changed.out, 0);
}

/* ---- marks -------------------------------------------------------------------------------- */

static void marking_the_first_value_changed_twice_is_marking_it_once(void **state)
{
    (void)state;
    kio_watch_mark_changed(&rx);
    kio_watch_mark_changed(&rx);
    assert_int_equal(kio_watch_has_changed(&rx), 1);
    READY(&l, kio_watch_changed(&changed, &rx));
    PENDING(&l, kio_watch_changed(&changed, &rx));
}

static void a_value_marked_changed_is_new_to_that_receiver_alone(void **state)
{
    struct kio_watch_rx second = kio_watch_rx_clone(&rx);

    (void)state;
    kio_watch_mark_changed(&rx);
    assert_int_equal(kio_watch_has_changed(&rx), 1);
    assert_int_equal(kio_watch_has_changed(&second), 0);
    PENDING(&l, kio_watch_changed(&changed, &second));
    assert_int_equal(peek(), 1);
    assert_int_equal(kio_watch_has_changed(&rx), 1); /* peeking is not seeing */
    assert_int_equal(get(&rx), 1);
    assert_int_equal(kio_watch_has_changed(&rx), 0);
    send(2);
    assert_int_equal(get(&rx), 2);
    kio_watch_mark_changed(&rx);
    assert_int_equal(kio_watch_has_changed(&rx), 1);
    assert_int_equal(get(&rx), 2);
    READY(&l, &changed);
    kio_watch_rx_drop(&second);
}

static void a_value_marked_unchanged_is_seen(void **state)
{
    (void)state;
    kio_watch_mark_changed(&rx);
    kio_watch_mark_unchanged(&rx);
    assert_int_equal(kio_watch_has_changed(&rx), 0);
    PENDING(&l, kio_watch_changed(&changed, &rx));
    send(2);
    kio_watch_mark_unchanged(&rx);
    assert_int_equal(kio_watch_has_changed(&rx), 0);
    PENDING(&l, &changed);
    assert_int_equal(get(&rx), 2);
}

static void a_clone_has_seen_what_its_receiver_has(void **state)
{
    struct kio_watch_rx clone, fresh;

    (void)state;
    send(2);
    clone = kio_watch_rx_clone(&rx);
    fresh = kio_watch_subscribe(&tx);
    assert_int_equal(kio_watch_has_changed(&clone), 1);
    assert_int_equal(kio_watch_has_changed(&fresh), 0);
    kio_watch_rx_drop(&clone);
    kio_watch_rx_drop(&fresh);
}

/* ---- who is there ------------------------------------------------------------------------- */

static void closed_is_ready_when_the_last_receiver_goes(void **state)
{
    struct kio_watch_closed closed = { 0 };
    struct kio_watch_rx second = kio_watch_rx_clone(&rx);
    int two = 2;

    (void)state;
    PENDING(&l, kio_watch_closed(&closed, &tx));
    kio_watch_rx_drop(&second);
    assert_int_equal(l.wakes, 0);
    kio_watch_rx_drop(&rx);
    assert_int_equal(l.wakes, 1);
    READY(&l, &closed);
    assert_int_equal(kio_watch_send(&tx, &two), -EPIPE);
    READY(&l, kio_watch_closed(&closed, &tx));
    kio_watch_peek(&tx, &two);
    assert_int_equal(two, 1); /* a send that failed changed nothing */
}

static void a_new_receiver_opens_it_again(void **state)
{
    struct kio_watch_closed closed = { 0 };

    (void)state;
    assert_false(kio_watch_is_closed(&tx));
    PENDING(&l, kio_watch_closed(&closed, &tx));
    kio_watch_rx_drop(&rx);
    assert_true(kio_watch_is_closed(&tx));
    rx = kio_watch_subscribe(&tx);
    assert_false(kio_watch_is_closed(&tx));
    PENDING(&l, &closed);
    kio_watch_rx_drop(&rx);
    assert_true(kio_watch_is_closed(&tx));
    READY(&l, &closed);
}

static void changes_of_every_sender_are_told(void **state)
{
    struct kio_watch_tx second = kio_watch_tx_clone(&tx);
    int two = 2;

    (void)state;
    PENDING(&l, kio_watch_changed(&changed, &rx));
    assert_int_equal(kio_watch_send(&second, &two), 0);
    READY(&l, &changed);
    assert_int_equal(get(&rx), 2);
    PENDING(&l, kio_watch_changed(&changed, &rx));
    send(3);
    READY(&l, &changed);
    assert_int_equal(get(&rx), 3);
    kio_watch_tx_drop(&second);
}

static void the_last_sender_that_goes_is_told_and_no_other(void **state)
{
    struct kio_watch_tx second = kio_watch_tx_clone(&tx);

    (void)state;
    PENDING(&l, kio_watch_changed(&changed, &rx));
    kio_watch_tx_drop(&tx);
    assert_int_equal(l.wakes, 0);
    kio_watch_tx_drop(&second);
    assert_int_equal(l.wakes, 1);
    READY(&l, &changed);
    assert_int_equal(changed.out, -EPIPE);
}

static void both_ends_are_counted(void **state)
{
    struct kio_watch_tx second = kio_watch_tx_clone(&tx);
    struct kio_watch_rx other = kio_watch_subscribe(&tx);

    (void)state;
    assert_int_equal(kio_watch_sender_count(&rx), 2);
    assert_int_equal(kio_watch_receiver_count(&tx), 2);
    assert_true(kio_watch_same_channel(&tx, &second));
    assert_true(kio_watch_same_channel(&rx, &second));
    kio_watch_tx_drop(&second);
    kio_watch_rx_drop(&other);
    kio_watch_rx_drop(&other); /* of an empty one: nothing */
    assert_int_equal(kio_watch_sender_count(&tx), 1);
    assert_int_equal(kio_watch_receiver_count(&rx), 1);
}

/* ---- in place ----------------------------------------------------------------------------- */

static void add(void *value, void *arg)
{
    *(int *)value += *(int *)arg;
}

static bool add_if_even(void *value, void *arg)
{
    *(int *)value += *(int *)arg;
    return *(int *)arg % 2 == 0;
}

static void look(const void *value, void *arg)
{
    *(int *)arg = *(const int *)value;
}

static void a_change_in_place_is_told(void **state)
{
    int five = 5;

    (void)state;
    PENDING(&l, kio_watch_changed(&changed, &rx));
    kio_watch_send_modify(&tx, add, &five);
    assert_int_equal(l.wakes, 1);
    READY(&l, &changed);
    assert_int_equal(get(&rx), 6);
    kio_watch_rx_drop(&rx);
    kio_watch_send_modify(&tx, add, &five); /* without a receiver, too */
    rx = kio_watch_subscribe(&tx);
    assert_int_equal(get(&rx), 11);
}

static void a_change_in_place_is_told_only_if_it_says_so(void **state)
{
    int odd = 3, even = 4;

    (void)state;
    PENDING(&l, kio_watch_changed(&changed, &rx));
    assert_false(kio_watch_send_if_modified(&tx, add_if_even, &odd));
    assert_int_equal(l.wakes, 0);
    assert_int_equal(kio_watch_has_changed(&rx), 0);
    assert_int_equal(peek(), 4); /* it is changed nevertheless */
    assert_true(kio_watch_send_if_modified(&tx, add_if_even, &even));
    assert_int_equal(l.wakes, 1);
    READY(&l, &changed);
    assert_int_equal(get(&rx), 8);
}

static void a_replaced_value_comes_back(void **state)
{
    int next = 2, old = 0;

    (void)state;
    PENDING(&l, kio_watch_changed(&changed, &rx));
    kio_watch_send_replace(&tx, &next, &old);
    assert_int_equal(old, 1);
    assert_int_equal(l.wakes, 1);
    READY(&l, &changed);
    kio_watch_rx_drop(&rx);
    next = 3;
    kio_watch_send_replace(&tx, &next, NULL);
    rx = kio_watch_subscribe(&tx);
    assert_int_equal(get(&rx), 3);
}

static void a_look_sees_the_value_itself_and_may_count_as_seen(void **state)
{
    int seen = 0;

    (void)state;
    send(2);
    kio_watch_borrow(&rx, look, &seen);
    assert_int_equal(seen, 2);
    assert_int_equal(kio_watch_has_changed(&rx), 1);
    kio_watch_borrow_and_update(&rx, look, &seen);
    assert_int_equal(kio_watch_has_changed(&rx), 0);
    send(7);
    kio_watch_borrow(&tx, look, &seen);
    assert_int_equal(seen, 7);
}

/* ---- wait_for ----------------------------------------------------------------------------- */

static int asked;

static bool at_least(const void *value, void *arg)
{
    asked++;
    return *(const int *)value >= *(int *)arg;
}

static void wait_for_asks_of_each_value_once_and_ends_when_it_holds(void **state)
{
    struct kio_watch_wait_for wait = { 0 };
    static int limit = 3;
    static int found;

    (void)state;
    asked = 0;
    PENDING(&l, kio_watch_wait_for(&wait, &rx, at_least, &limit, &found));
    assert_int_equal(asked, 1); /* of the first one */
    PENDING(&l, &wait);
    assert_int_equal(asked, 1); /* polled without a change */
    send(2);
    assert_int_equal(l.wakes, 1);
    PENDING(&l, &wait);
    assert_int_equal(asked, 2);
    assert_int_equal(kio_watch_has_changed(&rx), 0); /* looked at is seen */
    send(5);
    READY(&l, &wait);
    assert_int_equal(wait.out, 0);
    assert_int_equal(found, 5);
    READY(&l, kio_watch_wait_for(&wait, &rx, at_least, &limit, NULL)); /* it still does */
    assert_int_equal(wait.out, 0);
}

static void wait_for_holds_for_the_last_value_of_a_sender_that_has_gone(void **state)
{
    struct kio_watch_wait_for wait = { 0 };
    static int limit = 2;

    (void)state;
    send(2);
    kio_watch_tx_drop(&tx);
    READY(&l, kio_watch_wait_for(&wait, &rx, at_least, &limit, NULL));
    assert_int_equal(wait.out, 0);
}

static void wait_for_ends_when_no_value_will_come(void **state)
{
    struct kio_watch_wait_for wait = { 0 };
    static int limit = 100;

    (void)state;
    PENDING(&l, kio_watch_wait_for(&wait, &rx, at_least, &limit, NULL));
    kio_watch_tx_drop(&tx);
    assert_int_equal(l.wakes, 1);
    READY(&l, &wait);
    assert_int_equal(wait.out, -EPIPE);
    READY(&l, kio_watch_wait_for(&wait, &rx, at_least, &limit, NULL));
    assert_int_equal(wait.out, -EPIPE);
}

static void a_dropped_wait_for_leaves_no_waker(void **state)
{
    struct kio_watch_wait_for wait = { 0 };
    static int limit = 100;

    (void)state;
    PENDING(&l, kio_watch_wait_for(&wait, &rx, at_least, &limit, NULL));
    kio_drop(&wait);
    assert_int_equal(l.clones, l.drops);
    send(2);
    assert_int_equal(l.wakes, 0);
    assert_int_equal(kio_watch_has_changed(&rx), 1);
}

static void no_memory_is_an_error(void **state)
{
    struct kio_watch_tx t;
    struct kio_watch_rx r;
    int one = 1;

    (void)state;
    ki_mem_fail_at(1);
    assert_int_equal(kio_watch_channel(&t, &r, sizeof one, &one), -ENOMEM);
    kio_watch_tx_drop(&t);
    kio_watch_rx_drop(&r);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, open_channel, close_channel)
    const struct CMUnitTest tests[] = {
        T(the_first_value_is_seen_and_each_change_is_told_and_the_end),
        T(every_receiver_is_told_of_every_change),
        T(the_last_value_is_told_after_the_sender_has_gone),
        T(changed_is_the_end_at_once_when_all_was_seen),
        T(has_changed_tells_of_the_last_value_before_the_end),
        T(getting_a_value_is_seeing_it_and_peeking_is_not),
        T(a_dropped_changed_has_seen_nothing),
        T(marking_the_first_value_changed_twice_is_marking_it_once),
        T(a_value_marked_changed_is_new_to_that_receiver_alone),
        T(a_value_marked_unchanged_is_seen),
        T(a_clone_has_seen_what_its_receiver_has),
        T(closed_is_ready_when_the_last_receiver_goes),
        T(a_new_receiver_opens_it_again),
        T(changes_of_every_sender_are_told),
        T(the_last_sender_that_goes_is_told_and_no_other),
        T(both_ends_are_counted),
        T(a_change_in_place_is_told),
        T(a_change_in_place_is_told_only_if_it_says_so),
        T(a_replaced_value_comes_back),
        T(a_look_sees_the_value_itself_and_may_count_as_seen),
        T(wait_for_asks_of_each_value_once_and_ends_when_it_holds),
        T(wait_for_holds_for_the_last_value_of_a_sender_that_has_gone),
        T(wait_for_ends_when_no_value_will_come),
        T(a_dropped_wait_for_leaves_no_waker),
        T(no_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
