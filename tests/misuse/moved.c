/* A future is moved after its first poll. */
/* expect: moved */
/* expect: fix: */
#include <kioto.h>

#include <string.h>

struct waits {
    async_fn(void);
    struct kio_sleep nap;
};

async(waits)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_SEC));
    async_return();
}

static void wake(struct kio_wakeable *self)
{
    (void)self;
}

struct pinned {
    async_fn(void);
    struct waits first, second;
    kio_context cx;
    struct kio_yield y;
};

async(pinned)
{
    static const kio_waker_type type = { .name = "none", .wake = wake };
    static struct kio_wakeable none = { &type };

    async_begin;
    kio_context_init(&self->cx, (kio_waker){ &none });
    async_call(&self->first, waits);
    (void)kio_future_poll(&self->first.kio, &self->cx);
    memcpy(&self->second, &self->first, sizeof self->first);
    await(kio_yield_now(&self->y));
    (void)kio_future_poll(&self->second.kio, &self->cx);
    async_return();
}

kio_main(pinned, .flavor = KIO_CURRENT_THREAD)
