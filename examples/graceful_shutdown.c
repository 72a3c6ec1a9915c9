/*
 * A service that ends gracefully: its connections are tracked, limited by a semaphore, hear of a new
 * configuration by a watch channel and of news by a broadcast; a cancel token asks them to end, and the
 * service waits until the last one is gone. The clock is paused, so it takes no time.
 */
#include <kioto.h>

#include <stdio.h>

kio_watch_type(period, kio_duration);
kio_broadcast_type(news, int);

struct connection {
    async_fn(void);
    int number;
    struct kio_semaphore *limit;
    struct kio_cancel_token stop;
    struct period_rx config;
    struct news_rx news;

    struct kio_permits seat;
    struct kio_cancelled stopped;
    struct kio_watch_changed changed;
    struct kio_broadcast_recv heard;
    struct kio_sleep nap;
    struct kio_select event;
    kio_duration period;
    int headline, rounds, seen;
};

static void connection_drop(struct connection *self)
{
    kio_cancel_token_drop(&self->stop);
    kio_watch_rx_drop(&self->config);
    kio_broadcast_rx_drop(&self->news);
}

async(connection, connection_drop)
{
    async_begin;
    await(kio_permits(&self->seat, self->limit, 1)); /* given back when this function ends */
    kio_watch_get(&self->config, &self->period);
    async_let(kio_cancelled(&self->stopped, &self->stop));
    for (;;) {
        await(kio_select_biased(&self->event, &self->stopped,
                                kio_watch_changed(&self->changed, &self->config),
                                kio_broadcast_recv(&self->heard, &self->news, &self->headline),
                                kio_sleep(&self->nap, self->period)));
        switch (self->event.out) {
        case 0:
            printf("connection %d: %d rounds, %d headlines, good-bye\n", self->number, self->rounds,
                   self->seen);
            async_return();
        case 1:
            kio_watch_get(&self->config, &self->period);
            break;
        case 2:
            if (self->heard.out == 1)
                self->seen++;
            break;
        default:
            self->rounds++;
        }
    }
}

struct async_main {
    async_fn(void);
    struct kio_task_tracker tracker;
    struct kio_cancel_token stop;
    struct kio_semaphore limit;
    struct period_tx config;
    struct period_rx first;
    struct news_tx news;
    struct news_rx unused;
    struct kio_tracker_wait all_gone;
    struct kio_sleep nap;
};

static void async_main_drop(struct async_main *self)
{
    kio_task_tracker_drop(&self->tracker);
    kio_cancel_token_drop(&self->stop);
    kio_watch_tx_drop(&self->config);
    kio_watch_rx_drop(&self->first);
    kio_broadcast_tx_drop(&self->news);
    kio_broadcast_rx_drop(&self->unused);
}

async(async_main, async_main_drop)
{
    kio_duration often = 10 * KIO_MS;
    kio_duration seldom = 50 * KIO_MS;

    async_begin;
    kio_semaphore_init(&self->limit, 2);
    if (kio_task_tracker_new(&self->tracker) || kio_cancel_token_new(&self->stop, NULL) ||
        kio_watch_channel(&self->config, &self->first, sizeof(kio_duration), &often) ||
        kio_broadcast_channel(&self->news, &self->unused, sizeof(int), 4))
        async_return();

    for (int i = 1; i <= 3; i++)
        kio_task_tracker_spawn(&self->tracker, NULL, connection, .number = i, .limit = &self->limit,
                               .stop = kio_cancel_token_clone(&self->stop),
                               .config = kio_watch_subscribe(&self->config),
                               .news = kio_broadcast_subscribe(&self->news));
    await(kio_sleep(&self->nap, 105 * KIO_MS));
    printf("%zu connections, %zu seats free\n", kio_task_tracker_len(&self->tracker),
           kio_semaphore_available(&self->limit));

    kio_watch_send(&self->config, &seldom);
    for (int i = 0; i < 3; i++)
        kio_broadcast_send(&self->news, &i);
    await(kio_sleep(&self->nap, 105 * KIO_MS));

    printf("shutting down\n");
    kio_task_tracker_close(&self->tracker);
    kio_cancel(&self->stop);
    await(kio_task_tracker_wait(&self->all_gone, &self->tracker));
    printf("%zu connections left\n", kio_task_tracker_len(&self->tracker));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD, .start_paused = true)
