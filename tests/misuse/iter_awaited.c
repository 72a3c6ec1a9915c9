/* An iterator is awaited instead of its next value. */
/* expect: iter_awaited\.c:[0-9]+: an iterator was awaited \(kio_iter_range\) */
/* expect: fix: await\(kio_iter_next */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_iter_range numbers;
};

async(async_main)
{
    async_begin;
    kio_iter_range(&self->numbers, 0, 3);
    await(&self->numbers);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
