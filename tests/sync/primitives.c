/* Semaphore, mutex, rwlock, notify, barrier, once, watch, broadcast, cancel tokens under a little
 * executor: order, cancel safety, counts of wakes. SEMANTICS.md, Sync; TOKIO.md S clauses. */
#include "support/little.h"
#include "base/mem.h"

#include <kioto/combine.h>
#include <kioto/sync.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct little l;

static int setup(void **state)
{
    (void)state;
    little_init(&l);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return l.clones == l.drops ? 0 : -1; /* every waker was given back */
}

#define PENDING(fut) assert_int_equal(poll_once(&l, fut), KIO_PENDING)
#define READY(fut)   assert_int_equal(poll_once(&l, fut), KIO_READY)

/* ---- semaphore ---------------------------------------------------------------------------- */

static void a_large_request_is_not_overtaken(void **state)
{
    struct kio_semaphore s;
    struct kio_acquire big = { 0 }, small = { 0 };

    (void)state;
    kio_semaphore_init(&s, 3);
    PENDING(kio_acquire(&big, &s, 5));
    PENDING(kio_acquire(&small, &s, 1));
    assert_int_equal(kio_try_acquire(&s, 1), -EAGAIN);
    kio_release(&s, 1);
    assert_int_equal(l.wakes, 0);
    kio_release(&s, 1);
    assert_int_equal(l.wakes, 1);
    READY(&big);
    PENDING(&small);
    kio_release(&s, 5);
    READY(&small);
    assert_int_equal(kio_semaphore_available(&s), 4);
}

static void a_dropped_request_lets_those_behind_it_go_on(void **state)
{
    struct kio_semaphore s;
    struct kio_acquire big = { 0 }, small = { 0 };

    (void)state;
    kio_semaphore_init(&s, 2);
    PENDING(kio_acquire(&big, &s, 5));
    PENDING(kio_acquire(&small, &s, 2));
    kio_drop(&big);
    assert_int_equal(l.wakes, 1);
    READY(&small);
    assert_int_equal(kio_semaphore_available(&s), 0);
}

static void permits_granted_and_never_seen_come_back(void **state)
{
    struct kio_semaphore s;
    struct kio_acquire a = { 0 };

    (void)state;
    kio_semaphore_init(&s, 0);
    PENDING(kio_acquire(&a, &s, 2));
    kio_release(&s, 2);
    kio_drop(&a);
    assert_int_equal(kio_semaphore_available(&s), 2);
}

static void closing_a_semaphore_wakes_everybody(void **state)
{
    struct kio_semaphore s;
    struct kio_acquire a[20] = { 0 };

    (void)state;
    kio_semaphore_init(&s, 0);
    for (int i = 0; i < 20; i++)
        PENDING(kio_acquire(&a[i], &s, 1));
    kio_semaphore_close(&s);
    assert_int_equal(l.wakes, 20);
    for (int i = 0; i < 20; i++) {
        READY(&a[i]);
        assert_int_equal(a[i].out, -EPIPE);
    }
    assert_int_equal(kio_try_acquire(&s, 1), -EPIPE);
}

/* ---- mutex -------------------------------------------------------------------------------- */

static void a_mutex_is_handed_over_in_order(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_lock a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

    (void)state;
    READY(kio_lock(&a, &m));
    assert_int_equal(kio_try_lock(&d, &m), -EAGAIN);
    PENDING(kio_lock(&b, &m));
    PENDING(kio_lock(&c, &m));
    kio_unlock(&a);
    assert_int_equal(l.wakes, 1);
    assert_int_equal(kio_try_lock(&d, &m), -EAGAIN); /* it is b's already */
    READY(&b);
    kio_unlock(&b);
    kio_unlock(&b); /* twice is once */
    READY(&c);
    kio_unlock(&c);
    assert_int_equal(kio_try_lock(&d, &m), 0);
    kio_unlock(&d);
}

