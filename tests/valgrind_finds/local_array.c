/* A local array carried across an await: its stack frame is gone when the function goes on. */
#include <kioto.h>

#include <stdio.h>
#include <string.h>

struct async_main {
    async_fn(int);
    struct kio_sleep nap;
};

async(async_main)
{
    char text[64];

    async_begin;
    memset(text, 'x', sizeof text);
    text[63] = '\0';
    await(kio_sleep(&self->nap, 100 * KIO_MS)); /* it suspends, however slow the machine */
    async_return(strlen(text) == 63 ? 0 : 1);
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
