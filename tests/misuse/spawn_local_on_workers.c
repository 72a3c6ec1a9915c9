/* A local task where tasks move between threads. */
/* expect: kio_spawn_local where no local tasks run */
/* expect: fix: call it in a task of a current_thread runtime, or in what kio_local_run_until runs */
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
    struct kio_join_set set;
};

async(async_main)
{
    async_begin;
    if (kio_join_set_spawn_local(&self->set, nothing))
        async_return();
    async_return();
}

kio_main(async_main, .flavor = KIO_MULTI_THREAD, .workers = 1)
