/* Channels between tasks, and between tasks and plain threads, on both flavors. */
#include "support/rt.h"

#include <pthread.h>

/* ---- a task sends, the root receives ------------------------------------------------------- */

struct sends {
    async_fn(void);
    struct kio_tx tx;
    int count, i, value;
    struct kio_send send;
};

static void sends_drop(struct sends *self)
{
    kio_tx_drop(&self->tx);
}

async(sends, sends_drop)
{
    async_begin;
    for (self->i = 0; self->i < self->count; self->i++) {
        self->value = self->i + 1;
        await(kio_send(&self->send, &self->tx, &self->value));
        assert_int_equal(self->send.out, 0);
    }
    async_return();
}

static void make(struct kio_tx *tx, struct kio_rx *rx, size_t capacity)
{
    if (capacity == SIZE_MAX)
        assert_int_equal(kio_mpsc_unbounded(tx, rx, sizeof(int)), 0);
    else
        assert_int_equal(kio_mpsc_channel(tx, rx, sizeof(int), capacity), 0);
}

struct receives {
    async_fn(int);
    size_t capacity;
    struct kio_tx tx;
    struct kio_rx rx;
    int count, value;
    struct kio_recv recv;
};

static void receives_drop(struct receives *self)
{
    kio_rx_drop(&self->rx);
}

async(receives, receives_drop)
{
    async_begin;
    make(&self->tx, &self->rx, self->capacity);
    kio_spawn(NULL, sends, .tx = self->tx, .count = 2);
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        if (!self->recv.out)
            async_return(self->count);
        assert_int_equal(self->value, ++self->count);
    }
}

static void a_task_sends_and_another_receives_until_the_end(void **state)
{
    (void)state;
    assert_int_equal(run(receives, .capacity = 16), 2);
    assert_int_equal(run(receives, .capacity = SIZE_MAX), 2);
}

struct receives_many {
    async_fn(int);
    size_t capacity;
    struct kio_tx tx;
    struct kio_rx rx;
    size_t count;
    int values[16];
    struct kio_recv_many many;
};

static void receives_many_drop(struct receives_many *self)
{
    kio_rx_drop(&self->rx);
}

async(receives_many, receives_many_drop)
{
    async_begin;
    make(&self->tx, &self->rx, self->capacity);
    await(kio_recv_many(&self->many, &self->rx, self->values, 0)); /* at once */
    assert_int_equal(self->many.out, 0);
    kio_spawn(NULL, sends, .tx = self->tx, .count = 10);
    do {
        await(kio_recv_many(&self->many, &self->rx, self->values + self->count, 3));
        assert_in_range(self->many.out, self->count < 10 ? 1 : 0, 3);
        self->count += self->many.out;
    } while (self->many.out);
    for (int i = 0; i < 10; i++)
        assert_int_equal(self->values[i], i + 1);
    async_return((int)self->count);
}

static void a_task_sends_and_another_receives_many_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(run(receives_many, .capacity = 2), 10);
    assert_int_equal(run(receives_many, .capacity = SIZE_MAX), 10);
}

struct drops_a_sender {
    async_fn(void);
    struct kio_tx tx;
};

static void drops_a_sender_drop(struct drops_a_sender *self)
{
    kio_tx_drop(&self->tx);
}

async(drops_a_sender, drops_a_sender_drop)
{
    async_begin;
    async_return();
}

struct sees_it_closed {
    async_fn(void);
    size_t capacity;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_join_handle task;
};

