/*
 * Channels: ten pings through an mpsc channel of 32, to a task of its own.
 *
 * Dropping the last sender closes the channel: the handler takes what is queued, then its receive
 * gives 0 and it ends.
 */
#include <kioto.h>

#include <stdio.h>

struct ping_handler {
    async_fn(void);
    struct kio_rx input; /* owned from the start */

    struct kio_recv recv;
    size_t count;
};

static void ping_handler_drop(struct ping_handler *self)
{
    kio_rx_drop(&self->input);
}

async(ping_handler, ping_handler_drop)
{
    async_begin;
    for (;;) {
        await(kio_recv(&self->recv, &self->input, NULL)); /* a ping carries nothing */
        if (!self->recv.out)
            break;
        self->count++;
        printf("Received %zu pings so far.\n", self->count);
    }
    printf("ping_handler complete\n");
    async_return();
}

struct async_main {
    async_fn(int);
    struct kio_tx sender;
    struct kio_send send;
    struct kio_join_handle ping_handler_task;
    int i;
};

static void async_main_drop(struct async_main *self)
{
    kio_tx_drop(&self->sender);
}

async(async_main, async_main_drop)
{
    struct kio_rx receiver;

    async_begin;
    if (kio_mpsc_channel(&self->sender, &receiver, 0, 32))
        async_return(1);
    kio_spawn(&self->ping_handler_task, ping_handler, .input = receiver);
    for (self->i = 0; self->i < 10; self->i++) {
        await(kio_send(&self->send, &self->sender, NULL));
        if (self->send.out) {
            fprintf(stderr, "Failed to send ping.\n");
            async_return(1);
        }
        printf("Sent %d pings so far.\n", self->i + 1);
    }

    kio_tx_drop(&self->sender);
    await(&self->ping_handler_task);
    async_return(self->ping_handler_task.out ? 1 : 0);
}

kio_main(async_main)
