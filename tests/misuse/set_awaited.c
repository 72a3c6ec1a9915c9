/* A set is awaited instead of its members. */
/* expect: set_awaited\.c:[0-9]+: a kio_future_set was awaited */
/* expect: fix: await\(kio_future_set_next */
#include <kioto.h>

struct nothing {
    async_fn(void);
};

async(nothing)
{
    async_begin;
    async_return();
}

struct async_main {
    async_fn(void);
    struct kio_future_set set;
};

async(async_main)
{
    async_begin;
    if (kio_future_set_add(&self->set, nothing))
        async_return();
    await(&self->set);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
