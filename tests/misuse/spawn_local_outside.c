/* A local task on a thread that runs none. */
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

int main(void)
{
    return kio_spawn_local(NULL, nothing);
}
