/*
 * A million tasks, asleep at the same time.
 *
 * Each is a task of its own with a timer of its own; shows how many run, what a task costs in
 * memory, and when all have woken. A thread for each would need terabytes of address space.
 *
 *     million_tasks [count]
 */
#include <kioto.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (!f)
        return 0;
    if (fscanf(f, "%*s %zu", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

struct sleeper {
    async_fn(void);
    kio_instant until;
    struct kio_tx done; /* dropped at the end: the last one closes the channel */
    struct kio_sleep nap;
};

static void sleeper_drop(struct sleeper *self)
{
    kio_tx_drop(&self->done);
}

async(sleeper, sleeper_drop)
{
    async_begin;
    await(kio_sleep_until(&self->nap, self->until));
    async_return();
}

struct async_main {
    async_fn(int);
    int argc;
    char **argv;

    long count, i;
    size_t before;
    kio_instant start, until;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
    struct kio_yield breath;
};

static void async_main_drop(struct async_main *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

async(async_main, async_main_drop)
{
    async_begin;
    self->count = self->argc > 1 ? atol(self->argv[1]) : 1000000;
    if (self->count < 1 || kio_mpsc_channel(&self->tx, &self->rx, 0, 1))
        async_return(1);
    self->before = resident_bytes();
    self->start = kio_now();
    self->until = self->start + 2 * KIO_SEC;
    for (self->i = 1; self->i <= self->count; self->i++) {
        if (kio_spawn(NULL, sleeper, .until = self->until, .done = kio_tx_clone(&self->tx))) {
            fprintf(stderr, "out of memory after %ld tasks\n", self->i - 1);
            async_return(1);
        }
        if (self->i % 1000 == 0)
            await(kio_yield_now(&self->breath)); /* let them arm their timers */
        if (self->i % (self->count / 5 > 0 ? self->count / 5 : 1) == 0)
            printf("%ld tasks sleep, %ld ms\n", self->i, (long)((kio_now() - self->start) / KIO_MS));
    }
    await(kio_yield_now(&self->breath));
    printf("%zu bytes a task\n", (resident_bytes() - self->before) / (size_t)self->count);
    kio_tx_drop(&self->tx);
    await(kio_recv(&self->recv, &self->rx, NULL)); /* 0: the last one has ended */
    printf("all %ld have woken, %ld ms after their time\n", self->count,
           (long)((kio_now() - self->until) / KIO_MS));
    async_return(0);
}

kio_main_args(async_main, .flavor = KIO_CURRENT_THREAD)
