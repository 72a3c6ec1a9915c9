/*
 * The pitfall: a call that blocks holds up every task of its thread.
 *
 * Ten sleeps of 10 to 100 ms on current_thread, three times:
 * with the C library's sleep they run one after the other, 550 ms; with kio_sleep side by side,
 * 100 ms; and calls that cannot but block go to the blocking pool: 100 ms again.
 */
#include <kioto.h>

#include <stdio.h>
#include <time.h>

static long ms_since(kio_instant start)
{
    return (long)((kio_now() - start) / KIO_MS);
}

static void *block_for_ms(void *ms)
{
    long n = (long)(intptr_t)ms;

    nanosleep(&(struct timespec){ n / 1000, n % 1000 * 1000000 }, NULL);
    return NULL;
}

enum how { BLOCKING, ASYNC, BLOCKING_POOL };

struct sleep_ms {
    async_fn(void);
    kio_instant start;
    int id;
    long duration_ms;
    enum how how;

    struct kio_sleep nap;
    struct kio_join_handle job;
};

async(sleep_ms)
{
    async_begin;
    switch (self->how) {
    case BLOCKING:
        block_for_ms((void *)(intptr_t)self->duration_ms); /* blocks the executor */
        break;
    case ASYNC:
        await(kio_sleep(&self->nap, self->duration_ms * KIO_MS));
        break;
    case BLOCKING_POOL:
        kio_spawn_blocking(&self->job, block_for_ms, (void *)(intptr_t)self->duration_ms);
        await(&self->job);
        break;
    }
    printf("future %d slept for %ldms, finished after %ldms\n", self->id, self->duration_ms,
           ms_since(self->start));
    async_return();
}

struct async_main {
    async_fn(void);
    enum how how;
    kio_instant start;
    struct sleep_ms sleeps[10];
    struct kio_join_all all;
};

async(async_main)
{
    static const char *const titles[] = {
        "nanosleep in each task: one after the other",
        "kio_sleep: side by side",
        "nanosleep on the blocking pool: side by side",
    };

    async_begin;
    for (self->how = BLOCKING; self->how <= BLOCKING_POOL; self->how++) {
        printf("-- %s\n", titles[self->how]);
        self->start = kio_now();
        for (int t = 1; t <= 10; t++)
            async_call(&self->sleeps[t - 1], sleep_ms, .start = self->start, .id = t,
                       .duration_ms = t * 10, .how = self->how);
        await(kio_join_all(&self->all, self->sleeps, 10));
        printf("   all after %ldms\n", ms_since(self->start));
    }
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
