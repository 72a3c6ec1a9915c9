/* Channels between plain threads: every message arrives once, whatever is dropped on the way. */
#include "support/little.h"

#include <kioto/channel.h>

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_or_doubled_through_one_place),
        cmocka_unit_test(nothing_is_lost_or_doubled_through_a_ring),
        cmocka_unit_test(nothing_is_lost_or_doubled_without_a_bound),
        cmocka_unit_test(a_oneshot_crosses_threads),
    };

    seed = argc > 1 ? (unsigned)atoi(argv[1]) : (unsigned)time(NULL);
    printf("seed %u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
