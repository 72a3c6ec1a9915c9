/*
 * Scopes: child tasks on other workers, which read and write their parent's own struct.
 *
 * Four children count the primes of a quarter each, into an array of the parent. Then one of three
 * children fails, and the others are dropped before the parent goes on.
 */
#include <kioto.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Counts the primes in from .. to - 1, and lets others run now and then. */
struct count_primes {
    async_fn(int);
    unsigned from, to;
    unsigned *found; /* in the parent's struct */

    struct kio_yield others;
};

static bool is_prime(unsigned n)
{
    for (unsigned d = 2; d * d <= n; d++) {
        if (n % d == 0)
            return false;
    }
    return n >= 2;
}

async(count_primes)
{
    async_begin;
    for (; self->from < self->to; self->from++) {
        *self->found += is_prime(self->from);
        if (self->from % 1000 == 0)
            await(kio_yield_now(&self->others));
    }
    async_return(0);
}

/* Fetches something: takes a while, or fails. */
struct fetch {
    async_fn(int);
    int error;
    const char **state; /* in the parent's struct */

    struct kio_sleep nap;
};

static void fetch_drop(struct fetch *self)
{
    if (strcmp(*self->state, "failed") != 0)
        *self->state = "dropped";
}

async(fetch, fetch_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, self->error ? 10 * KIO_MS : 3600 * KIO_SEC));
    *self->state = "failed";
    async_return(self->error);
}

struct async_main {
    async_fn(void);
    unsigned found[4];
    const char *state[3];
    struct kio_scope scope;
    int i;
};

async(async_main)
{
    async_begin;
    for (self->i = 0; self->i < 4; self->i++) {
        kio_scope_spawn(&self->scope, count_primes, .from = self->i * 25000u,
                        .to = (self->i + 1) * 25000u, .found = &self->found[self->i]);
    }
    await(kio_scope_join(&self->scope));
    printf("Primes below 100000: %u + %u + %u + %u = %u.\n", self->found[0], self->found[1],
           self->found[2], self->found[3],
           self->found[0] + self->found[1] + self->found[2] + self->found[3]);

    for (self->i = 0; self->i < 3; self->i++) {
        self->state[self->i] = "waiting";
        kio_scope_spawn(&self->scope, fetch, .error = self->i == 1 ? -EIO : 0,
                        .state = &self->state[self->i]);
    }
    await(kio_scope_join(&self->scope));
    printf("The join gives %s; the children were: %s, %s, %s.\n",
           self->scope.out == -EIO ? "-EIO" : "something else", self->state[0], self->state[1],
           self->state[2]);
    async_return();
}

kio_main(async_main)
