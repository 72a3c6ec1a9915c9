/*
 * A future without async: poll, pending, waker, by hand.
 *
 * `struct knock` is ready after somebody knocked. Its poll answers pending and leaves a clone of
 * the context's waker; a thread knocks a little later and wakes. main is the executor: it polls,
 * sleeps until it is woken, and polls again. No runtime takes part.
 */
#include <kioto.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* ---- the future --------------------------------------------------------------------------- */

struct door {
    pthread_mutex_t lock;
    bool knocked;
    kio_waker waker; /* of who waits */
};

struct knock {
    async_fn(int);     /* the header of every future, and its result */
    struct door *door; /* parameter */
};

static kio_poll knock_poll(kio_future *f, kio_context *cx)
{
    struct knock *self = (struct knock *)f;
    kio_waker old = { NULL };
    bool knocked;

    pthread_mutex_lock(&self->door->lock);
    knocked = self->door->knocked;
    if (!knocked && !kio_waker_will_wake(self->door->waker, cx->waker)) {
        old = self->door->waker;
        self->door->waker = kio_waker_clone(cx->waker);
    }
    pthread_mutex_unlock(&self->door->lock);
    kio_waker_drop(old);

    f->state = self; /* polled: anything but NULL */
    if (!knocked) {
        printf("poll: pending, the waker is left at the door\n");
        return KIO_PENDING;
    }
    printf("poll: ready\n");
    self->out = 42;
    kio_finish(f);
    return KIO_READY;
}

static void knock_drop(kio_future *f)
{
    struct door *door = ((struct knock *)f)->door;

    kio_waker_drop(door->waker);
    door->waker.to = NULL;
    printf("drop: nobody waits at the door any more\n");
}

static const kio_future_type knock_type = {
    .name = "knock",
    .file = __FILE__,
    .line = __LINE__,
    .size = sizeof(struct knock),
    .poll = knock_poll,
    .drop = knock_drop,
    .out_offset = offsetof(struct knock, out),
    .out_size = sizeof(int),
};

static void *visitor(void *arg)
{
    struct door *door = arg;
    kio_waker waker;

    usleep(20000);
    pthread_mutex_lock(&door->lock);
    door->knocked = true;
    waker = kio_waker_clone(door->waker);
    pthread_mutex_unlock(&door->lock);
    kio_waker_wake(waker); /* wakes and gives the reference back */
    return NULL;
}

/* ---- the executor ------------------------------------------------------------------------- */

struct parker {
    struct kio_wakeable wakeable; /* what a waker points at; first */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool woken;
};

static void parker_wake(struct kio_wakeable *self)
{
    struct parker *p = (struct parker *)self;

    pthread_mutex_lock(&p->lock);
    p->woken = true;
    pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

/* It outlives every waker, so they are not counted: no clone, no drop. */
static const kio_waker_type parker_type = { .name = "parker", .wake = parker_wake };

static void park(struct parker *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->woken)
        pthread_cond_wait(&p->cond, &p->lock);
    p->woken = false;
    pthread_mutex_unlock(&p->lock);
}

int main(void)
{
    struct parker parker = {
        { &parker_type }, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false,
    };
    struct door door = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct knock future = { .kio = { .type = &knock_type }, .door = &door };
    kio_context cx;
    pthread_t thread;

    kio_context_init(&cx, (kio_waker){ &parker.wakeable });
    if (pthread_create(&thread, NULL, visitor, &door))
        return 1;
    while (kio_future_poll(&future.kio, &cx) == KIO_PENDING) {
        printf("executor: parked\n");
        park(&parker);
        printf("executor: woken\n");
    }
    printf("the future's result is %d\n", future.out);
    pthread_join(thread, NULL);
    return 0;
}
