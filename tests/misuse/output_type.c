/* A result is fetched as another type. */
/* expect: output_type\.c:[0-9]+: kio_output of number, whose result has 4 bytes, as a type of 8 */
#include <kioto.h>

struct number {
    async_fn(int);
};

async(number)
{
    async_begin;
    async_return(1);
}

struct async_main {
    async_fn(int);
    struct kio_join_handle h;
};

async(async_main)
{
    async_begin;
    kio_spawn(&self->h, number);
    await(&self->h);
    async_return((int)*kio_output(&self->h, double));
}

kio_main(async_main)
