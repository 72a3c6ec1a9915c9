/* The blocking pool and name lookup, with every call failing once; threads that cannot be had. */
#include "support/faults.h"

#include "base/lock.h"

#include <grp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void *twice(void *arg)
{
    return (void *)((intptr_t)arg * 2);
}

struct job {
    async_fn(void);
    struct kio_join_handle a, b;
    struct kio_yield yield;
};

async(job)
{
    async_begin;
    faults_on();
    FAULT_TRY(kio_spawn_blocking(&self->a, twice, (void *)21));
    await(&self->a);
    FAULT_TRY(self->a.out);
    faults_check(*kio_output(&self->a, void *) == (void *)42);
    FAULT_TRY(kio_spawn_blocking(&self->a, twice, (void *)1));
    FAULT_TRY(kio_spawn_blocking(&self->b, twice, (void *)2));
    await(&self->a);
    await(&self->b);
    FAULT_TRY(self->a.out);
    FAULT_TRY(self->b.out);
    faults_check(*kio_output(&self->b, void *) == (void *)4);
    faults_complete();
    async_return();
}

static void blocking_jobs(void)
{
    faults_in_runtime(job);
}

struct in_place {
    async_fn(void);
    struct kio_yield yield;
};

async(in_place)
{
    async_begin;
    faults_on();
    faults_check(kio_block_in_place(twice, (void *)4) == (void *)8);
    await(kio_yield_now(&self->yield));
    faults_check(kio_block_in_place(twice, (void *)5) == (void *)10);
    faults_complete();
    async_return();
}

static void calls_in_place(void)
{
    faults_in_runtime(in_place);
}

struct names {
    async_fn(void);
    struct kio_lookup numeric, name;
};

async(names)
{
    async_begin;
    faults_on();
    await(kio_lookup_host(&self->numeric, "127.0.0.1:80"));
    FAULT_TRY(self->numeric.out);
    faults_check(kio_addr_port(&self->numeric.addrs[0]) == 80);
    await(kio_lookup_host(&self->name, "localhost:81"));
    FAULT_TRY(self->name.out);
    faults_check(kio_addr_port(&self->name.addrs[0]) == 81);
    faults_complete();
    async_return();
}

static void names_are_looked_up(void)
{
    faults_in_runtime(names);
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(blocking_jobs, FAULT_DETERMINISTIC),
    SCENARIO(calls_in_place, FAULT_MULTI_ONLY),
    SCENARIO(names_are_looked_up),
};

FAULTS_FDS_MAIN()