static void a_lock_granted_and_never_seen_goes_to_the_next(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_lock a = { 0 }, b = { 0 }, c = { 0 };

    (void)state;
    READY(kio_lock(&a, &m));
    PENDING(kio_lock(&b, &m));
    PENDING(kio_lock(&c, &m));
    kio_unlock(&a);
    kio_drop(&b); /* it had the lock and did not know */
    assert_int_equal(l.wakes, 2);
    READY(&c);
    kio_drop(&c);
}

struct holder {
    async_fn(void);
    struct kio_mutex *mutex;
    struct kio_lock guard;
    struct kio_notify *go;
    struct kio_notified wait;
};

async(holder)
{
    async_begin;
    await(kio_lock(&self->guard, self->mutex));
    await(kio_notified(&self->wait, self->go));
    async_return();
}

static void a_guard_is_released_with_its_function(void **state)
{
    struct kio_mutex m = { 0 };
    struct kio_notify go = { 0 };
    struct kio_lock a = { 0 };
    struct holder h = { 0 };

    (void)state;
    PENDING(async_call(&h, holder, .mutex = &m, .go = &go));
    PENDING(kio_lock(&a, &m));
    kio_drop(&h); /* dropped in the middle */
    READY(&a);
    kio_unlock(&a);
    PENDING(async_call(&h, holder, .mutex = &m, .go = &go));
    PENDING(kio_lock(&a, &m));
    kio_notify_one(&go);
    READY(&h); /* ended */
    READY(&a);
    kio_unlock(&a);
}

/* ---- rwlock ------------------------------------------------------------------------------- */

static void readers_share_and_a_waiting_writer_holds_up_new_ones(void **state)
{
    struct kio_rwlock rw = { 0 };
    struct kio_rw_guard r1 = { 0 }, r2 = { 0 }, r3 = { 0 }, w = { 0 };

    (void)state;
    READY(kio_read_lock(&r1, &rw));
    READY(kio_read_lock(&r2, &rw));
    PENDING(kio_write_lock(&w, &rw));
    PENDING(kio_read_lock(&r3, &rw));
    kio_rw_unlock(&r1);
    PENDING(&w);
    kio_rw_unlock(&r2);
    READY(&w);
    PENDING(&r3);
    kio_rw_downgrade(&w);
    READY(&r3);
    kio_rw_unlock(&w);
    kio_rw_unlock(&r3);
    READY(kio_write_lock(&w, &rw));
    kio_rw_unlock(&w);
}

static void a_writer_that_leaves_the_line_lets_readers_in(void **state)
{
    struct kio_rwlock rw = { 0 };
    struct kio_rw_guard r1 = { 0 }, r2 = { 0 }, w = { 0 };

    (void)state;
    READY(kio_read_lock(&r1, &rw));
    PENDING(kio_write_lock(&w, &rw));
    PENDING(kio_read_lock(&r2, &rw));
    kio_drop(&w);
    READY(&r2);
    kio_drop(&r1);
    kio_drop(&r2);
}

/* ---- notify ------------------------------------------------------------------------------- */

static void notify_one_keeps_one_permit_and_no_more(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    kio_notify_one(&n);
    kio_notify_one(&n);
    READY(kio_notified(&a, &n));
    PENDING(kio_notified(&b, &n));
    kio_notify_one(&n);
    READY(&b);
}

static void notify_one_wakes_the_longest_waiting_and_passes_on(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    PENDING(kio_notified(&a, &n));
    PENDING(kio_notified(&b, &n));
    kio_notify_one(&n);
    assert_int_equal(l.wakes, 1);
    kio_drop(&a); /* chosen, never looked */
    assert_int_equal(l.wakes, 2);
    READY(&b);
}

static void notify_waiters_reaches_who_was_made_before(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified made = { 0 }, polled = { 0 }, later = { 0 };

    (void)state;
    kio_notified(&made, &n);
    PENDING(kio_notified(&polled, &n));
    kio_notify_waiters(&n);
    kio_notified(&later, &n);
    READY(&made);
    READY(&polled);
    PENDING(&later);
    kio_drop(&later);
}

