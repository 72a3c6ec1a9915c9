/* A body that can end without async_return is told by -Wreturn-type. */
/* expect: control reaches end of non-void function|non-void function does not return a value */
#include <kioto.h>

struct forgetful {
    async_fn(void);
    struct kio_sleep nap;
};

async(forgetful)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_SEC));
}
