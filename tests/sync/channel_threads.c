/* Channels between plain threads: every message arrives once, whatever is dropped on the way. */
#include "support/little.h"

#include <kioto/broadcast.h>
#include <kioto/channel.h>
#include <kioto/watch.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SENDERS 4

static int per_sender = 20000;
static struct kio_rx rx;
static unsigned seed;

struct sender {
    struct kio_tx tx;
    unsigned rand;
    long sum;
    pthread_t thread;
};

/* Sends; every now and then polls a send once, drops it, and sends again: nothing may double. */
static void *send_all(void *arg)
{
    struct sender *s = arg;

    for (int i = 1; i <= per_sender; i++) {
        struct kio_send send = { 0 };
        struct little l;

        little_init(&l);
        if (rand_r(&s->rand) % 4 == 0) {
            kio_send(&send, &s->tx, &i);
            if (poll_once(&l, &send) == KIO_READY) {
                little_settle(&l);
                s->sum += i;
                continue;
            }
            kio_drop(&send);
            little_settle(&l);
        }
        assert_int_equal(kio_blocking_send(&s->tx, &i), 0);
        s->sum += i;
    }
    kio_tx_drop(&s->tx);
    return NULL;
}

static void run(int capacity)
{
    struct sender senders[SENDERS];
    struct kio_tx tx;
    long got = 0, want = 0;
    int value, count = 0;

    if (capacity)
        assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof(int), (size_t)capacity), 0);
    else
        assert_int_equal(kio_mpsc_unbounded(&tx, &rx, sizeof(int)), 0);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .tx = kio_tx_clone(&tx), .rand = seed + (unsigned)i };
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    kio_tx_drop(&tx);
    for (;;) {
        struct kio_recv recv = { 0 };
        struct little l;

        little_init(&l);
        if (rand_r(&seed) % 8 == 0) { /* a receive that is dropped takes nothing */
            kio_recv(&recv, &rx, &value);
            if (poll_once(&l, &recv) == KIO_READY) {
                if (!recv.out)
                    break;
                got += value;
                count++;
                continue;
            }
            kio_drop(&recv);
            little_settle(&l);
        }
        if (!kio_blocking_recv(&rx, &value))
            break;
        got += value;
        count++;
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        want += senders[i].sum;
    }
    kio_rx_drop(&rx);
    assert_int_equal(count, SENDERS * per_sender);
    assert_int_equal(got, want);
}

static void nothing_is_lost_or_doubled_through_one_place(void **state)
{
    (void)state;
    run(1);
}

static void nothing_is_lost_or_doubled_through_a_ring(void **state)
{
    (void)state;
    run(64);
}

static void nothing_is_lost_or_doubled_without_a_bound(void **state)
{
    (void)state;
    run(0);
}

static void *answer(void *arg)
{
    int value = 42;

    kio_oneshot_send((struct kio_oneshot_tx *)arg, &value);
    return NULL;
}

static void a_oneshot_crosses_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct kio_oneshot_tx tx;
        struct kio_oneshot_rx once;
        pthread_t thread;
        int value = 0;

        assert_int_equal(kio_oneshot_channel(&tx, &once, sizeof(int)), 0);
        assert_int_equal(pthread_create(&thread, NULL, answer, &tx), 0);
        assert_int_equal(kio_oneshot_blocking_recv(&once, &value), 1);
        assert_int_equal(value, 42);
        pthread_join(thread, NULL);
    }
}

/* ---- counts while it closes: tokio#8062, whose len() ran below zero --------------------------- */

struct asker {
    struct kio_tx tx;
    pthread_t thread;
};

static void *ask_and_send(void *arg)
{
    struct asker *a = arg;

    for (int i = 0;; i++) {
        assert_in_range(kio_tx_capacity(&a->tx), 0, 8);
        if (kio_try_send(&a->tx, &i) == -EPIPE)
            break;
    }
    assert_in_range(kio_tx_capacity(&a->tx), 0, 8);
    kio_tx_drop(&a->tx);
    return NULL;
}

static void counts_stay_in_range_while_it_closes(void **state)
{
    (void)state;
    for (int round = 0; round < per_sender / 100; round++) {
        struct asker askers[2];
        struct kio_tx tx;
        int value;

        assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof(int), 8), 0);
        for (int i = 0; i < 2; i++) {
            askers[i].tx = kio_tx_clone(&tx);
            assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_and_send, &askers[i]), 0);
        }
        kio_tx_drop(&tx);
        for (int i = 0; i < 50; i++) {
            if (i == 25)
                kio_rx_close(&rx);
            assert_in_range(kio_rx_len(&rx), 0, 8);
            assert_true(kio_try_recv(&rx, &value) <= 1);
        }
        while (kio_blocking_recv(&rx, &value))
            assert_in_range(kio_rx_len(&rx), 0, 8);
        assert_int_equal(kio_rx_len(&rx), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(askers[i].thread, NULL);
        kio_rx_drop(&rx);
    }
}