static void enable_takes_the_place_without_a_poll(void **state)
{
    struct kio_notify n = { 0 };
    struct kio_notified a = { 0 }, b = { 0 };

    (void)state;
    kio_notified(&a, &n);
    assert_false(kio_notified_enable(&a));
    PENDING(kio_notified(&b, &n));
    kio_notify_one(&n);
    PENDING(&b);
    READY(&a);
    kio_drop(&b);
}

/* ---- barrier ------------------------------------------------------------------------------ */

static void the_last_to_arrive_leads_and_it_is_used_again(void **state)
{
    struct kio_barrier b;
    struct kio_barrier_wait w[3] = { 0 };

    (void)state;
    kio_barrier_init(&b, 3);
    for (int round = 0; round < 2; round++) {
        PENDING(kio_barrier_wait(&w[0], &b));
        PENDING(kio_barrier_wait(&w[1], &b));
        PENDING(&w[1]);
        kio_drop(&w[1]); /* it has not arrived */
        PENDING(kio_barrier_wait(&w[1], &b));
        READY(kio_barrier_wait(&w[2], &b));
        assert_int_equal(w[2].out, 1);
        READY(&w[0]);
        READY(&w[1]);
        assert_int_equal(w[0].out + w[1].out, 0);
    }
}

/* ---- once --------------------------------------------------------------------------------- */

static void one_initialises_and_if_it_gives_up_the_next_does(void **state)
{
    struct kio_once_cell cell = { 0 };
    struct kio_once_init a = { 0 }, b = { 0 }, c = { 0 };

    (void)state;
    READY(kio_once_init(&a, &cell));
    assert_int_equal(a.out, 1);
    PENDING(kio_once_init(&b, &cell));
    PENDING(kio_once_init(&c, &cell));
    kio_drop(&a); /* gives up */
    READY(&b);
    assert_int_equal(b.out, 1);
    PENDING(&c);
    kio_once_done(&b);
    READY(&c);
    assert_int_equal(c.out, 0);
    assert_true(kio_once_is_done(&cell));
}

/* ---- watch -------------------------------------------------------------------------------- */

static void a_watch_shows_the_latest_and_tells_of_changes(void **state)
{
    struct kio_watch_tx tx;
    struct kio_watch_rx rx, other;
    struct kio_watch_changed changed = { 0 };
    int value = 1;

    (void)state;
    assert_int_equal(kio_watch_channel(&tx, &rx, sizeof(int), &value), 0);
    assert_int_equal(kio_watch_has_changed(&rx), 0); /* the first counts as seen */
    PENDING(kio_watch_changed(&changed, &rx));
    value = 2;
    assert_int_equal(kio_watch_send(&tx, &value), 0);
    value = 3;
    assert_int_equal(kio_watch_send(&tx, &value), 0);
    assert_int_equal(l.wakes, 1);
    READY(&changed);
    assert_int_equal(changed.out, 0);
    PENDING(kio_watch_changed(&changed, &rx)); /* seen */
    kio_watch_get(&rx, &value);
    assert_int_equal(value, 3);
    other = kio_watch_subscribe(&tx);
    assert_int_equal(kio_watch_has_changed(&other), 0);
    kio_watch_tx_drop(&tx);
    READY(&changed);
    assert_int_equal(changed.out, -EPIPE);
    assert_int_equal(kio_watch_has_changed(&rx), -EPIPE);
    kio_watch_rx_drop(&rx);
    kio_watch_get(&other, &value); /* the value outlives the sender */
    assert_int_equal(value, 3);
    kio_watch_rx_drop(&other);
}

