/* Channels: every way to send, receive, close and go away. */
#include "stress.h"

#define SENDERS   16

/* ---- mpsc --------------------------------------------------------------------------------- */

struct mpsc_line {
    struct shared shared;
    ki_atomic(uint32_t) senders;
    uint32_t last[SENDERS]; /* the receiver's: of each sender */
};

struct sender {
    PLAY;
    struct mpsc_line *line;
    struct kio_tx tx;
    int left;

    uint32_t id, seq;
    struct message message;
    struct kio_send send;
    struct kio_reserve reserve;
    struct kio_permit permit;
    struct life permit_life;
    struct kio_reserve_many reserve_many;
    struct kio_reserved reserved;
    struct kio_reserve_owned reserve_owned;
    struct kio_owned_permit owned;
    struct kio_weak_tx weak;
    struct kio_tx_closed closed;
    struct kio_sleep nap;
    struct kio_yield yield;
    struct kio_timeout limit;
    struct kio_select select;
    struct kio_join join;
};

/* The message belongs to the channel once the send has ended well; otherwise it still is ours. */
static void sender_settle(struct sender *self)
{
    if (self->message.block && self->send.out != 0)
        message_end(&self->message);
    self->message.block = NULL;
}

static void sender_drop(struct sender *self)
{
    sender_settle(self);
    if (self->permit_life.magic)
        died(&self->permit_life);
    kio_permit_drop(&self->permit);
    kio_reserved_drop(&self->reserved);
    kio_owned_permit_drop(&self->owned);
    kio_weak_tx_drop(&self->weak);
    kio_tx_drop(&self->tx);
    unshare(self->line);
    died(&self->life);
}

static struct kio_send *send_one(struct sender *self)
{
    self->message = message_new(self->id, ++self->seq);
    kio_send(&self->send, &self->tx, &self->message);
    self->send.out = UNTOUCHED;
    return &self->send;
}

static bool send_now(struct sender *self)
{
    int err;

    self->message = message_new(self->id, ++self->seq);
    err = kio_try_send(&self->tx, &self->message);
    must(err == 0 || err == -EAGAIN || err == -EPIPE);
    if (err)
        message_end(&self->message);
    self->message.block = NULL;
    return err != -EPIPE;
}

/* One of the places that were reserved together; false: none is left. */
static bool send_reserved(struct sender *self)
{
    struct kio_permit permit = { { NULL } };

    if (!kio_reserved_next(&self->reserved, &permit))
        return false;
    self->message = message_new(self->id, ++self->seq);
    if (kio_permit_send(&permit, &self->message))
        message_end(&self->message);
    self->message.block = NULL;
    return true;
}

static void send_owned(struct sender *self)
{
    self->message = message_new(self->id, ++self->seq);
    if (kio_owned_permit_send(&self->owned, &self->message, &self->tx))
        message_end(&self->message);
    self->message.block = NULL;
}

async_declare(sender);

static void one_more_sender(struct sender *self)
{
    uint32_t id = ki_fetch_add_relaxed(&self->line->senders, 1);

    if (id >= SENDERS)
        return;
    (void)kio_spawn(NULL, sender, .life = born(K_PLAY), .dice = split(&self->dice),
                    .line = share(self->line), .tx = kio_tx_clone(&self->tx), .id = id,
                    .left = (int)roll(&self->dice, 20));
}

