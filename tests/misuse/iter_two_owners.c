/* Two adapters are given the same source. */
/* expect: kio_iter_take was given an iterator that another one owns */
/* expect: fix: an iterator has one consumer */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_iter_range numbers;
    struct kio_iter_take a, b;
};

async(async_main)
{
    async_begin;
    kio_iter_range(&self->numbers, 0, 3);
    kio_iter_take(&self->a, &self->numbers, 1);
    kio_iter_take(&self->b, &self->numbers, 1);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
