/*
 * Two tasks that wait for each other's lock, and how the task dump shows it.
 *
 * alice moves money from a to b and locks a, then b; bob moves from b to a and locks b, then a. If
 * both have their first lock, neither gets its second. The program dumps its tasks then, and drops
 * them: a lock that a dropped function held is released.
 *
 * The cure would be one order for all, such as the lower account number first.
 */
#include <kioto.h>

#include <stdio.h>

struct account {
    struct kio_mutex mutex;
    int balance;
};

/* Parameters are borrowed until it ends. */
struct transfer {
    async_fn(void);
    const char *who;
    struct account *from, *to;
    int amount;

    struct kio_lock first, second; /* held until the function ends */
    struct kio_yield others;
};

async(transfer)
{
    async_begin;
    kio_task_set_name(self->who);
    await(kio_lock(&self->first, &self->from->mutex));
    await(kio_yield_now(&self->others)); /* bad luck: the other one comes in between */
    await(kio_lock(&self->second, &self->to->mutex));
    self->from->balance -= self->amount;
    self->to->balance += self->amount;
    async_return();
}

struct async_main {
    async_fn(void);
    struct account a, b;
    struct kio_join_handle alice, bob;
    struct kio_sleep nap;
};

async(async_main)
{
    async_begin;
    kio_task_set_name("main");
    self->a.balance = self->b.balance = 100;
    kio_spawn(&self->alice, transfer, .who = "alice", .from = &self->a, .to = &self->b, .amount = 10);
    kio_spawn(&self->bob, transfer, .who = "bob", .from = &self->b, .to = &self->a, .amount = 20);
    await(kio_sleep(&self->nap, 20 * KIO_MS));

    kio_dump(stdout);

    kio_abort(&self->alice);
    await(&self->alice);
    await(&self->bob); /* has both locks now */
    printf("a has %d, b has %d\n", self->a.balance, self->b.balance);
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD)