async(sender, sender_drop)
{
    async_begin;
    self->send.out = UNTOUCHED;
    for (; self->left > 0; self->left--) {
        did();
        switch (roll(&self->dice, 14)) {
        case 0:
        case 1:
        case 2:
            await(send_one(self));
            sender_settle(self);
            if (self->send.out)
                async_return();
            break;
        case 3:
            if (!send_now(self))
                async_return();
            break;
        case 4:
            await(kio_timeout(&self->limit, a_while(&self->dice), send_one(self)));
            must(self->limit.out == 0 || self->limit.out == -ETIMEDOUT);
            must((self->limit.out == 0) == (self->send.out != UNTOUCHED));
            sender_settle(self);
            break;
        case 5:
            if (chance(&self->dice, 50))
                await(kio_select(&self->select, kio_yield_now(&self->yield), send_one(self)));
            else
                await(kio_select_biased(&self->select, send_one(self),
                                        kio_sleep(&self->nap, a_while(&self->dice))));
            sender_settle(self);
            break;
        case 6:
            await(kio_join(&self->join, send_one(self), kio_sleep(&self->nap, a_while(&self->dice))));
            sender_settle(self);
            break;
        case 7:
            await(kio_reserve(&self->reserve, &self->tx, &self->permit));
            if (self->reserve.out)
                async_return();
            self->permit_life = born(K_PERMIT);
            if (chance(&self->dice, 30))
                await(kio_sleep(&self->nap, a_while(&self->dice)));
            died(&self->permit_life);
            self->permit_life.magic = 0;
            if (chance(&self->dice, 30)) {
                kio_permit_drop(&self->permit);
                break;
            }
            self->message = message_new(self->id, ++self->seq);
            if (kio_permit_send(&self->permit, &self->message))
                message_end(&self->message);
            self->message.block = NULL;
            break;
        case 8:
            kio_weak_tx_drop(&self->weak);
            self->weak = kio_tx_downgrade(&self->tx);
            kio_tx_drop(&self->tx);
            await(kio_yield_now(&self->yield));
            if (kio_tx_upgrade(&self->weak, &self->tx))
                async_return();
            break;
        case 9:
            await(kio_select(&self->select, kio_tx_closed(&self->closed, &self->tx),
                             kio_sleep(&self->nap, a_while(&self->dice))));
            if (self->select.out == 0)
                must(kio_tx_is_closed(&self->tx));
            break;
        case 10:
            one_more_sender(self);
            break;
        case 11:
            await(kio_timeout(&self->limit, a_while(&self->dice),
                              kio_reserve_many(&self->reserve_many, &self->tx, roll(&self->dice, 4),
                                               &self->reserved)));
            while (send_reserved(self) && chance(&self->dice, 70))
                await(kio_yield_now(&self->yield));
            kio_reserved_drop(&self->reserved);
            break;
        case 12: /* the permit has the sender meanwhile */
            await(kio_timeout(&self->limit, a_while(&self->dice),
                              kio_reserve_owned(&self->reserve_owned, &self->tx, &self->owned)));
            if (!self->owned.chan)
                break;
            must(!self->tx.chan);
            if (chance(&self->dice, 50))
                await(kio_sleep(&self->nap, a_while(&self->dice) / 4));
            if (chance(&self->dice, 60))
                send_owned(self);
            else
                kio_owned_permit_release(&self->owned, &self->tx);
            must(self->tx.chan && !self->owned.chan);
            break;
        default:
            (void)kio_tx_capacity(&self->tx);
            await(kio_yield_now(&self->yield));
            break;
        }
    }
    async_return();
}

/* A plain thread, of the blocking pool, that sends. */
struct sending_job {
    struct job job;
    struct mpsc_line *line;
    struct kio_tx tx;
    uint32_t id;
    int count;
};

static void sending_job_clean(struct job *job)
{
    struct sending_job *j = (struct sending_job *)job;

    kio_tx_drop(&j->tx);
    unshare(j->line);
}

static void *sending_job_run(void *arg)
{
    struct sending_job *j = arg;

    j->job.ran = true;
    for (int i = 0; i < j->count; i++) {
        struct message m = message_new(j->id, (uint32_t)i + 1);
        int err = kio_blocking_send(&j->tx, &m);

        did();
        must(err == 0 || err == -EPIPE);
        if (err) {
            message_end(&m);
            break;
        }
    }
    sending_job_clean(&j->job);
    return NULL;
}

struct mpsc {
    PLAY;
    struct mpsc_line *line;
    struct kio_tx tx;
    struct kio_rx rx;
    int i, left;
    struct kio_join_handle members[3];
    struct message message, many[5];
    struct kio_recv recv;
    struct kio_recv_many recv_many;
    struct kio_sleep nap, kept;
    struct kio_timeout limit;
    struct kio_select select;
    struct kio_join join;
    bool bounded;
    int idle; /* timeouts in a row */
};

static void mpsc_receive(struct mpsc *self, struct message *m)
{
    must(m->from < SENDERS);
    must(m->seq > self->line->last[m->from]);
    self->line->last[m->from] = m->seq;
    message_end(m);
    did();
}

static void mpsc_settle(struct mpsc *self)
{
    if (self->recv.out == 1)
        mpsc_receive(self, &self->message);
    self->recv.out = UNTOUCHED;
    if (self->recv_many.out != SIZE_MAX) {
        for (size_t i = 0; i < self->recv_many.out; i++)
            mpsc_receive(self, &self->many[i]);
    }
    self->recv_many.out = SIZE_MAX;
}

static void mpsc_drop(struct mpsc *self)
{
    mpsc_settle(self);
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
    unshare(self->line);
    died(&self->life);
}

