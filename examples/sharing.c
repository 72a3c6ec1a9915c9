/*
 * What tasks share: a mutex held across awaits, an rwlock, a value that is made once by whoever comes
 * first, one that is set once, a barrier and a notification. On one thread with a paused clock, so the
 * order is always the same; the primitives work on any number of threads.
 */
#include <kioto.h>

#include <stdio.h>

struct shared {
    struct kio_mutex account_lock;
    int account;
    struct kio_rwlock table_lock;
    int table;
    struct kio_once_cell made;
    int made_value;
    struct kio_set_once config;
    struct kio_barrier start;
    struct kio_notify done;
    int left;
};

struct clerk {
    async_fn(void);
    int number;
    struct shared *shared;

    struct kio_barrier_wait at_start;
    struct kio_once_init once;
    struct kio_set_once_wait config;
    struct kio_lock account;
    struct kio_rw_guard table;
    struct kio_sleep nap;
    int before;
};

async(clerk)
{
    async_begin;
    await(kio_barrier_wait(&self->at_start, &self->shared->start));
    if (self->at_start.out)
        printf("clerk %d came last and leads\n", self->number);

    await(kio_once_init(&self->once, &self->shared->made));
    if (self->once.out) { /* one of them gets 1; it may await meanwhile */
        await(kio_sleep(&self->nap, 5 * KIO_MS));
        self->shared->made_value = 100 + self->number;
        kio_once_done(&self->once);
    }

    await(kio_lock(&self->account, &self->shared->account_lock));
    self->before = self->shared->account;
    await(kio_sleep(&self->nap, KIO_MS)); /* the others wait: nothing is lost */
    self->shared->account = self->before + self->shared->made_value;
    kio_unlock(&self->account);

    if (self->number == 1) {
        await(kio_write_lock(&self->table, &self->shared->table_lock));
        self->shared->table++;
        kio_rw_downgrade(&self->table); /* now beside the readers */
    } else {
        await(kio_read_lock(&self->table, &self->shared->table_lock));
    }
    await(kio_set_once_wait(&self->config, &self->shared->config));
    printf("clerk %d: table %d, %s\n", self->number, self->shared->table,
           (const char *)self->config.out);
    kio_rw_unlock(&self->table);

    if (--self->shared->left == 0)
        kio_notify_one(&self->shared->done);
    async_return();
}

struct async_main {
    async_fn(void);
    struct shared shared;
    struct kio_notified done;
    struct kio_sleep nap;
};

async(async_main)
{
    async_begin;
    self->shared.left = 3;
    kio_barrier_init(&self->shared.start, 3);
    for (int i = 1; i <= 3; i++)
        kio_spawn(NULL, clerk, .number = i, .shared = &self->shared);
    await(kio_sleep(&self->nap, 20 * KIO_MS));
    if (kio_set_once(&self->shared.config, "configured"))
        async_return();
    await(kio_notified(&self->done, &self->shared.done));
    printf("the account has %d: three times %d\n", self->shared.account, self->shared.made_value);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD, .start_paused = true)
