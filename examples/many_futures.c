/*
 * Ways to run many futures: a join set (in the order of their ends), a queue (in the order they were put
 * in), the first of an array, all or the first error, one that is shared by many, one that is aborted
 * from elsewhere; tasks of a local set, and a value that follows a future wherever it is polled. The
 * clock is paused, so it takes no time.
 */
#include <kioto.h>
#include <kioto/abortable.h>
#include <kioto/future_queue.h>
#include <kioto/shared.h>

#include <errno.h>
#include <stdio.h>

/* Takes so long, and gives its number or an error. */
struct job {
    async_fn(int);
    int number, ms, error;
    struct kio_sleep nap;
};

async(job)
{
    async_begin;
    await(kio_sleep(&self->nap, self->ms * KIO_MS));
    async_return(self->error ? self->error : self->number);
}

static struct kio_task_local request;

struct logger {
    async_fn(void);
    struct kio_yield y;
};

async(logger)
{
    async_begin;
    await(kio_yield_now(&self->y)); /* also after an await, on whatever thread */
    printf("task-local: request %d\n", *kio_task_local_get(&request, int));
    async_return();
}

struct asks {
    async_fn(int);
    struct kio_shared page;
    struct kio_shared_wait wait;
};

static void asks_drop(struct asks *self)
{
    kio_shared_drop(&self->page);
}

async(asks, asks_drop)
{
    async_begin;
    await(kio_shared_wait(&self->wait, &self->page));
    async_return(*kio_shared_output(&self->page, int));
}

struct stops {
    async_fn(void);
    const struct kio_cancel_token *token;
    struct kio_sleep nap;
};

async(stops)
{
    async_begin;
    await(kio_sleep(&self->nap, 3 * KIO_MS));
    kio_cancel(self->token);
    async_return();
}

struct async_main {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_next ended;
    struct kio_future_queue queue;
    struct kio_future_queue_next taken;
    struct job jobs[3];
    struct kio_select_all first;
    struct kio_try_join_all all;
    struct kio_shared page;
    struct asks a, b;
    struct kio_join both;
    struct kio_cancel_token token;
    struct kio_abortable abortable;
    struct kio_local_set local;
    struct kio_local_run run;
    struct kio_task_local_scope scope;
    struct logger logger;
    int id;
};

static void async_main_drop(struct async_main *self)
{
    kio_join_set_drop(&self->set); /* what is left in it is aborted */
    kio_shared_drop(&self->page);
    kio_cancel_token_drop(&self->token);
    kio_local_set_drop(&self->local);
}

static void three_jobs(struct async_main *self, int error_of_the_second)
{
    for (int i = 0; i < 3; i++)
        async_call(&self->jobs[i], job, .number = i, .ms = 30 - 10 * i,
                   .error = i == 1 ? error_of_the_second : 0);
}

async(async_main, async_main_drop)
{
    async_begin;
    printf("join set, in the order of their ends:");
    for (int i = 0; i < 3; i++)
        kio_join_set_spawn(&self->set, job, .number = i, .ms = 30 - 10 * i);
    for (;;) {
        await(kio_join_next(&self->ended, &self->set));
        if (!self->ended.out)
            break;
        printf(" %d", *kio_output(&self->ended.handle, int));
    }

    printf("\nqueue, in the order they were put in:");
    for (int i = 0; i < 3; i++) {
        if (kio_future_queue_add(&self->queue, job, .number = i, .ms = 30 - 10 * i))
            async_return();
    }
    for (;;) {
        await(kio_future_queue_next(&self->taken, &self->queue));
        if (!self->taken.out)
            break;
        printf(" %d", *kio_future_queue_output(&self->taken, int));
    }

    three_jobs(self, 0);
    await(kio_select_all(&self->first, self->jobs, 3)); /* the others are dropped */
    printf("\nselect_all: number %d was first\n", (int)self->first.out);

    three_jobs(self, -EIO);
    await(kio_try_join_all(&self->all, self->jobs, 3)); /* ends at the first error */
    printf("try_join_all: %s\n", self->all.out == -EIO ? "EIO" : "no error");

    if (kio_share(&self->page, job, .number = 7, .ms = 10))
        async_return();
    async_call(&self->a, asks, .page = kio_shared_clone(&self->page));
    async_call(&self->b, asks, .page = kio_shared_clone(&self->page));
    await(kio_join(&self->both, &self->a, &self->b));
    printf("shared: run once, both have %d and %d\n", self->a.out, self->b.out);

    if (kio_cancel_token_new(&self->token, NULL) || kio_local_set_new(&self->local))
        async_return();
    kio_local_spawn(&self->local, NULL, stops, .token = &self->token); /* on this thread, in this task */
    async_call(&self->jobs[0], job, .ms = 1000);
    await(kio_abortable(&self->abortable, &self->token,
                        kio_local_run_until(&self->run, &self->local, &self->jobs[0])));
    printf("abortable: %s\n", self->abortable.out == -ECANCELED ? "canceled" : "ended");

    self->id = 42;
    async_call(&self->logger, logger);
    await(kio_task_local_scope(&self->scope, &request, &self->id, &self->logger));
    async_return();
}

kio_main(async_main, .flavor = KIO_CURRENT_THREAD, .start_paused = true)
