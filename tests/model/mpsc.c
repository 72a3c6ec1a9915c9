/*
 * mpsc: messages arrive once and in order, whatever meets what: senders, the line of those that wait,
 * close, drops; the channel and its messages are freed once. (Its only atomics are those of its lock,
 * whose model is in lock.c.)
 *
 * Sources: src/sync/mpsc.c src/sync/reserve.c src/sync/buffer.c src/future/future.c src/future/waker.c
 * Sources: src/future/block.c src/future/thread_waker.c src/base/lock.c
 * Sources: tests/model/checker/doors.c
 */
#include "checker/sleeper.h"

#include <kioto/channel.h>

#include <errno.h>

static struct sleeper *tasks[3]; /* the receiver's, two senders' */
static struct kio_tx tx[2];
static struct kio_rx rx;
static struct kio_send sends[2];
static struct kio_recv recv_slot;
static uint32_t *messages[2], *received;
static int sent[2];
static unsigned got, destroyed, before;

static void destroy(void *at)
{
    mc_free(*(uint32_t **)at);
    destroyed++;
}

static void begin_with(size_t capacity)
{
    for (int i = 0; i < 3; i++)
        tasks[i] = sleeper_new();
    MC_ASSERT(!kio_mpsc_channel(&tx[0], &rx, sizeof received, capacity));
    kio_rx_on_drop(&rx, destroy);
    tx[1] = kio_tx_clone(&tx[0]);
    sent[0] = sent[1] = -1;
    got = destroyed = before = 0;
}

static void begin(void)
{
    begin_with(1);
}

static void begin_sender_0_only(void)
{
    begin();
    kio_tx_drop(&tx[1]);
}

static void make(unsigned i);

/* Full: who sends has to wait in line. */
static void begin_full(void)
{
    begin();
    make(0);
    MC_ASSERT(!kio_try_send(&tx[0], &messages[0]));
    before = 1;
}

static void make(unsigned i)
{
    messages[i] = mc_alloc(sizeof *messages[i], 16, false);
    *messages[i] = i + 1;
}

static void finish_send(unsigned i, int err)
{
    sent[i] = err;
    if (err)
        mc_free(messages[i]);
    kio_tx_drop(&tx[i]);
}

static void send(unsigned i)
{
    make(i);
    kio_send(&sends[i], &tx[i], &messages[i]);
    sleeper_run(tasks[1 + i], &sends[i].kio);
    finish_send(i, sends[i].out);
}

static void send_0(void)
{
    send(0);
}

static void send_1(void)
{
    send(1);
}

/* Sends if it can at once, otherwise leaves the line. */
static void give_up_send_1(void)
{
    make(1);
    kio_send(&sends[1], &tx[1], &messages[1]);
    if (sleeper_poll(tasks[2], &sends[1].kio) == KIO_READY) {
        finish_send(1, sends[1].out);
    } else {
        kio_drop(&sends[1]);
        finish_send(1, -EAGAIN);
    }
}

static void receive_all(void)
{
    for (;;) {
        kio_recv(&recv_slot, &rx, &received);
        sleeper_run(tasks[0], &recv_slot.kio);
        if (!recv_slot.out)
            break;
        MC_ASSERT(*received == 1 || *received == 2);
        mc_free(received);
        got++;
    }
    kio_rx_drop(&rx);
}

static void receive_one_and_go(void)
{
    kio_recv(&recv_slot, &rx, &received);
    sleeper_run(tasks[0], &recv_slot.kio);
    if (recv_slot.out) {
        mc_free(received);
        got++;
    }
    kio_rx_drop(&rx);
}

static void give_up_receive(void)
{
    kio_recv(&recv_slot, &rx, &received);
    if (sleeper_poll(tasks[0], &recv_slot.kio) == KIO_READY && recv_slot.out) {
        mc_free(received);
        got++;
    }
    kio_drop(&recv_slot);
    receive_all();
}

static void close_and_receive(void)
{
    kio_rx_close(&rx);
    receive_all();
}

static void end(void)
{
    unsigned count = (sent[0] == 0) + (sent[1] == 0);

    MC_ASSERT(got + destroyed == count + before);
    for (int i = 0; i < 3; i++)
        kio_waker_drop(sleeper_waker(tasks[i]));
    MC_ASSERT(mc_alive() == 0);
}

static void all_sent(void)
{
    MC_ASSERT(sent[0] == 0 && got == before + 1 + (sent[1] == 0));
    end();
}

static const struct mc_test tests[] = {
    { "send_and_receive", begin_sender_0_only, { send_0, receive_all }, all_sent },
    { "two_senders_one_place", begin, { send_0, send_1, receive_all }, all_sent },
    { "send_given_up", begin, { send_0, give_up_send_1, receive_all }, all_sent },
    { "promised_place_given_up", begin_full, { give_up_send_1, send_0, receive_all }, all_sent },
    { "receive_given_up", begin_sender_0_only, { send_0, give_up_receive }, all_sent },
    { "receiver_goes", begin, { send_0, send_1, receive_one_and_go }, end },
    { "close", begin, { send_0, send_1, close_and_receive }, end },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
