/* A child task is spawned onto a runtime whose tasks run on another thread. */
/* expect: kio_scope_spawn onto another runtime, whose tasks stay on its own thread */
/* expect: fix: spawn into a scope where its owner's runtime is the current one */
#include <kioto.h>

struct child {
    async_fn(void);
};

async(child)
{
    async_begin;
    async_return();
}

struct async_main {
    async_fn(void);
    struct kio_scope scope;
};

async(async_main)
{
    struct kio_runtime *other, *before;

    async_begin;
    if (kio_runtime_new(&other, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD }))
        async_return();
    before = kio_runtime_enter(other);
    (void)kio_scope_spawn(&self->scope, child);
    kio_runtime_leave(before);
    kio_runtime_free(other);
    async_return();
}

kio_main(async_main)
