/* A future is awaited by two. */
/* expect: two_owners\.c:[0-9]+: second awaits kio_sleep.*another */
/* expect: fix: a future has one owner */
#include <kioto.h>

struct first {
    async_fn(void);
    struct kio_sleep *nap;
};

async(first)
{
    async_begin;
    await(self->nap);
    async_return();
}

struct second {
    async_fn(void);
    struct kio_sleep *nap;
};

async(second)
{
    async_begin;
    await(self->nap);
    async_return();
}

struct async_main {
    async_fn(void);
    struct kio_sleep nap;
    struct first a;
    struct second b;
    struct kio_join both;
};

async(async_main)
{
    async_begin;
    kio_sleep(&self->nap, 50 * KIO_MS);
    await(kio_join(&self->both, async_call(&self->a, first, .nap = &self->nap),
                   async_call(&self->b, second, .nap = &self->nap)));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
