/* A pointer to a C local is handed to an async function: found in debug builds of the user. */
/* expect: stack_param\.c:[0-9]+: .*reader */
/* expect: fix: */
#include <kioto.h>

#include <string.h>

struct reader {
    async_fn(int);
    char *buf;
    struct kio_sleep nap;
};

async(reader)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_MS));
    async_return(self->buf[0]);
}

struct async_main {
    async_fn(int);
    struct reader r;
};

async(async_main)
{
    char buf[64];

    async_begin;
    memset(buf, 1, sizeof buf);
    await(async_call(&self->r, reader, .buf = buf));
    async_return(self->r.out);
}

kio_main(async_main)
