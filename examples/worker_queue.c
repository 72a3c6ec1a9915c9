/*
 * A worker with a queue: 100 requests, each answered through a oneshot of its own, and a report of
 * the worker's iterations every 100 ms.
 *
 * The lesson of Pin: the timer of the report outlives each turn of the loop, so it is a field of
 * the worker's struct, made its child once by async_let. The select borrows it and leaves it
 * running; in a turn's own slot it would start anew each time and never come due.
 */
#include <kioto.h>

#include <errno.h>
#include <stdio.h>

struct work {
    uint32_t input;
    struct kio_oneshot_tx respond_on;
};

struct worker {
    async_fn(void);
    struct kio_rx queue; /* owned from the start */

    struct work work; /* the item in hand */
    struct kio_recv recv;
    struct kio_sleep pretend;
    struct kio_sleep report; /* outlives each turn of the loop: pinned in this struct */
    struct kio_select next;
    unsigned iterations;
};

static void worker_drop(struct worker *self)
{
    kio_oneshot_tx_drop(&self->work.respond_on); /* a zeroed handle: nothing to do */
    kio_rx_drop(&self->queue);
}

async(worker, worker_drop)
{
    async_begin;
    async_let(kio_sleep(&self->report, 100 * KIO_MS));
    for (;;) {
        await(kio_select(&self->next,
                         kio_recv(&self->recv, &self->queue, &self->work),
                         &self->report));
        switch (self->next.out) {
        case 0:
            if (!self->recv.out)
                async_return(); /* every sender is gone */
            await(kio_sleep(&self->pretend, 10 * KIO_MS)); /* pretend to work */
            uint32_t answer = self->work.input * 1000;
            kio_oneshot_send(&self->work.respond_on, &answer);
            self->iterations++;
            break;
        case 1:
            printf("worker: %u iterations so far\n", self->iterations);
            async_let(kio_sleep(&self->report, 100 * KIO_MS));
            break;
        }
    }
}

/* Asks for work and waits for its result; a negative errno if the worker is gone. */
struct do_work {
    async_fn(int64_t);
    struct kio_tx *queue;
    uint32_t input;

    struct work work;
    struct kio_oneshot_rx response;
    struct kio_send send;
    struct kio_oneshot_recv recv;
    uint32_t result;
};

static void do_work_drop(struct do_work *self)
{
    kio_oneshot_tx_drop(&self->work.respond_on);
    kio_oneshot_rx_drop(&self->response);
}

async(do_work, do_work_drop)
{
    async_begin;
    self->work.input = self->input;
    int err = kio_oneshot_channel(&self->work.respond_on, &self->response, sizeof(uint32_t));
    if (err)
        async_return(err);
    await(kio_send(&self->send, self->queue, &self->work));
    if (self->send.out)
        async_return(self->send.out);
    self->work.respond_on = (struct kio_oneshot_tx){ 0 }; /* it is the worker's now */
    await(kio_oneshot_recv(&self->recv, &self->response, &self->result));
    async_return(self->recv.out ? (int64_t)self->result : -EPIPE);
}

struct async_main {
    async_fn(int);
    struct kio_tx queue;
    struct do_work request;
    uint32_t i;
};

static void async_main_drop(struct async_main *self)
{
    kio_tx_drop(&self->queue);
}

async(async_main, async_main_drop)
{
    struct kio_rx rx;

    async_begin;
    if (kio_mpsc_channel(&self->queue, &rx, sizeof(struct work), 10))
        async_return(1);
    kio_spawn(NULL, worker, .queue = rx);
    for (self->i = 0; self->i < 100; self->i++) {
        await(async_call(&self->request, do_work, .queue = &self->queue, .input = self->i));
        if (self->request.out < 0)
            async_return(1);
        printf("work result for iteration %u: %lld\n", self->i, (long long)self->request.out);
    }
    async_return(0);
}

kio_main(async_main)
