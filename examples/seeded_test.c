/*
 * Testing under many schedules: two tellers move money between two accounts. Each reads, asks the
 * ledger (an await), and writes: an update may be lost. On most schedules nothing happens; kio_test finds
 * one on which it does, and the seed shows it again.
 */
#include <kioto.h>
#include <kioto/test.h>

#include <stdio.h>

struct teller {
    async_fn(void);
    int *from, *to;
    struct kio_mutex *lock; /* NULL: the mistake */

    int seen_from, seen_to;
    struct kio_sleep ledger;
    struct kio_lock guard;
};

async(teller)
{
    async_begin;
    await(kio_sleep(&self->ledger, kio_test_random(1000) * KIO_MS)); /* the customer arrives */
    if (self->lock)
        await(kio_lock(&self->guard, self->lock));
    self->seen_from = *self->from;
    self->seen_to = *self->to;
    await(kio_sleep(&self->ledger, 5 * KIO_MS));
    *self->from = self->seen_from - 10;
    *self->to = self->seen_to + 10;
    async_return(); /* the guard, if there is one, ends here */
}

struct bank {
    async_fn(int); /* 0: the books balance */
    bool careful;
    int accounts[2];
    struct kio_mutex lock;
    struct kio_join_handle a, b;
};

async(bank)
{
    async_begin;
    self->accounts[0] = self->accounts[1] = 100;
    kio_spawn(&self->a, teller, .from = &self->accounts[0], .to = &self->accounts[1],
              .lock = self->careful ? &self->lock : NULL);
    kio_spawn(&self->b, teller, .from = &self->accounts[1], .to = &self->accounts[0],
              .lock = self->careful ? &self->lock : NULL);
    await(&self->a);
    await(&self->b);
    async_return(self->accounts[0] != 100 || self->accounts[1] != 100);
}

int main(void)
{
    uint64_t seed = kio_test(1000, bank, .careful = false);

    if (seed)
        printf("Without a lock the books do not balance under seed %llu.\n", (unsigned long long)seed);
    printf("With a lock they balance under %s.\n",
           kio_test(300, bank, .careful = true) ? "not every one" : "300 seeds");
    return 0;
}
