/* Spawning on a thread without a runtime. */
/* expect: kio_spawn needs a runtime, and this thread has none */
/* expect: fix: .*kio_spawn_on */
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
    return kio_spawn(NULL, nothing);
}