static struct kio_recv *receive_one(struct mpsc *self)
{
    kio_recv(&self->recv, &self->rx, &self->message);
    self->recv.out = UNTOUCHED;
    return &self->recv;
}

static struct kio_recv_many *receive_many(struct mpsc *self)
{
    kio_recv_many(&self->recv_many, &self->rx, self->many, 5);
    self->recv_many.out = SIZE_MAX;
    return &self->recv_many;
}

static void mpsc_sending_job(struct mpsc *self)
{
    struct sending_job *j;
    uint32_t id = ki_fetch_add_relaxed(&self->line->senders, 1);

    if (id >= SENDERS)
        return;
    j = job_new(sizeof *j, sending_job_clean);
    j->line = share(self->line);
    j->tx = kio_tx_clone(&self->tx);
    j->id = id;
    j->count = (int)roll(&self->dice, 12);
    (void)kio_spawn_blocking(NULL, sending_job_run, j);
}

async(mpsc, mpsc_drop)
{
    async_begin;
    self->recv.out = UNTOUCHED;
    self->recv_many.out = SIZE_MAX;
    self->bounded = chance(&self->dice, 70);
    self->line = share_new(sizeof *self->line, NULL);
    if (self->bounded)
        must(kio_mpsc_channel(&self->tx, &self->rx, sizeof(struct message), 1 + roll(&self->dice, 5)) == 0);
    else
        must(kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(struct message)) == 0);
    kio_rx_on_drop(&self->rx, message_end);
    for (self->i = 0; self->i < 3; self->i++) {
        (void)kio_spawn(chance(&self->dice, 70) ? &self->members[self->i] : NULL, sender,
                        .life = born(K_PLAY), .dice = split(&self->dice), .line = share(self->line),
                        .tx = kio_tx_clone(&self->tx),
                        .id = ki_fetch_add_relaxed(&self->line->senders, 1),
                        .left = (int)roll(&self->dice, 30));
        if (self->members[self->i].kio.type && chance(&self->dice, 20))
            post_abort(&self->dice, kio_abort_handle(&self->members[self->i]));
    }
    if (now.threads && chance(&self->dice, 20))
        mpsc_sending_job(self);
    kio_tx_drop(&self->tx);
    async_let(kio_sleep(&self->kept, 50 * KIO_MS));
    for (self->left = 1 + (int)roll(&self->dice, 120); self->left && self->idle < 20; self->left--) {
        did();
        switch (roll(&self->dice, 10)) {
        case 0:
        case 1:
            await(kio_timeout(&self->limit, 2 * KIO_MS, receive_one(self)));
            self->idle = self->limit.out ? self->idle + 1 : 0;
            break;
        case 2:
            await(kio_select(&self->select, receive_one(self),
                             kio_sleep(&self->nap, a_while(&self->dice))));
            break;
        case 3:
            await(kio_select_biased(&self->select, receive_one(self), &self->kept));
            if (self->select.out != 0)
                kio_sleep_reset(&self->kept, kio_now() + 5 * KIO_MS);
            break;
        case 4:
            await(kio_timeout(&self->limit, a_while(&self->dice), receive_many(self)));
            break;
        case 5: {
            int got = kio_try_recv(&self->rx, &self->message);

            if (got == 1)
                self->recv.out = 1;
            break;
        }
        case 6: /* it may have a message while the sleep goes on, and this one be dropped */
            await(kio_timeout(&self->limit, 3 * KIO_MS,
                              kio_join(&self->join, receive_one(self),
                                       kio_sleep(&self->nap, a_while(&self->dice)))));
            break;
        case 7:
            self->i = (int)roll(&self->dice, 3);
            if (kio_is_live(&self->members[self->i])) {
                if (chance(&self->dice, 30))
                    kio_abort(&self->members[self->i]);
                if (chance(&self->dice, 30))
                    kio_drop(&self->members[self->i]);
            }
            break;
        case 8:
            if (chance(&self->dice, 5))
                kio_rx_close(&self->rx);
            if (chance(&self->dice, 3))
                async_return();
            (void)kio_rx_len(&self->rx);
            break;
        default:
            await(kio_sleep(&self->nap, a_while(&self->dice)));
            break;
        }
        if (self->recv.out == 0)
            async_return(); /* closed and drained */
        mpsc_settle(self);
    }
    async_return();
}
PLAY_IS(mpsc, false);

/* ---- oneshot ------------------------------------------------------------------------------ */

