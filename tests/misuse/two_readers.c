/* Two futures wait to read one stream. */
/* expect: two futures wait to read from fd */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_stream a, b;
    struct kio_read one, two;
    struct kio_join both;
    char buf[2];
};

async(async_main)
{
    async_begin;
    if (kio_unix_pair(&self->a, &self->b))
        async_return();
    await(kio_join(&self->both, kio_read(&self->one, &self->a, &self->buf[0], 1),
                   kio_read(&self->two, &self->a, &self->buf[1], 1)));
    async_return();
}

kio_main(async_main)
