/*
 * Async iterators: readings come one after another, are checked four at a time, filtered, and written
 * in batches of five or every 200 ms, whatever comes first.
 */
#include <kioto.h>

#include <stdio.h>
#include <string.h>

/* The source: an async function that emits a reading every 20 ms, with a gap in the middle. */
struct sensor {
    async_fn(int);
    struct kio_emitter *to;
    int reading;
    struct kio_sleep pause;
    struct kio_emit emit;
};

async(sensor)
{
    async_begin;
    for (self->reading = 1; self->reading <= 20; self->reading++) {
        await(kio_sleep(&self->pause, (self->reading == 13 ? 400 : 20) * KIO_MS));
        await(kio_emit(&self->emit, self->to, &self->reading));
    }
    async_return(0);
}

/* Checking one takes 50 ms; four are checked at once, and keep their order. */
struct check {
    async_fn(int); /* the reading, negative when it is bad */
    int reading;
    struct kio_sleep work;
};

async(check)
{
    async_begin;
    await(kio_sleep(&self->work, 50 * KIO_MS));
    async_return(self->reading % 7 ? self->reading : -self->reading);
}

static void start_check(void *arg, const void *item, void *slot)
{
    int reading;

    (void)arg;
    memcpy(&reading, item, sizeof reading);
    async_call((struct check *)slot, check, .reading = reading);
}

static bool is_good(void *arg, const void *item)
{
    (void)arg;
    return *(const int *)item > 0;
}

struct async_main {
    async_fn(void);
    struct sensor sensor;
    struct kio_iter_generator readings;
    struct check checks[4];
    struct kio_iter_buffered checked;
    struct kio_iter_filter good;
    struct kio_iter_chunks batches;
    int batch[5];
    size_t count;
    struct kio_iter_next next;
};

async(async_main)
{
    async_begin;
    kio_iter_generator(&self->readings, sizeof(int), &self->sensor, sensor);
    kio_iter_buffered(&self->checked, &self->readings, self->checks, 4, start_check, NULL);
    kio_iter_filter(&self->good, &self->checked, is_good, NULL);
    kio_iter_chunks(&self->batches, &self->good, self->batch, 5, 200 * KIO_MS);
    for (;;) {
        await(kio_iter_next(&self->next, &self->batches, &self->count));
        if (self->next.out <= 0)
            break;
        printf("batch of %zu:", self->count);
        for (size_t i = 0; i < self->count; i++)
            printf(" %d", self->batch[i]);
        printf("\n");
    }
    printf("The sensor has ended.\n");
    async_return();
}

/* On a paused clock it takes no time, and every run is the same. */
kio_main(async_main, .flavor = KIO_CURRENT_THREAD, .start_paused = true)
