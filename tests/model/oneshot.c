/*
 * oneshot: the message, the last word and the waker arrive whatever meets what; the channel is freed once,
 * after both ends' last use; wakers balance.
 *
 * Sources: src/sync/oneshot.c src/future/future.c src/future/waker.c src/future/block.c
 * Sources: src/future/thread_waker.c src/base/lock.c tests/model/checker/doors.c
 */
#include "checker/sleeper.h"

#include <kioto/channel.h>

#include <errno.h>

static struct sleeper *rx_task, *tx_task, *other_task;
static struct kio_oneshot_tx tx;
static struct kio_oneshot_rx rx;
static struct kio_oneshot_recv recv_slot;
static struct kio_oneshot_closed closed_slot;
static uint32_t *message; /* what is sent: memory that the sender wrote */
static uint32_t *received;
static int sent, got, destroyed;

static void destroy(void *at)
{
    uint32_t *m = *(uint32_t **)at;

    MC_ASSERT(*m == 42);
    mc_free(m);
    destroyed++;
}

static void begin(void)
{
    rx_task = sleeper_new();
    tx_task = sleeper_new();
    other_task = sleeper_new();
    MC_ASSERT(!kio_oneshot_channel(&tx, &rx, sizeof message));
    kio_oneshot_on_drop(&rx, destroy);
    sent = got = destroyed = 0;
}

static void end(void)
{
    kio_waker_drop(sleeper_waker(rx_task));
    kio_waker_drop(sleeper_waker(tx_task));
    kio_waker_drop(sleeper_waker(other_task));
    MC_ASSERT(mc_alive() == 0);
}

/* ---- the sender ---------------------------------------------------------------------------- */

static void send(void)
{
    message = mc_alloc(sizeof *message, 16, false);
    *message = 42;
    sent = kio_oneshot_send(&tx, &message);
    if (sent) {
        MC_ASSERT(sent == -EPIPE);
        mc_free(message);
    }
}

static void drop_tx(void)
{
    kio_oneshot_tx_drop(&tx);
    sent = -1;
}

static void await_closed(void)
{
    kio_oneshot_closed(&closed_slot, &tx);
    sleeper_run(tx_task, &closed_slot.kio);
    MC_ASSERT(kio_oneshot_is_closed(&tx));
    drop_tx();
}

static void give_up_closed_then_send(void)
{
    bool closed;

    kio_oneshot_closed(&closed_slot, &tx);
    closed = sleeper_poll(tx_task, &closed_slot.kio) == KIO_READY;
    kio_drop(&closed_slot);
    send();
    MC_ASSERT(!closed || sent == -EPIPE);
}

static void give_up_closed(void)
{
    kio_oneshot_closed(&closed_slot, &tx);
    (void)sleeper_poll(tx_task, &closed_slot.kio);
    kio_drop(&closed_slot);
    drop_tx();
}

/* What the receiver did before it closed is seen by who finds it closed. */
static uint32_t before_close;

static void look_closed(void)
{
    if (kio_oneshot_is_closed(&tx))
        MC_ASSERT(before_close == 1);
    drop_tx();
}

/* ---- the receiver -------------------------------------------------------------------------- */

static void have(void)
{
    MC_ASSERT(*received == 42);
    mc_free(received);
}

static void receive(void)
{
    kio_oneshot_recv(&recv_slot, &rx, &received);
    sleeper_run(rx_task, &recv_slot.kio);
    got = recv_slot.out;
    if (got)
        have();
    kio_oneshot_rx_drop(&rx);
}

static void poll_by_two(void)
{
    kio_oneshot_recv(&recv_slot, &rx, &received);
    if (sleeper_poll(other_task, &recv_slot.kio) == KIO_PENDING)
        sleeper_run(rx_task, &recv_slot.kio);
    got = recv_slot.out;
    if (got)
        have();
}

static void give_up_receive(void)
{
    kio_oneshot_recv(&recv_slot, &rx, &received);
    if (sleeper_poll(rx_task, &recv_slot.kio) == KIO_READY) {
        got = recv_slot.out;
        if (got)
            have();
        return;
    }
    kio_drop(&recv_slot);
    kio_oneshot_rx_drop(&rx);
}

static void take_waker_back(void)
{
    kio_oneshot_recv(&recv_slot, &rx, &received);
    MC_ASSERT(sleeper_poll(rx_task, &recv_slot.kio) == KIO_PENDING);
    kio_drop(&recv_slot);
    MC_ASSERT(ki_load_relaxed(&rx_task->refs) == 1);
    kio_oneshot_rx_drop(&rx);
    kio_oneshot_tx_drop(&tx);
}

static void try_receive(void)
{
    got = kio_oneshot_try_recv(&rx, &received);
    if (got == 1)
        have();
    kio_oneshot_rx_drop(&rx);
}

static void drop_rx(void)
{
    before_close = 1;
    kio_oneshot_rx_drop(&rx);
}

static void close_then_receive(void)
{
    kio_oneshot_rx_close(&rx);
    receive();
}

/* Its own close wakes a receive that waits. */
static void close_while_waiting(void)
{
    kio_oneshot_recv(&recv_slot, &rx, &received);
    if (sleeper_poll(rx_task, &recv_slot.kio) == KIO_PENDING) {
        kio_oneshot_rx_close(&rx);
        sleeper_park(rx_task);
        MC_ASSERT(sleeper_poll(rx_task, &recv_slot.kio) == KIO_READY);
    }
    got = recv_slot.out;
    if (got)
        have();
}

/* ---- ends ---------------------------------------------------------------------------------- */

static void sent_is_received(void)
{
    MC_ASSERT(sent == 0 && got == 1);
    end();
}

static void sent_is_received_or_refused(void)
{
    MC_ASSERT((sent == 0) == (got == 1));
    end();
}

static void sent_is_destroyed_or_refused(void)
{
    MC_ASSERT((sent == 0) == (destroyed + (got == 1) == 1));
    end();
}

static void nothing_came(void)
{
    MC_ASSERT(got == 0);
    end();
}

static const struct mc_test tests[] = {
    { "send_and_receive", begin, { send, receive }, sent_is_received },
    { "send_and_receive_by_two_tasks", begin, { send, poll_by_two }, sent_is_received },
    { "sender_goes_while_received", begin, { drop_tx, receive }, nothing_came },
    { "send_and_given_up_receive", begin, { send, give_up_receive }, sent_is_destroyed_or_refused },
    { "given_up_receive_takes_its_waker_back", begin, { take_waker_back }, end },
    { "send_and_try_receive", begin, { send, try_receive }, sent_is_destroyed_or_refused },
    { "send_and_receiver_goes", begin, { send, drop_rx }, sent_is_destroyed_or_refused },
    { "send_and_close", begin, { send, close_then_receive }, sent_is_received_or_refused },
    { "send_and_close_while_waiting", begin, { send, close_while_waiting },
      sent_is_received_or_refused },
    { "both_go", begin, { drop_tx, drop_rx }, end },
    { "closed_and_receiver_goes", begin, { await_closed, drop_rx }, end },
    { "closed_and_close", begin, { await_closed, close_then_receive }, nothing_came },
    { "closed_given_up", begin, { give_up_closed, drop_rx }, end },
    { "closed_given_up_then_send", begin, { give_up_closed_then_send, drop_rx },
      sent_is_destroyed_or_refused },
    { "closed_tells_what_came_before", begin, { look_closed, drop_rx }, end },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
