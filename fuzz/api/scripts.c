/* Async functions that the program makes: as tasks, in boxes, as arms. */
#include "fuzz.h"

long scripts_made, scripts_dropped;

static void script_drop(struct script *self)
{
    if (self->message && self->send.out != 0)
        message_back(self->message);
    if (self->inside)
        inside_mutex = false;
    if (self->held) {
        permits_held -= self->held;
        kio_release(&semaphore, self->held);
    }
    scripts_dropped++;
}

async(script, script_drop)
{
    async_begin;
    self->send.out = UNTOUCHED;
    for (self->left = (int)(byte() % 6); self->left; self->left--) {
        switch (byte() % 16) {
        case 0:
        case 2:
            await(kio_yield_now(&self->yield));
            break;
        case 1:
            await(kio_sleep(&self->nap, short_time()));
            break;
        case 3:
            if (!tx[0].chan)
                break;
            self->message = message_new();
            kio_send(&self->send, &tx[0], &self->message);
            self->send.out = UNTOUCHED;
            await(kio_timeout(&self->limit, short_time(), &self->send));
            if (self->send.out == 0)
                message_sent(self->message, true);
            else
                message_back(self->message);
            self->message = 0;
            break;
        case 4:
            await(kio_lock(&self->lock, &mutex));
            must(!inside_mutex && kept_locks("lock", false) == 0);
            inside_mutex = self->inside = true;
            if (byte() & 1)
                await(kio_sleep(&self->nap, short_time()));
            inside_mutex = self->inside = false;
            kio_unlock(&self->lock);
            break;
        case 5:
            await(kio_timeout(&self->limit, short_time(), kio_acquire(&self->acquire, &semaphore, 1)));
            if (self->limit.out == 0 && self->acquire.out == 0) {
                self->held = 1;
                permits_held++;
                sync_check();
                await(kio_yield_now(&self->yield));
                self->held = 0;
                permits_held--;
                kio_release(&semaphore, 1);
            }
            break;
        case 6:
            await(kio_select(&self->select, kio_notified(&self->notified, &notify),
                             kio_sleep(&self->nap, short_time())));
            break;
        case 7:
            if (self->depth >= 4)
                break;
            scripts_made++;
            await(kio_box(&self->box, script, .depth = self->depth + 1));
            must(*kio_boxed_output(&self->box, int) == self->depth + 1);
            break;
        case 8:
            if (self->depth < 3) {
                scripts_made++;
                (void)kio_scope_spawn(&self->scope, script, .depth = self->depth + 1);
            }
            if (byte() & 1)
                kio_scope_cancel(&self->scope);
            if (byte() & 1)
                await(kio_scope_join(&self->scope));
            break;
        case 9:
            scripts_made++;
            (void)kio_spawn(NULL, script, .depth = 4);
            break;
        case 10:
            if (!tokens[0].node)
                break;
            await(kio_select_biased(&self->select, kio_cancelled(&self->cancelled, &tokens[0]),
                                    kio_yield_now(&self->yield)));
            break;
        case 11:
            await(kio_select_biased(&self->select, kio_permits(&self->permits, &semaphore, 1),
                                    kio_sleep(&self->nap, short_time())));
            sync_check();
            break;
        case 12:
            if (!shared[0].state || self->depth == 5)
                break;
            await(kio_shared_wait(&self->wait, &shared[0]));
            break;
        case 13:
            scripts_made++;
            (void)kio_scope_spawn(&self->scope, numbered, .n = 1, .how = byte());
            break;
        default:
            async_return(self->depth);
        }
    }
    async_return(self->depth);
}

static void numbered_drop(struct numbered *self)
{
    (void)self;
    scripts_dropped++;
}

async(numbered, numbered_drop)
{
    async_begin;
    if (self->how & 1)
        await(kio_yield_now(&self->yield));
    if (self->how & 2)
        await(kio_sleep(&self->nap, (self->how >> 4) * KIO_MS));
    if ((self->how & 0x1c) == 0x1c)
        async_return(-1 - self->n);
    async_return(self->n);
}