static void a_watch_without_receivers_is_closed(void **state)
{
    struct kio_watch_tx tx;
    struct kio_watch_rx rx;
    int value = 1;

    (void)state;
    assert_int_equal(kio_watch_channel(&tx, &rx, sizeof(int), &value), 0);
    kio_watch_rx_drop(&rx);
    assert_int_equal(kio_watch_send(&tx, &value), -EPIPE);
    kio_watch_tx_drop(&tx);
    ki_mem_fail_at(1);
    assert_int_equal(kio_watch_channel(&tx, &rx, sizeof(int), &value), -ENOMEM);
}

/* ---- broadcast ---------------------------------------------------------------------------- */

static void every_receiver_gets_every_message_and_laggards_are_told(void **state)
{
    struct kio_broadcast_tx tx;
    struct kio_broadcast_rx a, b;
    struct kio_broadcast_recv recv = { 0 };
    int value = 0;

    (void)state;
    assert_int_equal(kio_broadcast_channel(&tx, &a, sizeof(int), 0), -EINVAL);
    assert_int_equal(kio_broadcast_channel(&tx, &a, sizeof(int), 3), 0);
    PENDING(kio_broadcast_recv(&recv, &a, &value));
    for (int i = 1; i <= 2; i++)
        assert_int_equal(kio_broadcast_send(&tx, &i), 1);
    assert_int_equal(l.wakes, 1);
    b = kio_broadcast_subscribe(&tx);
    READY(&recv);
    assert_int_equal(value, 1);
    for (int i = 3; i <= 6; i++)
        assert_int_equal(kio_broadcast_send(&tx, &i), 2);
    READY(kio_broadcast_recv(&recv, &a, &value));
    assert_int_equal(recv.out, -EOVERFLOW);
    assert_int_equal(recv.missed, 2); /* 2 and 3 */
    READY(kio_broadcast_recv(&recv, &a, &value));
    assert_int_equal(value, 4);
    READY(kio_broadcast_recv(&recv, &b, &value));
    assert_int_equal(recv.out, -EOVERFLOW);
    assert_int_equal(recv.missed, 1);
    kio_broadcast_tx_drop(&tx);
    for (int i = 5; i <= 6; i++) {
        READY(kio_broadcast_recv(&recv, &a, &value));
        assert_int_equal(value, i);
    }
    READY(kio_broadcast_recv(&recv, &a, &value));
    assert_int_equal(recv.out, 0);
    kio_broadcast_rx_drop(&a);
    kio_broadcast_rx_drop(&b);
}

static void a_broadcast_to_nobody_fails(void **state)
{
    struct kio_broadcast_tx tx, clone;
    struct kio_broadcast_rx rx;
    int value = 1;

    (void)state;
    assert_int_equal(kio_broadcast_channel(&tx, &rx, sizeof(int), 3), 0);
    clone = kio_broadcast_tx_clone(&tx);
    kio_broadcast_rx_drop(&rx);
    assert_int_equal(kio_broadcast_send(&clone, &value), -EPIPE);
    kio_broadcast_tx_drop(&tx);
    kio_broadcast_tx_drop(&clone);
}

/* ---- cancel tokens ------------------------------------------------------------------------ */

static void cancelling_a_parent_cancels_its_children(void **state)
{
    struct kio_cancel_token root, child, grandchild, late, copy;
    struct kio_cancelled a = { 0 }, b = { 0 };
    long before = ki_mem_alive();

    (void)state;
    assert_int_equal(kio_cancel_token_new(&root, NULL), 0);
    assert_int_equal(kio_cancel_token_new(&child, &root), 0);
    assert_int_equal(kio_cancel_token_new(&grandchild, &child), 0);
    copy = kio_cancel_token_clone(&root);
    PENDING(kio_cancelled(&a, &grandchild));
    PENDING(kio_cancelled(&b, &root));
    kio_cancel_token_drop(&grandchild); /* the future holds it */
    kio_cancel(&child);
    assert_int_equal(l.wakes, 1);
    READY(&a);
    PENDING(&b);
    assert_true(kio_is_cancelled(&child));
    assert_false(kio_is_cancelled(&root));
    kio_cancel(&copy);
    kio_cancel(&copy);
    READY(&b);
    assert_int_equal(kio_cancel_token_new(&late, &root), 0);
    assert_true(kio_is_cancelled(&late));
    kio_cancel_token_drop(&root);
    kio_cancel_token_drop(&copy);
    kio_cancel_token_drop(&child);
    kio_cancel_token_drop(&late);
    kio_cancel_token_drop(&late);
    assert_int_equal(ki_mem_alive(), before);
}

