/*
 * The pitfall: a call that blocks holds up every task of its thread.
 *
 * Ten sleeps of 10 to 100 ms on current_thread, three times:
 * with the C library's sleep they run one after the other, 550 ms; with kio_sleep side by side,
 * 100 ms; and calls that cannot but block go to the blocking pool: 100 ms again.
 *
 * Then the cure for the program that has the mistake in it: a multi_thread runtime with a watchdog.
 * A task blocks its only worker for 300 ms; after 20 ms the watchdog says which task it is and where,
 * and a spare worker takes over, so that another task's ticks go on.
 */
#include <kioto.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static long ms_since(kio_instant start)
{
    return (long)((kio_now() - start) / KIO_MS);
}

static void *block_for_ms(void *ms)
{
    long n = (long)(intptr_t)ms;

    struct timespec left = { n / 1000, n % 1000 * 1000000 };

    /* The watchdog's signal ends a sleep early, as any signal does. */
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
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

/* ---- with a watchdog ---------------------------------------------------------------------- */

struct ticker {
    async_fn(void);
    int *ticks;
    struct kio_sleep nap;
};

async(ticker)
{
    async_begin;
    for (;;) {
        await(kio_sleep(&self->nap, 10 * KIO_MS));
        ++*self->ticks;
    }
}

struct culprit {
    async_fn(int);
    struct kio_yield step;
    struct kio_join_handle ticker;
    int ticks;
};

async(culprit)
{
    async_begin;
    kio_spawn(&self->ticker, ticker, .ticks = &self->ticks);
    await(kio_yield_now(&self->step));
    block_for_ms((void *)(intptr_t)300); /* blocks the only worker */
    kio_abort(&self->ticker);
    await(&self->ticker); /* it runs no more: its count can be read */
    async_return(self->ticks);
}

/* On the watchdog's thread. Without such a hook the whole report, with the C stack, goes to stderr. */
static void say(const struct kio_blocked *stuck, void *arg)
{
    const char *file = stuck->file ? strrchr(stuck->file, '/') : NULL;

    (void)arg;
    if (stuck->over)
        return;
    printf("watchdog: task %s has been in one poll of worker %u for %ldms\n",
           stuck->task ? stuck->task : "?", stuck->worker, (long)(stuck->lasted / KIO_MS));
    if (stuck->file)
        printf("watchdog: the await it last passed: %s:%d: %s\n", file ? file + 1 : stuck->file,
               stuck->line, stuck->awaited);
}

static int with_watchdog(void)
{
    struct kio_runtime *rt;
    int ticks;
    int err = kio_runtime_new(&rt, &(struct kio_runtime_config){ .workers = 1,
                                                                 .watchdog = 20 * KIO_MS,
                                                                 .hooks.on_blocked = say });

    if (err) {
        fprintf(stderr, "no runtime: %s\n", strerror(-err));
        return 1;
    }
    printf("-- nanosleep on the only worker, with a watchdog: a spare worker takes over\n");
    ticks = kio_runtime_block_on(rt, culprit);
    printf("   %d ticks of another task meanwhile\n", ticks);
    kio_runtime_free(rt);
    return 0;
}

int main(void)
{
    kio_block_on(async_main);
    return with_watchdog();
}
