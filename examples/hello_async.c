/*
 * The first async function: counts to ten under kio_block_on.
 *
 * An async function is a struct (its parameters, its state, its result) and a body. Calling it
 * with async_call builds a future in a slot and runs nothing; await runs it to its end.
 */
#include <kioto.h>

#include <stdio.h>

struct count_to {
    async_fn(void);
    int count; /* parameter */
};

async(count_to)
{
    async_begin;
    for (int i = 1; i <= self->count; i++)
        printf("Count is: %d!\n", i);
    async_return();
}

struct async_main {
    async_fn(void);
    int count;
    struct count_to counting; /* slot: the future being awaited lives here */
};

async(async_main)
{
    async_begin;
    await(async_call(&self->counting, count_to, .count = self->count));
    async_return();
}

int main(void)
{
    kio_block_on(async_main, .count = 10);
    return 0;
}
