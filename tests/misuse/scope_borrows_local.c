/* What a child borrows lies in its parent's struct, not in a C local of the parent's body. */
/* expect: scope_borrows_local\.c:[0-9]+: child was given a pointer to a C local */
/* expect: fix: keep what a future refers to in `self` */
#include <kioto.h>

struct child {
    async_fn(void);
    int *to;
};

async(child)
{
    async_begin;
    *self->to = 1;
    async_return();
}

struct async_main {
    async_fn(void);
    struct kio_scope scope;
};

async(async_main)
{
    int number = 0;

    async_begin;
    kio_scope_spawn(&self->scope, child, .to = &number);
    await(kio_scope_join(&self->scope));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