struct replier {
    PLAY;
    struct kio_oneshot_tx tx;
    struct message message;
    struct kio_sleep nap;
    struct kio_oneshot_closed closed;
    struct kio_select select;
};

static void replier_drop(struct replier *self)
{
    kio_oneshot_tx_drop(&self->tx);
    died(&self->life);
}

async(replier, replier_drop)
{
    async_begin;
    did();
    switch (roll(&self->dice, 5)) {
    case 0:
        async_return();
    case 1:
        await(kio_sleep(&self->nap, a_while(&self->dice)));
        break;
    case 2:
        await(kio_select(&self->select, kio_oneshot_closed(&self->closed, &self->tx),
                         kio_sleep(&self->nap, 2 * KIO_MS)));
        if (self->select.out == 0)
            must(kio_oneshot_is_closed(&self->tx));
        break;
    }
    self->message = message_new(1, 2);
    if (kio_oneshot_send(&self->tx, &self->message))
        message_end(&self->message);
    async_return();
}

struct oneshot {
    PLAY;
    struct kio_oneshot_rx rx;
    struct kio_oneshot_tx tx;
    struct message message;
    struct kio_oneshot_recv recv;
    struct kio_join_handle helper;
    struct kio_sleep nap;
    struct kio_timeout limit;
    struct kio_select select;
    struct kio_join join;
    int left, got;
};

static void oneshot_settle(struct oneshot *self)
{
    if (self->recv.out == 1)
        message_end(&self->message);
    self->recv.out = UNTOUCHED;
}

static void oneshot_drop(struct oneshot *self)
{
    oneshot_settle(self);
    kio_oneshot_rx_drop(&self->rx);
    died(&self->life);
}

static struct kio_oneshot_recv *await_reply(struct oneshot *self)
{
    kio_oneshot_recv(&self->recv, &self->rx, &self->message);
    self->recv.out = UNTOUCHED;
    return &self->recv;
}

async(oneshot, oneshot_drop)
{
    async_begin;
    for (self->left = 1 + (int)roll(&self->dice, 12); self->left; self->left--) {
        kio_oneshot_rx_drop(&self->rx);
        must(kio_oneshot_channel(&self->tx, &self->rx, sizeof(struct message)) == 0);
        kio_oneshot_on_drop(&self->rx, message_end);
        (void)kio_spawn(chance(&self->dice, 50) ? &self->helper : NULL, replier, .life = born(K_PLAY),
                        .dice = split(&self->dice), .tx = self->tx);
        if (kio_is_live(&self->helper) && chance(&self->dice, 20))
            kio_abort(&self->helper);
        did();
        switch (roll(&self->dice, 6)) {
        case 0:
            await(await_reply(self)); /* the helper ends, so it comes or does not */
            must(self->recv.out == 0 || self->recv.out == 1);
            break;
        case 1:
            await(kio_timeout(&self->limit, a_while(&self->dice), await_reply(self)));
            if (self->limit.out && chance(&self->dice, 50))
                await(await_reply(self));
            break;
        case 2:
            await(kio_select(&self->select, kio_sleep(&self->nap, a_while(&self->dice)), await_reply(self)));
            break;
        case 3:
            kio_oneshot_rx_close(&self->rx);
            await(await_reply(self));
            break;
        case 4:
            await(kio_join(&self->join, await_reply(self), kio_sleep(&self->nap, a_while(&self->dice))));
            break;
        default:
            self->got = kio_oneshot_try_recv(&self->rx, &self->message);
            must(self->got == 1 || self->got == 0 || self->got == -EAGAIN);
            if (self->got == 1)
                message_end(&self->message);
            break;
        }
        oneshot_settle(self);
    }
    async_return();
}
PLAY_IS(oneshot, false);

/* ---- broadcast ---------------------------------------------------------------------------- */

struct listener {
    PLAY;
    struct kio_broadcast_rx rx;
    uint64_t next, value;
    int left;
    bool seen;
    struct kio_broadcast_recv recv;
    struct kio_sleep nap;
    struct kio_timeout limit;
};

static void listener_drop(struct listener *self)
{
    kio_broadcast_rx_drop(&self->rx);
    died(&self->life);
}