static void sees_it_closed_drop(struct sees_it_closed *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

async(sees_it_closed, sees_it_closed_drop)
{
    async_begin;
    make(&self->tx, &self->rx, self->capacity);
    kio_spawn(&self->task, drops_a_sender, .tx = kio_tx_clone(&self->tx));
    kio_tx_drop(&self->tx);
    await(&self->task);
    assert_true(kio_rx_is_closed(&self->rx));
    async_return();
}

static void a_channel_is_closed_when_tasks_have_dropped_all_senders(void **state)
{
    (void)state;
    run(sees_it_closed, .capacity = 10);
    run(sees_it_closed, .capacity = SIZE_MAX);
}

struct drops_a_oneshot {
    async_fn(void);
    struct kio_oneshot_rx rx;
};

static void drops_a_oneshot_drop(struct drops_a_oneshot *self)
{
    kio_oneshot_rx_drop(&self->rx);
}

async(drops_a_oneshot, drops_a_oneshot_drop)
{
    async_begin;
    async_return();
}

struct awaits_closed {
    async_fn(void);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_closed closed;
};

static void awaits_closed_drop(struct awaits_closed *self)
{
    kio_oneshot_tx_drop(&self->tx);
}

async(awaits_closed, awaits_closed_drop)
{
    struct kio_oneshot_rx rx;

    async_begin;
    assert_int_equal(kio_oneshot_channel(&self->tx, &rx, 0), 0);
    kio_spawn(NULL, drops_a_oneshot, .rx = rx);
    await(kio_oneshot_closed(&self->closed, &self->tx));
    async_return();
}

static void a_oneshots_sender_awaits_the_receivers_end_in_another_task(void **state)
{
    (void)state;
    run(awaits_closed);
}

/* ---- weak senders in tasks ----------------------------------------------------------------- */

struct weak_sends {
    async_fn(void);
    struct kio_tx tx;
    struct kio_weak_tx *weak; /* the root's, which waits for this task */
    int i, value;
    struct kio_send send;
};

static void weak_sends_drop(struct weak_sends *self)
{
    kio_tx_drop(&self->tx);
}

async(weak_sends, weak_sends_drop)
{
    async_begin;
    *self->weak = kio_tx_downgrade(&self->tx);
    for (self->i = 0; self->i < 10; self->i++) {
        await(kio_send(&self->send, &self->tx, &self->i));
        assert_int_equal(self->send.out, 0);
    }
    kio_tx_drop(&self->tx);
    assert_int_equal(kio_tx_upgrade(self->weak, &self->tx), -EPIPE);
    async_return();
}

struct weak_root {
    async_fn(void);
    size_t capacity;
    struct kio_tx tx, again;
    struct kio_rx rx;
    struct kio_weak_tx weak;
    struct kio_join_handle task;
    int i, value;
    struct kio_recv recv;
};

static void weak_root_drop(struct weak_root *self)
{
    kio_weak_tx_drop(&self->weak);
    kio_rx_drop(&self->rx);
}

async(weak_root, weak_root_drop)
{
    async_begin;
    make(&self->tx, &self->rx, self->capacity);
    kio_spawn(&self->task, weak_sends, .tx = self->tx, .weak = &self->weak);
    for (self->i = 0; self->i < 11; self->i++) {
        await(kio_recv(&self->recv, &self->rx, &self->value));
        assert_int_equal(self->recv.out, self->i < 10);
        if (self->recv.out)
            assert_int_equal(self->value, self->i);
    }
    await(&self->task);
    assert_int_equal(kio_tx_upgrade(&self->weak, &self->again), -EPIPE);
    async_return();
}

static void a_weak_sender_of_a_task_does_not_keep_its_channel_open(void **state)
{
    (void)state;
    run(weak_root, .capacity = 11);
    run(weak_root, .capacity = SIZE_MAX);
}

/* An actor that sends messages to itself and yet ends when its users are gone. */
struct to_actor {
    bool from_itself;
    struct kio_oneshot_tx reply;
};

struct actor {
    async_fn(bool); /* whether its own message came */
    struct kio_rx rx;
    struct kio_weak_tx weak;
    struct kio_tx tx;
    struct to_actor message, own;
    bool sent, came;
    int id;
    struct kio_recv recv;
    struct kio_send send;
};

static void actor_drop(struct actor *self)
{
    kio_oneshot_tx_drop(&self->message.reply);
    kio_tx_drop(&self->tx);
    kio_weak_tx_drop(&self->weak);
    kio_rx_drop(&self->rx);
}

async(actor, actor_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->rx, &self->message));
        if (!self->recv.out)
            async_return(self->came);
        if (self->message.from_itself) {
            self->came = true;
            continue;
        }
        if (!self->sent && !kio_tx_upgrade(&self->weak, &self->tx)) {
            self->sent = self->own.from_itself = true;
            await(kio_send(&self->send, &self->tx, &self->own));
            kio_tx_drop(&self->tx);
        }
        self->id++;
        kio_oneshot_send(&self->message.reply, &self->id);
    }
}

