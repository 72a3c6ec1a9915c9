/* A runtime is shut down by one of its own tasks. */
/* expect: shutdown_inside\.c:[0-9]+: a runtime is shut down from one of its own tasks or jobs */
#include <kioto.h>

struct async_main {
    async_fn(void);
};

async(async_main)
{
    async_begin;
    kio_runtime_shutdown(kio_runtime_current(), 0);
    async_return();
}

kio_main(async_main)