/* ---- broadcast: tokio#7232, whose receivers copied a message unsynchronised ------------------- */

/* All words are the same: a torn copy shows. */
struct wide {
    int words[16];
};

static struct wide wide(int value)
{
    struct wide w;

    for (int i = 0; i < 16; i++)
        w.words[i] = value;
    return w;
}

static void is_whole(const struct wide *w)
{
    for (int i = 1; i < 16; i++)
        assert_int_equal(w->words[i], w->words[0]);
}

struct listener {
    struct kio_broadcast_rx rx;
    uint64_t received, missed;
    pthread_t thread;
};

static void *listen_to_all(void *arg)
{
    struct listener *me = arg;
    int last = -1;

    for (;;) {
        struct wide w;
        uint64_t missed = 0;
        int got = kio_broadcast_blocking_recv(&me->rx, &w, &missed);

        if (!got)
            break;
        me->missed += missed;
        if (got != 1)
            continue;
        is_whole(&w);
        assert_true(w.words[0] > last);
        last = w.words[0];
        me->received++;
    }
    kio_broadcast_rx_drop(&me->rx);
    return NULL;
}

static void a_broadcast_reaches_every_thread_whole_or_is_counted_as_missed(void **state)
{
    struct kio_broadcast_tx tx;
    struct listener listeners[3] = { 0 };

    (void)state;
    assert_int_equal(kio_broadcast_channel(&tx, &listeners[0].rx, sizeof(struct wide), 4), 0);
    for (int i = 1; i < 3; i++)
        listeners[i].rx = kio_broadcast_subscribe(&tx);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&listeners[i].thread, NULL, listen_to_all, &listeners[i]), 0);
    for (int i = 0; i < per_sender; i++) {
        struct wide w = wide(i);

        assert_int_equal(kio_broadcast_send(&tx, &w), 3);
    }
    kio_broadcast_tx_drop(&tx);
    for (int i = 0; i < 3; i++) {
        pthread_join(listeners[i].thread, NULL);
        assert_int_equal(listeners[i].received + listeners[i].missed, per_sender);
        assert_true(listeners[i].received >= 4); /* the last ones are kept for all */
    }
}

/* ---- watch ----------------------------------------------------------------------------------- */

struct watcher {
    struct kio_watch_rx rx;
    struct kio_watch_changed changed;
    struct wide value;
    pthread_t thread;
};

static void *watch_all(void *arg)
{
    struct watcher *me = arg;
    int last = 0;

    for (;;) {
        struct little l;

        little_init(&l);
        block_on(&l, kio_watch_changed(&me->changed, &me->rx));
        if (me->changed.out)
            break;
        kio_watch_get(&me->rx, &me->value);
        is_whole(&me->value);
        assert_true(me->value.words[0] >= last);
        last = me->value.words[0];
    }
    kio_watch_rx_drop(&me->rx);
    return NULL;
}

static void add_one(void *value, void *arg)
{
    struct wide *w = value;

    (void)arg;
    *w = wide(w->words[0] + 1);
}

struct adder {
    struct kio_watch_tx tx;
    pthread_t thread;
};

static void *add_many(void *arg)
{
    struct adder *me = arg;

    for (int i = 0; i < per_sender / 2; i++)
        kio_watch_send_modify(&me->tx, add_one, NULL);
    kio_watch_tx_drop(&me->tx);
    return NULL;
}

static void a_watch_shows_whole_values_and_no_change_in_place_is_lost(void **state)
{
    struct watcher watchers[2] = { 0 };
    struct adder adders[2];
    struct wide zero = wide(0);

    (void)state;
    assert_int_equal(kio_watch_channel(&adders[0].tx, &watchers[0].rx, sizeof zero, &zero), 0);
    adders[1].tx = kio_watch_tx_clone(&adders[0].tx);
    watchers[1].rx = kio_watch_rx_clone(&watchers[0].rx);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&watchers[i].thread, NULL, watch_all, &watchers[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&adders[i].thread, NULL, add_many, &adders[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(adders[i].thread, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_join(watchers[i].thread, NULL);
        assert_int_equal(watchers[i].value.words[0], per_sender / 2 * 2); /* the last one is seen */
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_or_doubled_through_one_place),
        cmocka_unit_test(nothing_is_lost_or_doubled_through_a_ring),
        cmocka_unit_test(nothing_is_lost_or_doubled_without_a_bound),
        cmocka_unit_test(a_oneshot_crosses_threads),
        cmocka_unit_test(counts_stay_in_range_while_it_closes),
        cmocka_unit_test(a_broadcast_reaches_every_thread_whole_or_is_counted_as_missed),
        cmocka_unit_test(a_watch_shows_whole_values_and_no_change_in_place_is_lost),
    };

    seed = argc > 1 ? (unsigned)atoi(argv[1]) : (unsigned)time(NULL);
    printf("seed %u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