struct actors_user {
    async_fn(bool);
    size_t capacity;
    struct kio_join_handle actor;
    struct kio_tx tx;
    struct to_actor message;
    struct kio_oneshot_rx rx;
    int id;
    struct kio_send send;
    struct kio_oneshot_recv recv;
};

static void actors_user_drop(struct actors_user *self)
{
    kio_oneshot_tx_drop(&self->message.reply);
    kio_oneshot_rx_drop(&self->rx);
    kio_tx_drop(&self->tx);
}

async(actors_user, actors_user_drop)
{
    struct kio_rx rx;

    async_begin;
    if (self->capacity == SIZE_MAX)
        assert_int_equal(kio_mpsc_unbounded(&self->tx, &rx, sizeof(struct to_actor)), 0);
    else
        assert_int_equal(kio_mpsc_channel(&self->tx, &rx, sizeof(struct to_actor), self->capacity), 0);
    kio_spawn(&self->actor, actor, .rx = rx, .weak = kio_tx_downgrade(&self->tx));
    assert_int_equal(kio_oneshot_channel(&self->message.reply, &self->rx, sizeof(int)), 0);
    await(kio_send(&self->send, &self->tx, &self->message));
    self->message.reply = (struct kio_oneshot_tx){ 0 };
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->id));
    assert_int_equal(self->recv.out, 1);
    assert_int_equal(self->id, 1);
    kio_tx_drop(&self->tx);
    await(&self->actor);
    async_return(*kio_output(&self->actor, bool));
}

static void an_actor_sends_to_itself_through_a_weak_sender_and_ends(void **state)
{
    (void)state;
    assert_true(run(actors_user, .capacity = 8));
    assert_true(run(actors_user, .capacity = SIZE_MAX));
}

/* ---- plain threads ------------------------------------------------------------------------- */

struct thread {
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_oneshot_rx once;
    struct kio_broadcast_rx broadcast;
    int got[4];
    size_t count;
};

static void *thread_receives(void *arg)
{
    struct thread *t = arg;

    assert_int_equal(kio_blocking_recv(&t->rx, &t->got[0]), 1);
    assert_int_equal(kio_blocking_recv(&t->rx, &t->got[1]), 1);
    assert_int_equal(kio_blocking_recv(&t->rx, &t->got[2]), 0);
    return NULL;
}

static void *thread_receives_many(void *arg)
{
    struct thread *t = arg;
    size_t n;

    while ((n = kio_blocking_recv_many(&t->rx, t->got + t->count, 4 - t->count)) != 0)
        t->count += n;
    return NULL;
}

static void *thread_sends(void *arg)
{
    struct thread *t = arg;

    for (int i = 1; i <= 2; i++)
        assert_int_equal(kio_blocking_send(&t->tx, &i), 0);
    kio_tx_drop(&t->tx);
    return NULL;
}

struct takes_two {
    async_fn(int);
    struct kio_rx *rx;
    int value, count;
    struct kio_recv recv;
};

async(takes_two)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, self->rx, &self->value));
        if (!self->recv.out)
            async_return(self->count);
        assert_int_equal(self->value, ++self->count);
    }
}

static void threads_and_tasks_talk_through_the_blocking_calls(void **state)
{
    pthread_t id;

    (void)state;
    for (int many = 0; many < 2; many++) {
        struct thread t = { 0 };
        struct kio_tx tx;

        make(&tx, &t.rx, 1);
        assert_int_equal(pthread_create(&id, NULL, many ? thread_receives_many : thread_receives, &t),
                         0);
        run(sends, .tx = tx, .count = 2);
        pthread_join(id, NULL);
        assert_int_equal(t.got[0], 1);
        assert_int_equal(t.got[1], 2);
        assert_int_equal(t.count, many ? 2 : 0);
        kio_rx_drop(&t.rx);
    }
    struct thread t = { 0 };
    struct kio_rx rx;

    make(&t.tx, &rx, 1);
    assert_int_equal(pthread_create(&id, NULL, thread_sends, &t), 0);
    assert_int_equal(run(takes_two, .rx = &rx), 2);
    pthread_join(id, NULL);
    kio_rx_drop(&rx);
}