/* Every message after its subscription, in order, or the number that it missed. */
async(listener, listener_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 60); self->left; self->left--) {
        did();
        await(kio_timeout(&self->limit, 3 * KIO_MS,
                          kio_broadcast_recv(&self->recv, &self->rx, &self->value)));
        if (self->limit.out)
            continue;
        if (self->recv.out == 0)
            async_return();
        if (self->recv.out == -EOVERFLOW) {
            self->next += self->recv.missed;
        } else {
            must(self->recv.out == 1);
            must(self->value == self->next);
            self->next++;
        }
        if (chance(&self->dice, 10))
            await(kio_sleep(&self->nap, a_while(&self->dice)));
    }
    async_return();
}

struct broadcast {
    PLAY;
    struct kio_broadcast_tx tx;
    struct kio_broadcast_rx rx;
    struct kio_broadcast_weak_tx weak;
    uint64_t sent;
    int left;
    struct kio_join_handle listeners[4];
    struct kio_broadcast_closed closed;
    struct kio_select select;
    struct kio_sleep nap;
    struct kio_yield yield;
};

static void broadcast_drop(struct broadcast *self)
{
    for (int i = 0; i < 4; i++) /* spawned by a plain function: nobody's */
        kio_drop(&self->listeners[i]);
    kio_broadcast_tx_drop(&self->tx);
    kio_broadcast_weak_tx_drop(&self->weak);
    kio_broadcast_rx_drop(&self->rx);
    died(&self->life);
}

static void one_more_listener(struct broadcast *self)
{
    (void)kio_spawn(&self->listeners[roll(&self->dice, 4)], listener, .life = born(K_PLAY),
                    .dice = split(&self->dice), .rx = kio_broadcast_subscribe(&self->tx),
                    .next = self->sent);
}

async(broadcast, broadcast_drop)
{
    async_begin;
    must(kio_broadcast_channel(&self->tx, &self->rx, sizeof(uint64_t), 1 + roll(&self->dice, 8)) == 0);
    if (chance(&self->dice, 70))
        kio_broadcast_rx_drop(&self->rx);
    for (self->left = (int)roll(&self->dice, 80); self->left; self->left--) {
        did();
        switch (roll(&self->dice, 8)) {
        case 0:
            one_more_listener(self);
            break;
        case 1: {
            struct kio_join_handle *h = &self->listeners[roll(&self->dice, 4)];

            if (kio_is_live(h) && chance(&self->dice, 50))
                kio_abort(h);
            break;
        }
        case 2:
            await(kio_yield_now(&self->yield));
            break;
        case 3: {
            struct kio_broadcast_tx more = kio_broadcast_tx_clone(&self->tx);

            kio_broadcast_tx_drop(chance(&self->dice, 50) ? &more : &self->tx);
            if (!self->tx.channel)
                self->tx = more;
            break;
        }
        case 4:
            await(kio_sleep(&self->nap, a_while(&self->dice)));
            break;
        case 5: /* nobody subscribes meanwhile but from here */
            await(kio_select(&self->select, kio_broadcast_closed(&self->closed, &self->tx),
                             kio_sleep(&self->nap, a_while(&self->dice))));
            if (self->select.out == 0)
                must(kio_broadcast_receiver_count(&self->tx) == 0);
            break;
        case 6:
            kio_broadcast_weak_tx_drop(&self->weak);
            self->weak = kio_broadcast_downgrade(&self->tx);
            kio_broadcast_tx_drop(&self->tx); /* the last one: who listens gets the end */
            must(kio_broadcast_upgrade(&self->weak, &self->tx) == -EPIPE);
            if (chance(&self->dice, 80))
                async_return();
            kio_broadcast_weak_tx_drop(&self->weak);
            kio_broadcast_rx_drop(&self->rx);
            must(kio_broadcast_channel(&self->tx, &self->rx, sizeof(uint64_t), 3) == 0);
            self->sent = 0;
            break;
        default:
            /* -EPIPE: nobody listens, it was not sent, and later subscribers start after it all the same */
            if (kio_broadcast_send(&self->tx, &self->sent) >= 0)
                self->sent++;
            break;
        }
    }
    async_return();
}
PLAY_IS(broadcast, false);

/* ---- watch -------------------------------------------------------------------------------- */

struct watched {
    struct shared shared;
    uint64_t last; /* the sender's; read by others only when it is gone */
};

struct pair {
    uint64_t n, not_n;
};

struct watcher {
    PLAY;
    struct kio_watch_rx rx;
    struct watched *of;
    struct pair value;
    uint64_t seen, want;
    int left;
    struct kio_watch_changed changed;
    struct kio_watch_wait_for wait_for;
    struct kio_sleep nap;
    struct kio_timeout limit;
};

