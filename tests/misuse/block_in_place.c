/* Blocking in place where no other worker could take over. */
/* expect: block_in_place\.c:[0-9]+: kio_block_in_place on current_thread */
/* expect: fix: use kio_spawn_blocking */
#include <kioto.h>

static void *nothing(void *arg)
{
    return arg;
}

struct async_main {
    async_fn(int);
};

async(async_main)
{
    async_begin;
    async_return(kio_block_in_place(nothing, NULL) != NULL);
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