static void *thread_waits_for_both(void *arg)
{
    struct thread *t = arg;
    uint64_t missed = 0;

    assert_int_equal(kio_oneshot_blocking_recv(&t->once, &t->got[0]), 1);
    assert_int_equal(kio_broadcast_blocking_recv(&t->broadcast, &t->got[1], &missed), -EOVERFLOW);
    assert_int_equal(missed, 1);
    assert_int_equal(kio_broadcast_blocking_recv(&t->broadcast, &t->got[1], NULL), 1);
    assert_int_equal(kio_broadcast_blocking_recv(&t->broadcast, &t->got[2], NULL), 0);
    return NULL;
}

struct tells_a_thread {
    async_fn(void);
    struct kio_oneshot_tx *once;
    struct kio_broadcast_tx *broadcast;
    struct kio_yield y;
};

async(tells_a_thread)
{
    async_begin;
    for (int i = 8; i <= 9; i++)
        kio_broadcast_send(self->broadcast, &i);
    await(kio_yield_now(&self->y));
    int seven = 7;

    assert_int_equal(kio_oneshot_send(self->once, &seven), 0);
    kio_broadcast_tx_drop(self->broadcast);
    async_return();
}

static void a_thread_waits_for_a_oneshot_and_a_broadcast(void **state)
{
    struct kio_oneshot_tx once;
    struct kio_broadcast_tx broadcast;
    struct thread t = { 0 };
    pthread_t id;

    (void)state;
    assert_int_equal(kio_oneshot_channel(&once, &t.once, sizeof(int)), 0);
    assert_int_equal(kio_broadcast_channel(&broadcast, &t.broadcast, sizeof(int), 1), 0);
    assert_int_equal(pthread_create(&id, NULL, thread_waits_for_both, &t), 0);
    run(tells_a_thread, .once = &once, .broadcast = &broadcast);
    pthread_join(id, NULL);
    assert_int_equal(t.got[0], 7);
    assert_int_equal(t.got[1], 9);
    kio_broadcast_rx_drop(&t.broadcast);
}

/* ---- a limit of time ----------------------------------------------------------------------- */

struct sends_with_limit {
    async_fn(void);
    struct kio_tx tx;
    struct kio_rx rx;
    int i, value;
    kio_instant start;
    struct kio_send send;
    struct kio_timeout limit;
};

static void sends_with_limit_drop(struct sends_with_limit *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

async(sends_with_limit, sends_with_limit_drop)
{
    async_begin;
    make(&self->tx, &self->rx, 5);
    for (self->i = 1; self->i <= 5; self->i++) {
        self->value = self->i * 10;
        await(kio_timeout(&self->limit, KIO_SEC,
                          kio_send(&self->send, &self->tx, &self->value)));
        assert_int_equal(self->limit.out, 0);
        assert_int_equal(self->send.out, 0);
    }
    self->start = kio_now();
    self->value = 60;
    await(kio_timeout(&self->limit, KIO_SEC, kio_send(&self->send, &self->tx, &self->value)));
    assert_int_equal(self->limit.out, -ETIMEDOUT);
    assert_int_equal(kio_now() - self->start, KIO_SEC);
    assert_int_equal(kio_rx_len(&self->rx), 5); /* not sent: it still is the caller's */
    kio_rx_drop(&self->rx);
    self->value = 70;
    await(kio_timeout(&self->limit, KIO_SEC, kio_send(&self->send, &self->tx, &self->value)));
    assert_int_equal(self->limit.out, 0);
    assert_int_equal(self->send.out, -EPIPE);
    async_return();
}

static int open_paused(void **state)
{
    (void)state;
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD,
                                                              .start_paused = true });
}

