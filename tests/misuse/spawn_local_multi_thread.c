/* kio_spawn_local in a task of a multi_thread runtime. */
/* expect: spawn_local_multi_thread\.c:[0-9]+: kio_spawn_local where no local tasks run */
#include <kioto.h>

struct nothing {
    async_fn(void);
};

async(nothing)
{
    async_begin;
    async_return();
}

struct async_main {
    async_fn(void);
};

async(async_main)
{
    async_begin;
    kio_spawn_local(NULL, nothing);
    async_return();
}

kio_main(async_main)
