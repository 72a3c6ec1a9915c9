/*
 * A delay queue: sessions that end when nobody used them for ten seconds. One future waits for the next
 * to end, whatever their number; the clock is paused, so the 24 seconds take no time.
 */
#include <kioto.h>

#include <stdio.h>

#define IDLE (10 * KIO_SEC)

struct session {
    const char *name;
    struct kio_delay_key expiry;
};

struct async_main {
    async_fn(void);
    struct kio_delay_queue expiring;
    struct session users[3];
    struct session *ended;
    kio_instant start;
    struct kio_delay_queue_next next;
    struct kio_interval every;
    struct kio_tick second;
    struct kio_select event;
    int seconds;
};

async(async_main)
{
    async_begin;
    self->start = kio_now();
    self->users[0].name = "ann";
    self->users[1].name = "bob";
    self->users[2].name = "cid";
    kio_delay_queue(&self->expiring, sizeof(struct session *));
    for (int i = 0; i < 3; i++) {
        struct session *s = &self->users[i];

        if (kio_delay_queue_insert(&self->expiring, &s, IDLE + i * KIO_SEC, &s->expiry))
            async_return();
    }
    if (kio_interval(&self->every, KIO_SEC))
        async_return();

    for (;;) {
        await(kio_select(&self->event,
                         kio_delay_queue_next(&self->next, &self->expiring, &self->ended),
                         kio_tick(&self->second, &self->every)));
        if (self->event.out == 0) {
            if (!self->next.out)
                break; /* nobody is left */
            printf("%2d s: %s was idle for too long\n",
                   (int)((kio_now() - self->start) / KIO_SEC), self->ended->name);
        } else if (self->seconds++ % 7 == 0 && self->seconds < 16) {
            /* bob does something now and then */
            printf("%2d s: bob is here\n", (int)((kio_now() - self->start) / KIO_SEC));
            kio_delay_queue_reset(&self->expiring, self->users[1].expiry, IDLE);
        }
    }
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD, .start_paused = true)
