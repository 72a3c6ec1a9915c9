/* An item is taken as a type of another size. */
/* expect: kio_iter_next: the value has 4 bytes, an item of kio_iter_range 8 */
/* expect: fix: hand over a pointer to the type the iterator gives */
#include <kioto.h>

struct async_main {
    async_fn(void);
    struct kio_iter_range numbers;
    struct kio_iter_next next;
    int number;
};

async(async_main)
{
    async_begin;
    kio_iter_range(&self->numbers, 0, 3);
    await(kio_iter_next(&self->next, &self->numbers, &self->number));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
