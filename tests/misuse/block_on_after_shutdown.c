/* kio_runtime_block_on on a runtime that was shut down. */
/* expect: block_on_after_shutdown\.c:[0-9]+: kio_runtime_block_on\(nothing\): .*shutdown */
/* expect: fix: block on it before shutdown, or use kio_runtime_try_block_on */
#include <kioto.h>

struct nothing {
    async_fn(void);
};

async(nothing)
{
    async_begin;
    async_return();
}

int main(void)
{
    struct kio_runtime *rt;

    if (kio_runtime_new(&rt, NULL))
        return 1;
    kio_runtime_shutdown(rt, -1);
    kio_runtime_block_on(rt, nothing);
    return 0;
}