static void a_send_with_a_limit_of_time_sends_or_not_at_all(void **state)
{
    (void)state;
    run(sends_with_limit);
}

/* ---- a reservation keeps its place where a send would lose it ------------------------------ */

struct keeps_place {
    async_fn(int);
    struct kio_tx tx;
    struct kio_rx rx;
    int sent, got, in, turns;
    struct kio_permit permit;
    struct kio_reserve reserve;
    struct kio_recv recv;
    struct kio_yield y;
    struct kio_select s;
};

static void keeps_place_drop(struct keeps_place *self)
{
    kio_permit_drop(&self->permit);
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

/* The reservation belongs to this function, so a select that ends otherwise leaves it in its line: it is
 * made once a message. The message is made when there is room, so there is none to lose. */
async(keeps_place, keeps_place_drop)
{
    async_begin;
    assert_int_equal(kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 1), 0);
    async_let(kio_reserve(&self->reserve, &self->tx, &self->permit));
    while (self->got < amount(2000)) {
        await(kio_select(&self->s,
                         &self->reserve,
                         kio_recv(&self->recv, &self->rx, &self->in),
                         self->got % 3 ? NULL : kio_yield_now(&self->y)));
        self->turns++;
        if (self->s.out == 0) {
            assert_int_equal(self->reserve.out, 0);
            assert_int_equal(kio_permit_send(&self->permit, &self->sent), 0);
            self->sent++;
            async_let(kio_reserve(&self->reserve, &self->tx, &self->permit));
        } else if (self->s.out == 1) {
            assert_int_equal(self->in, self->got);
            self->got++;
        }
    }
    async_return(self->got);
}

static void a_reservation_in_a_select_loop_keeps_its_place_and_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(keeps_place), amount(2000));
}

/* ---- the budget ---------------------------------------------------------------------------- */

/* What is ready each time it is awaited. A task that awaits nothing else still lets others run. */
enum always_ready {
    RECV, RECV_MANY, SEND_UNBOUNDED, RESERVE, RESERVE_NONE, TX_CLOSED, ONESHOT_CLOSED,
    WATCH_CHANGED, WATCH_CHANGED_END, WATCH_WAIT_FOR, WATCH_WAIT_FOR_END, WATCH_CLOSED,
    BROADCAST_RECV, BROADCAST_CLOSED, ALWAYS_READY,
};

static bool is_one(const void *value, void *arg)
{
    (void)arg;
    return *(const int *)value == 1;
}

struct hog {
    async_fn(void);
    enum always_ready what;
    int turns, value;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_oneshot_tx once;
    struct kio_watch_tx wtx;
    struct kio_watch_rx wrx;
    struct kio_broadcast_tx btx;
    struct kio_broadcast_rx brx;
    struct kio_permit permit;
    struct kio_reserved permits;
    union {
        struct kio_send send;
        struct kio_reserve reserve;
        struct kio_reserve_many reserve_many;
        struct kio_recv recv;
        struct kio_recv_many recv_many;
        struct kio_tx_closed tx_closed;
        struct kio_oneshot_closed oneshot_closed;
        struct kio_watch_changed changed;
        struct kio_watch_wait_for wait_for;
        struct kio_watch_closed watch_closed;
        struct kio_broadcast_recv brecv;
        struct kio_broadcast_closed bclosed;
    } f;
};

static void hog_drop(struct hog *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
    kio_oneshot_tx_drop(&self->once);
    kio_watch_tx_drop(&self->wtx);
    kio_watch_rx_drop(&self->wrx);
    kio_broadcast_tx_drop(&self->btx);
    kio_broadcast_rx_drop(&self->brx);
}

