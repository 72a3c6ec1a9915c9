/* kio_block_on inside a task. */
/* expect: block_on_in_task\.c:[0-9]+: kio_block_on inside a task */
/* expect: fix: await the function instead */
/* expect: in task inner_task|in task async_main */
#include <kioto.h>

struct inner {
    async_fn(int);
};

async(inner)
{
    async_begin;
    async_return(1);
}

struct async_main {
    async_fn(int);
};

async(async_main)
{
    async_begin;
    async_return(kio_block_on(inner));
}

kio_main(async_main)
