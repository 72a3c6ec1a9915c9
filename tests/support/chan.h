/* An mpsc channel of ints for tests by hand: bounded and unbounded, one little for each who waits. */
#ifndef TESTS_SUPPORT_CHAN_H
#define TESTS_SUPPORT_CHAN_H

#include "support/little.h"
#include "base/mem.h"

#include <kioto/channel.h>

#include <errno.h>

static struct kio_tx tx;
static struct kio_rx rx;
static struct little l;
static long blocks_before;

/* capacity SIZE_MAX: unbounded */
static inline void open_channel(size_t capacity)
{
    little_init(&l);
    blocks_before = ki_mem_alive();
    if (capacity == SIZE_MAX)
        assert_int_equal(kio_mpsc_unbounded(&tx, &rx, sizeof(int)), 0);
    else
        assert_int_equal(kio_mpsc_channel(&tx, &rx, sizeof(int), capacity), 0);
}

/* Everything that was made of it is gone: memory and wakers. */
static inline void close_channel(void)
{
    kio_tx_drop(&tx);
    kio_rx_drop(&rx);
    assert_int_equal(ki_mem_alive(), blocks_before);
    assert_int_equal(l.clones, l.drops);
}

/* for (each kind of channel, opened and closed) */
#define BOTH_KINDS(bound)                                                                          \
    for (int kind_ = 0; kind_ < 2 && (open_channel(kind_ ? SIZE_MAX : (bound)), true);             \
         close_channel(), kind_++)

static inline void send_now(int value)
{
    assert_int_equal(kio_try_send(&tx, &value), 0);
}

static inline int recv_now(void)
{
    int value = -1;

    assert_int_equal(kio_try_recv(&rx, &value), 1);
    return value;
}

/* What try_recv says when nothing is there. */
static inline int recv_nothing(void)
{
    int value = -1;
    int said = kio_try_recv(&rx, &value);

    assert_int_equal(value, -1);
    return said;
}

#define PENDING(l, fut) assert_int_equal(poll_once(l, fut), KIO_PENDING)
#define READY(l, fut)   assert_int_equal(poll_once(l, fut), KIO_READY)

#endif
