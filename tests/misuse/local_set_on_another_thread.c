/* A local set that ran on one thread is spawned into on another. */
/* expect: kio_local_spawn on another thread than the local set's */
/* expect: fix: use a set on the thread that first ran it */
#include <kioto.h>

#include <pthread.h>

static struct kio_local_set set;

struct nothing {
    async_fn(void);
};

async(nothing)
{
    async_begin;
    async_return();
}

struct run_once {
    async_fn(void);
    struct kio_local_run run;
};

async(run_once)
{
    async_begin;
    await(kio_local_set_wait(&self->run, &set));
    async_return();
}

static void *elsewhere(void *arg)
{
    (void)kio_local_spawn(&set, NULL, nothing);
    return arg;
}

int main(void)
{
    pthread_t thread;

    if (kio_local_set_new(&set) || kio_local_spawn(&set, NULL, nothing))
        return 1;
    kio_block_on(run_once);
    if (pthread_create(&thread, NULL, elsewhere, NULL))
        return 1;
    pthread_join(thread, NULL);
    return 0;
}
