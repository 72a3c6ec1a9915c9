/* Who waits is woken one after another when something closes, with the lock let go in between. One that
 * is polled in such a moment, before its turn, ends; nobody comes back to it. */
#include "support/little.h"

#include <kioto.h>

#include <errno.h>
#include <string.h>

#define MANY 40 /* more than are woken at once */

/* When it is woken, the last in the line is polled, and its memory used for something else. */
struct hasty {
    struct kio_wakeable wakeable;
    struct little little;
    kio_future *last;
    int *out, seen;
    size_t size;
};

static void hasty_wake(struct kio_wakeable *self)
{
    struct hasty *h = (struct hasty *)self;

    if (!h->last)
        return;
    assert_int_equal(little_poll(&h->little, h->last), KIO_READY);
    h->seen = *h->out;
    memset(h->last, 0xaa, h->size);
    h->last = NULL;
}

static const kio_waker_type hasty_type = { .name = "hasty", .wake = hasty_wake };

static void hasty_init(struct hasty *h, kio_future *last, int *out, size_t size)
{
    *h = (struct hasty){ .wakeable = { &hasty_type }, .last = last, .out = out, .size = size };
    little_init(&h->little);
}

static void wait_hastily(struct hasty *h, kio_future *f)
{
    kio_context cx;

    kio_context_init(&cx, (kio_waker){ &h->wakeable });
    assert_int_equal(kio_future_poll(f, &cx), KIO_PENDING);
}

static void check_untouched(const struct hasty *h, const void *memory)
{
    assert_null(h->last);
    assert_int_equal(h->seen, -EPIPE);
    for (size_t i = 0; i < h->size; i++)
        assert_int_equal(((const unsigned char *)memory)[i], 0xaa);
}

static void send_polled_while_the_receiver_goes_leaves_the_line(void **state)
{
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_send sends[MANY] = { 0 };
    struct hasty h;
    int value = 1;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof value, 1), 0);
    assert_int_equal(kio_try_send(&tx, &value), 0);
    hasty_init(&h, &sends[MANY - 1].kio, &sends[MANY - 1].out, sizeof sends[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_send(&sends[i], &tx, &value)->kio);
    kio_rx_drop(&rx);
    check_untouched(&h, &sends[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &sends[i]), KIO_READY);
    kio_tx_drop(&tx);
    little_settle(&h.little);
}

static void reserve_polled_during_a_close_leaves_the_line(void **state)
{
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_reserve reserves[MANY] = { 0 };
    struct kio_permit permits[MANY];
    struct hasty h;
    int value = 1;

    (void)state;
    assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof value, 1), 0);
    assert_int_equal(kio_try_send(&tx, &value), 0);
    hasty_init(&h, &reserves[MANY - 1].kio, &reserves[MANY - 1].out, sizeof reserves[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_reserve(&reserves[i], &tx, &permits[i])->kio);
    kio_rx_close(&rx);
    check_untouched(&h, &reserves[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &reserves[i]), KIO_READY);
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    little_settle(&h.little);
}

static void acquire_polled_while_the_semaphore_closes_leaves_the_line(void **state)
{
    struct kio_semaphore semaphore;
    struct kio_acquire acquires[MANY] = { 0 };
    struct hasty h;

    (void)state;
    kio_semaphore_init(&semaphore, 0);
    hasty_init(&h, &acquires[MANY - 1].kio, &acquires[MANY - 1].out, sizeof acquires[0]);
    for (int i = 0; i < MANY; i++)
        wait_hastily(&h, &kio_acquire(&acquires[i], &semaphore, 1)->kio);
    kio_semaphore_close(&semaphore);
    check_untouched(&h, &acquires[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++)
        assert_int_equal(poll_once(&h.little, &acquires[i]), KIO_READY);
    little_settle(&h.little);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(send_polled_while_the_receiver_goes_leaves_the_line),
        cmocka_unit_test(reserve_polled_during_a_close_leaves_the_line),
        cmocka_unit_test(acquire_polled_while_the_semaphore_closes_leaves_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
