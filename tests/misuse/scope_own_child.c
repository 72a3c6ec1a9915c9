/* A child that drops the function whose scope it runs in would wait for its own end. */
/* expect: scope_own_child\.c:[0-9]+: a scope is dropped by its child child, which would wait for itself */
/* expect: fix: let the function that owns the scope end on its own task */
#include <kioto.h>

struct parent {
    async_fn(void);
    struct kio_scope scope;
};

struct child {
    async_fn(void);
    struct parent *parent;
};

async(child)
{
    async_begin;
    kio_drop(self->parent);
    async_return();
}

async(parent)
{
    async_begin;
    kio_scope_spawn(&self->scope, child, .parent = self);
    await(kio_scope_join(&self->scope));
    async_return();
}

struct async_main {
    async_fn(void);
    struct parent parent;
};

async(async_main)
{
    async_begin;
    await(async_call(&self->parent, parent));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