static void hog_open(struct hog *self)
{
    struct kio_oneshot_rx once_rx;
    int zero = 0;

    assert_int_equal(kio_oneshot_channel(&self->once, &once_rx, 0), 0);
    kio_oneshot_rx_drop(&once_rx);
    make(&self->tx, &self->rx, self->what == SEND_UNBOUNDED ? SIZE_MAX : 4);
    assert_int_equal(kio_watch_channel(&self->wtx, &self->wrx, sizeof(int), &zero), 0);
    assert_int_equal(kio_broadcast_channel(&self->btx, &self->brx, sizeof(int), 4), 0);
    if (self->what == TX_CLOSED)
        kio_rx_drop(&self->rx);
    if (self->what == WATCH_CHANGED_END || self->what == WATCH_WAIT_FOR_END)
        kio_watch_tx_drop(&self->wtx);
    if (self->what == WATCH_CLOSED)
        kio_watch_rx_drop(&self->wrx);
    if (self->what == BROADCAST_CLOSED)
        kio_broadcast_rx_drop(&self->brx);
}

async(hog, hog_drop)
{
    async_begin;
    hog_open(self);
    for (; self->turns < 100000; self->turns++) {
        int one = 1;

        switch (self->what) {
        case RECV:
            assert_int_equal(kio_try_send(&self->tx, &one), 0);
            await(kio_recv(&self->f.recv, &self->rx, &self->value));
            break;
        case RECV_MANY:
            assert_int_equal(kio_try_send(&self->tx, &one), 0);
            await(kio_recv_many(&self->f.recv_many, &self->rx, &self->value, 1));
            break;
        case SEND_UNBOUNDED:
            await(kio_send(&self->f.send, &self->tx, &self->value));
            break;
        case RESERVE:
            await(kio_reserve(&self->f.reserve, &self->tx, &self->permit));
            kio_permit_drop(&self->permit);
            break;
        case RESERVE_NONE:
            await(kio_reserve_many(&self->f.reserve_many, &self->tx, 0, &self->permits));
            break;
        case TX_CLOSED:
            await(kio_tx_closed(&self->f.tx_closed, &self->tx));
            break;
        case ONESHOT_CLOSED:
            await(kio_oneshot_closed(&self->f.oneshot_closed, &self->once));
            break;
        case WATCH_CHANGED:
            assert_int_equal(kio_watch_send(&self->wtx, &one), 0);
            await(kio_watch_changed(&self->f.changed, &self->wrx));
            assert_int_equal(self->f.changed.out, 0);
            break;
        case WATCH_CHANGED_END:
            await(kio_watch_changed(&self->f.changed, &self->wrx));
            assert_int_equal(self->f.changed.out, -EPIPE);
            break;
        case WATCH_WAIT_FOR:
            assert_int_equal(kio_watch_send(&self->wtx, &one), 0);
            await(kio_watch_wait_for(&self->f.wait_for, &self->wrx, is_one, NULL, NULL));
            assert_int_equal(self->f.wait_for.out, 0);
            break;
        case WATCH_WAIT_FOR_END:
            await(kio_watch_wait_for(&self->f.wait_for, &self->wrx, is_one, NULL, NULL));
            assert_int_equal(self->f.wait_for.out, -EPIPE);
            break;
        case WATCH_CLOSED:
            await(kio_watch_closed(&self->f.watch_closed, &self->wtx));
            break;
        case BROADCAST_RECV:
            assert_int_equal(kio_broadcast_send(&self->btx, &one), 1);
            await(kio_broadcast_recv(&self->f.brecv, &self->brx, &self->value));
            assert_int_equal(self->f.brecv.out, 1);
            break;
        case BROADCAST_CLOSED:
            await(kio_broadcast_closed(&self->f.bclosed, &self->btx));
            break;
        case ALWAYS_READY:
            break;
        }
    }
    async_return();
}

struct hog_and_yield {
    async_fn(int);
    enum always_ready what;
    struct hog hog;
    struct kio_yield y;
    struct kio_select s;
};

async(hog_and_yield)
{
    async_begin;
    async_call(&self->hog, hog, .what = self->what);
    await(kio_select_biased(&self->s, &self->hog, kio_yield_now(&self->y)));
    async_return(self->s.out);
}

static void what_is_always_ready_lets_others_run(void **state)
{
    (void)state;
    for (enum always_ready what = RECV; what < ALWAYS_READY; what++)
        assert_int_equal(run(hog_and_yield, .what = what), 1);
}

