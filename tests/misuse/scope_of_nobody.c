/* A scope outside of an async function's struct has nobody who drops it. */
/* expect: scope_of_nobody\.c:[0-9]+: a kio_scope that no async function owns is used */
/* expect: fix: make it a field of `self` */
#include <kioto.h>

struct child {
    async_fn(void);
};

async(child)
{
    async_begin;
    async_return();
}

static struct kio_scope scope;

struct async_main {
    async_fn(void);
};

async(async_main)
{
    async_begin;
    kio_scope_spawn(&scope, child);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
