/* A task waits until no task is left. */
/* expect: drain_inside\.c:[0-9]+: kio_runtime_drain inside a task */
#include <kioto.h>

struct async_main {
    async_fn(int);
};

async(async_main)
{
    async_begin;
    async_return(kio_runtime_drain(kio_runtime_current(), -1));
}

kio_main(async_main)