/* ---- tokio#7622: the second of two wakes has to carry what was written before it ------------ */

static ki_atomic(int) written[2];

/* By hand: ready when it sees both; its waker is with two threads. */
struct sees_both {
    KIO_ASYNC_FN(int);
    struct kio_oneshot_tx *started;
};

static kio_waker to_wake[2];

static kio_poll sees_both_poll(kio_future *f, kio_context *cx)
{
    struct sees_both *self = (struct sees_both *)f;

    if (!f->state) {
        f->state = f;
        for (int i = 0; i < 2; i++)
            to_wake[i] = kio_waker_clone(cx->waker);
        kio_oneshot_send(self->started, &(int){ 1 });
    }
    /* relaxed: the wakes alone order it, which is what is tested */
    if (!ki_load_relaxed(&written[0]) || !ki_load_relaxed(&written[1]))
        return KIO_PENDING;
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type sees_both_type = {
    .name = "sees_both",
    .size = sizeof(struct sees_both),
    .poll = sees_both_poll,
    .out_offset = offsetof(struct sees_both, out),
    .out_size = sizeof(int),
};

struct waits_for_both {
    async_fn(void);
    struct kio_oneshot_tx *started;
    struct sees_both both;
};

async(waits_for_both)
{
    async_begin;
    self->both = (struct sees_both){ .kio = { .type = &sees_both_type }, .started = self->started };
    await(&self->both);
    async_return();
}

static void *writes_and_wakes(void *arg)
{
    long i = (long)arg;

    ki_store_relaxed(&written[i], 1);
    kio_waker_wake(to_wake[i]);
    return NULL;
}

static void *starts_both(void *arg)
{
    struct kio_oneshot_rx *started = arg;
    pthread_t id;
    int value;

    assert_int_equal(kio_oneshot_blocking_recv(started, &value), 1);
    assert_int_equal(pthread_create(&id, NULL, writes_and_wakes, (void *)1L), 0);
    writes_and_wakes((void *)0L);
    pthread_join(id, NULL);
    return NULL;
}

static void what_is_written_before_the_second_of_two_wakes_is_seen(void **state)
{
    (void)state;
    for (int i = 0; i < amount(300); i++) {
        struct kio_oneshot_tx tx;
        struct kio_oneshot_rx started;
        pthread_t id;

        ki_store_relaxed(&written[0], 0);
        ki_store_relaxed(&written[1], 0);
        assert_int_equal(kio_oneshot_channel(&tx, &started, sizeof(int)), 0);
        assert_int_equal(pthread_create(&id, NULL, starts_both, &started), 0);
        run(waits_for_both, .started = &tx);
        pthread_join(id, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RT(a_task_sends_and_another_receives_until_the_end),
        RT(a_task_sends_and_another_receives_many_at_a_time),
        RT(a_channel_is_closed_when_tasks_have_dropped_all_senders),
        RT(a_oneshots_sender_awaits_the_receivers_end_in_another_task),
        RT(a_weak_sender_of_a_task_does_not_keep_its_channel_open),
        RT(an_actor_sends_to_itself_through_a_weak_sender_and_ends),
        RT(threads_and_tasks_talk_through_the_blocking_calls),
        RT(a_thread_waits_for_a_oneshot_and_a_broadcast),
        RT(a_reservation_in_a_select_loop_keeps_its_place_and_loses_nothing),
        RT(what_is_always_ready_lets_others_run),
        RT(what_is_written_before_the_second_of_two_wakes_is_seen),
    };
    const struct CMUnitTest paused[] = {
        cmocka_unit_test_setup_teardown(a_send_with_a_limit_of_time_sends_or_not_at_all, open_paused,
                                        rt_close),
    };
    int failed;

    rt_flavor = KIO_CURRENT_THREAD;
    failed = cmocka_run_group_tests_name("current_thread", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("paused", paused, NULL, NULL);
    rt_flavor = KIO_MULTI_THREAD;
    return failed + cmocka_run_group_tests_name("multi_thread", tests, NULL, NULL);
}