static void watcher_drop(struct watcher *self)
{
    kio_watch_rx_drop(&self->rx);
    unshare(self->of);
    died(&self->life);
}

static bool has_come(const void *value, void *arg)
{
    const struct pair *pair = value;

    must(pair->not_n == ~pair->n);
    return pair->n >= *(uint64_t *)arg;
}

static void look_at_pair(const void *value, void *arg)
{
    const struct pair *pair = value;

    must(pair->not_n == ~pair->n && pair->n >= *(uint64_t *)arg);
}

async(watcher, watcher_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 40); self->left; self->left--) {
        did();
        if (chance(&self->dice, 30)) {
            kio_watch_borrow(&self->rx, look_at_pair, &self->seen);
            self->want = self->seen + roll(&self->dice, 4);
            await(kio_timeout(&self->limit, 2 * KIO_MS,
                              kio_watch_wait_for(&self->wait_for, &self->rx, has_come, &self->want,
                                                 &self->value)));
            if (self->limit.out == 0 && self->wait_for.out == 0) {
                must(self->value.n >= self->want);
                self->seen = self->value.n;
            }
            continue;
        }
        await(kio_timeout(&self->limit, 3 * KIO_MS, kio_watch_changed(&self->changed, &self->rx)));
        if (self->limit.out)
            continue;
        kio_watch_get(&self->rx, &self->value);
        must(self->value.not_n == ~self->value.n);
        if (self->changed.out == -EPIPE) {
            must(self->value.n == self->of->last);
            async_return();
        }
        must(self->changed.out == 0);
        must(self->value.n >= self->seen);
        self->seen = self->value.n;
        if (chance(&self->dice, 10))
            await(kio_sleep(&self->nap, a_while(&self->dice)));
    }
    async_return();
}

struct watch {
    PLAY;
    struct kio_watch_tx tx;
    struct kio_watch_rx rx;
    struct watched *of;
    struct pair value;
    int left;
    struct kio_join_handle watchers[3];
    struct kio_watch_closed closed;
    struct kio_select select;
    struct kio_sleep nap;
};

static void watch_drop(struct watch *self)
{
    kio_watch_tx_drop(&self->tx);
    kio_watch_rx_drop(&self->rx);
    unshare(self->of);
    died(&self->life);
}

static void next_pair(void *value, void *arg)
{
    struct pair *pair = value;
    struct watched *of = arg;

    of->last++;
    *pair = (struct pair){ of->last, ~of->last };
}

static bool next_pair_if_even(void *value, void *arg)
{
    struct watched *of = arg;

    if (of->last % 2)
        return false;
    next_pair(value, of);
    return true;
}

async(watch, watch_drop)
{
    async_begin;
    self->value = (struct pair){ 0, ~UINT64_C(0) };
    self->of = share_new(sizeof *self->of, NULL);
    must(kio_watch_channel(&self->tx, &self->rx, sizeof self->value, &self->value) == 0);
    for (self->left = (int)roll(&self->dice, 60); self->left; self->left--) {
        did();
        switch (roll(&self->dice, 9)) {
        case 0:
            (void)kio_spawn(chance(&self->dice, 80) ? &self->watchers[roll(&self->dice, 3)] : NULL, watcher,
                            .life = born(K_PLAY), .dice = split(&self->dice),
                            .rx = kio_watch_subscribe(&self->tx), .of = share(self->of));
            break;
        case 1:
            await(kio_sleep(&self->nap, a_while(&self->dice)));
            break;
        case 2: {
            struct kio_join_handle *h = &self->watchers[roll(&self->dice, 3)];

            if (kio_is_live(h) && chance(&self->dice, 30))
                kio_abort(h);
            break;
        }
        case 3:
            kio_watch_send_modify(&self->tx, next_pair, self->of);
            break;
        case 4:
            (void)kio_watch_send_if_modified(&self->tx, next_pair_if_even, self->of);
            break;
        case 5:
            kio_watch_rx_drop(&self->rx);
            await(kio_select(&self->select, kio_watch_closed(&self->closed, &self->tx),
                             kio_sleep(&self->nap, a_while(&self->dice))));
            if (self->select.out == 0) /* only this one subscribes */
                must(kio_watch_is_closed(&self->tx));
            self->rx = kio_watch_subscribe(&self->tx);
            break;
        default:
            self->value = (struct pair){ self->of->last + 1, ~(self->of->last + 1) };
            self->of->last++;
            must(kio_watch_send(&self->tx, &self->value) == 0);
            break;
        }
    }
    async_return();
}
PLAY_IS(watch, false);