static void a_wide_and_deep_tree_is_cancelled_whole(void **state)
{
    static struct kio_cancel_token tokens[1000];

    (void)state;
    assert_int_equal(kio_cancel_token_new(&tokens[0], NULL), 0);
    for (int i = 1; i < 1000; i++)
        assert_int_equal(kio_cancel_token_new(&tokens[i], &tokens[i % 3 ? i - 1 : i / 2]), 0);
    kio_cancel(&tokens[0]);
    for (int i = 0; i < 1000; i++)
        assert_true(kio_is_cancelled(&tokens[i]));
    for (int i = 0; i < 1000; i++)
        kio_cancel_token_drop(&tokens[i]);
}

/* ---- threads ------------------------------------------------------------------------------ */

static struct kio_mutex shared_mutex;
static struct kio_semaphore shared_semaphore;
static int shared_count, inside;

static void *contend(void *arg)
{
    int rounds = getenv("KIOTO_TEST_QUICK") ? 200 : 5000;

    (void)arg;
    for (int i = 0; i < rounds; i++) {
        struct kio_lock guard = { 0 };
        struct kio_acquire permit = { 0 };
        struct little mine;

        little_init(&mine);
        if (i % 5 == 0) { /* waits a moment and goes away */
            kio_lock(&guard, &shared_mutex);
            poll_once(&mine, &guard);
            kio_drop(&guard);
            little_settle(&mine);
        }
        kio_lock(&guard, &shared_mutex);
        block_on(&mine, &guard);
        assert_int_equal(inside++, 0);
        shared_count++;
        inside--;
        kio_unlock(&guard);
        kio_acquire(&permit, &shared_semaphore, 1 + (size_t)i % 2);
        block_on(&mine, &permit);
        kio_release(&shared_semaphore, 1 + (size_t)i % 2);
    }
    return NULL;
}

static void locks_exclude_across_threads(void **state)
{
    int rounds = getenv("KIOTO_TEST_QUICK") ? 200 : 5000;
    pthread_t threads[4];

    (void)state;
    kio_semaphore_init(&shared_semaphore, 2);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, contend, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared_count, 4 * rounds);
    assert_int_equal(kio_semaphore_available(&shared_semaphore), 2);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_large_request_is_not_overtaken),
        T(a_dropped_request_lets_those_behind_it_go_on),
        T(permits_granted_and_never_seen_come_back),
        T(closing_a_semaphore_wakes_everybody),
        T(a_mutex_is_handed_over_in_order),
        T(a_lock_granted_and_never_seen_goes_to_the_next),
        T(a_guard_is_released_with_its_function),
        T(readers_share_and_a_waiting_writer_holds_up_new_ones),
        T(a_writer_that_leaves_the_line_lets_readers_in),
        T(notify_one_keeps_one_permit_and_no_more),
        T(notify_one_wakes_the_longest_waiting_and_passes_on),
        T(notify_waiters_reaches_who_was_made_before),
        T(enable_takes_the_place_without_a_poll),
        T(the_last_to_arrive_leads_and_it_is_used_again),
        T(one_initialises_and_if_it_gives_up_the_next_does),
        T(a_watch_shows_the_latest_and_tells_of_changes),
        T(a_watch_without_receivers_is_closed),
        T(every_receiver_gets_every_message_and_laggards_are_told),
        T(a_broadcast_to_nobody_fails),
        T(cancelling_a_parent_cancels_its_children),
        T(a_wide_and_deep_tree_is_cancelled_whole),
        T(locks_exclude_across_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
