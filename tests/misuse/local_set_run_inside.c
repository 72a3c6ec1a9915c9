/* A task of a local set polls the future that runs the set. */
/* expect: a local set is run by one of its own tasks */
/* expect: fix: let what runs the set run it: its tasks spawn into it */
#include <kioto.h>

static struct kio_local_set set;
static struct kio_local_run run;

struct runner {
    async_fn(void);
};

async(runner)
{
    async_begin;
    (void)kio_future_poll(&run.kio, cx);
    async_return();
}

struct async_main {
    async_fn(void);
};

async(async_main)
{
    async_begin;
    if (kio_local_set_new(&set) || kio_local_spawn(&set, NULL, runner))
        async_return();
    kio_local_set_wait(&run, &set);
    await(&run);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
