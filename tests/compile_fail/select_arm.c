/* What is no future is no arm. */
/* expect: kio */
#include <kioto.h>

struct wrong {
    async_fn(void);
    struct kio_select select;
    int number;
};

async(wrong)
{
    async_begin;
    await(kio_select(&self->select, &self->number));
    async_return();
}
