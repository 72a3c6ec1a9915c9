/* A future is built in a C local and awaited: its slot is gone when it is polled again. */
/* expect: slot_on_stack\.c:[0-9]+: .* */
/* expect: fix: */
#include <kioto.h>

struct async_main {
    async_fn(void);
};

async(async_main)
{
    struct kio_sleep nap = { 0 };

    async_begin;
    await(kio_sleep(&nap, KIO_MS));
    async_return();
}

kio_main(async_main)
