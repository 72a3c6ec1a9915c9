/* Channels, locks, tokens, with every call failing once. */
#include "support/faults.h"

/* ---- mpsc --------------------------------------------------------------------------------- */

struct sender {
    async_fn(void);
    struct kio_tx tx;
    int count, i;
    struct kio_send send;
};

static void sender_drop(struct sender *self)
{
    kio_tx_drop(&self->tx);
}

async(sender, sender_drop)
{
    async_begin;
    for (self->i = 1; self->i <= self->count; self->i++) {
        await(kio_send(&self->send, &self->tx, &self->i));
        FAULT_TRY(self->send.out);
    }
    async_return();
}

/* What is received, or an error that the sender saw, adds up to all. */
struct receiver {
    async_fn(void);
    bool unbounded;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_join_handle sender;
    struct kio_recv recv;
    int value, sum;
};

static void receiver_drop(struct receiver *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

async(receiver, receiver_drop)
{
    async_begin;
    faults_on();
    if (self->unbounded)
        FAULT_TRY(kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(int)));
    else
        FAULT_TRY(kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 4));
    FAULT_TRY(kio_spawn(&self->sender, sender, .tx = kio_tx_clone(&self->tx), .count = 300));
    kio_tx_drop(&self->tx);
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            break;
        self->sum += self->value;
    }
    await(&self->sender);
    if (self->sum == 300 * 301 / 2)
        faults_complete();
    async_return();
}

static void a_bounded_channel(void)
{
    faults_in_runtime(receiver, .unbounded = false);
}

static void an_unbounded_channel(void)
{
    faults_in_runtime(receiver, .unbounded = true);
}

/* ---- the others --------------------------------------------------------------------------- */

struct others {
    async_fn(void);
    struct kio_oneshot_tx one_tx;
    struct kio_oneshot_rx one_rx;
    struct kio_oneshot_recv one;
    struct kio_broadcast_tx all_tx;
    struct kio_broadcast_rx all_rx, more_rx;
    struct kio_broadcast_recv all;
    struct kio_watch_tx watch_tx;
    struct kio_watch_rx watch_rx;
    struct kio_watch_changed changed;
    struct kio_cancel_token token, child;
    struct kio_cancelled cancelled;
    struct kio_mutex mutex;
    struct kio_lock lock;
    struct kio_semaphore semaphore;
    struct kio_acquire acquire;
    int value, got;
};

static void others_drop(struct others *self)
{
    kio_oneshot_tx_drop(&self->one_tx);
    kio_oneshot_rx_drop(&self->one_rx);
    kio_broadcast_tx_drop(&self->all_tx);
    kio_broadcast_rx_drop(&self->all_rx);
    kio_broadcast_rx_drop(&self->more_rx);
    kio_watch_tx_drop(&self->watch_tx);
    kio_watch_rx_drop(&self->watch_rx);
    kio_cancel_token_drop(&self->token);
    kio_cancel_token_drop(&self->child);
}

async(others, others_drop)
{
    async_begin;
    faults_on();
    self->value = 5;
    FAULT_TRY(kio_oneshot_channel(&self->one_tx, &self->one_rx, sizeof(int)));
    FAULT_TRY(kio_oneshot_send(&self->one_tx, &self->value));
    await(kio_oneshot_recv(&self->one, &self->one_rx, &self->got));
    faults_check(self->one.out == 1 && self->got == 5);

    FAULT_TRY(kio_broadcast_channel(&self->all_tx, &self->all_rx, sizeof(int), 4));
    self->more_rx = kio_broadcast_subscribe(&self->all_tx);
    faults_check(kio_broadcast_send(&self->all_tx, &self->value) == 2);
    await(kio_broadcast_recv(&self->all, &self->more_rx, &self->got));
    faults_check(self->all.out == 1);

    FAULT_TRY(kio_watch_channel(&self->watch_tx, &self->watch_rx, sizeof(int), &self->value));
    FAULT_TRY(kio_watch_send(&self->watch_tx, &self->value));
    await(kio_watch_changed(&self->changed, &self->watch_rx));
    FAULT_TRY(self->changed.out);

    FAULT_TRY(kio_cancel_token_new(&self->token, NULL));
    FAULT_TRY(kio_cancel_token_new(&self->child, &self->token));
    kio_cancel(&self->token);
    await(kio_cancelled(&self->cancelled, &self->child));

    await(kio_lock(&self->lock, &self->mutex));
    kio_unlock(&self->lock);
    kio_semaphore_init(&self->semaphore, 2);
    await(kio_acquire(&self->acquire, &self->semaphore, 2));
    FAULT_TRY(self->acquire.out);
    faults_complete();
    async_return();
}

static void oneshots_broadcasts_watches_tokens_and_locks(void)
{
    faults_in_runtime(others);
}

/* ---- an end on a plain thread ------------------------------------------------------------- */

struct reply {
    async_fn(void);
    struct kio_rx rx;
    struct kio_oneshot_tx to;
    struct kio_recv recv;
    int value;
};

static void reply_drop(struct reply *self)
{
    kio_rx_drop(&self->rx);
    kio_oneshot_tx_drop(&self->to);
}

async(reply, reply_drop)
{
    async_begin;
    await(kio_recv(&self->recv, &self->rx, &self->value));
    self->value *= 2;
    kio_oneshot_send(&self->to, &self->value);
    async_return();
}

static void a_plain_thread_sends_and_receives(void)
{
    struct kio_oneshot_tx to = { 0 };
    struct kio_oneshot_rx from = { 0 };
    struct kio_tx tx = { 0 };
    struct kio_rx rx = { 0 };
    int value = 21;

    faults_open();
    faults_on();
    if (!faults_saw(kio_mpsc_unbounded(&tx, &rx, sizeof value)) &&
        !faults_saw(kio_oneshot_channel(&to, &from, sizeof value))) {
        int err = kio_spawn_on(rt, NULL, reply, .rx = rx, .to = to);

        rx.chan = NULL; /* the task's, or released */
        if (!faults_saw(err) && !faults_saw(kio_blocking_send(&tx, &value)) &&
            kio_oneshot_blocking_recv(&from, &value) == 1 && value == 42)
            faults_complete();
    }
    kio_rx_drop(&rx);
    kio_tx_drop(&tx);
    kio_oneshot_rx_drop(&from);
    kio_runtime_free(rt);
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(a_bounded_channel, FAULT_DETERMINISTIC),
    SCENARIO(an_unbounded_channel, FAULT_DETERMINISTIC),
    SCENARIO(oneshots_broadcasts_watches_tokens_and_locks),
    SCENARIO(a_plain_thread_sends_and_receives, FAULT_MULTI_ONLY),
};

FAULTS_MAIN()
