/* Tasks and what keeps them together. */
#include "stress.h"

#include <unistd.h>

/* Gives its number after some time. */
struct numbered {
    async_fn(int);
    struct life life;
    struct ki_rand dice;
    int number;
    int left;
    struct kio_sleep nap;
    struct kio_yield yield;
};

static void numbered_drop(struct numbered *self)
{
    died(&self->life);
}

async(numbered, numbered_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 4); self->left; self->left--) {
        did();
        if (chance(&self->dice, 60))
            await(kio_yield_now(&self->yield));
        else
            await(kio_sleep(&self->nap, a_while(&self->dice)));
        if (chance(&self->dice, 5))
            (void)kio_task_set_name("numbered");
    }
    async_return(self->number);
}

#define NUMBERED(dice_, number_) numbered, .life = born(K_PLAY), .dice = split(dice_), .number = number_

/* ---- join handles ------------------------------------------------------------------------- */

struct handles {
    PLAY;
    int i, left;
    bool aborted[4];
    struct kio_join_handle at[4];
    struct kio_abort_handle abort;
    struct kio_sleep nap;
    struct kio_timeout limit;
    struct kio_select select;
    struct kio_join join;
};

static void handles_drop(struct handles *self)
{
    died(&self->life);
}

static void handle_check(struct handles *self, int i)
{
    struct kio_join_handle *h = &self->at[i];

    must(kio_is_finished(h));
    must(h->out == 0 || h->out == -ESHUTDOWN || h->out == -ECANCELED);
    if (h->out == 0)
        must(*kio_output(h, int) == i);
}

async(handles, handles_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 12); self->left; self->left--) {
        did();
        self->i = (int)roll(&self->dice, 4);
        if (!kio_is_live(&self->at[self->i])) {
            (void)kio_spawn(&self->at[self->i], NUMBERED(&self->dice, self->i));
            if (chance(&self->dice, 20))
                post_abort(&self->dice, kio_abort_handle(&self->at[self->i]));
            continue;
        }
        switch (roll(&self->dice, 7)) {
        case 0:
            await(&self->at[self->i]);
            handle_check(self, self->i);
            break;
        case 1:
            kio_abort(&self->at[self->i]);
            await(&self->at[self->i]);
            handle_check(self, self->i);
            break;
        case 2: /* the handle outlives the race: it is ours */
            await(kio_timeout(&self->limit, a_while(&self->dice), &self->at[self->i]));
            if (self->limit.out == 0)
                handle_check(self, self->i);
            break;
        case 3:
            self->abort = kio_abort_handle(&self->at[self->i]);
            kio_drop(&self->at[self->i]);
            kio_abort_by(self->abort);
            (void)kio_abort_is_finished(self->abort);
            break;
        case 4:
            await(kio_select(&self->select, &self->at[self->i],
                             kio_sleep(&self->nap, a_while(&self->dice))));
            if (self->select.out == 0)
                handle_check(self, self->i);
            break;
        case 5: {
            char name[16];

            (void)kio_task_name(&self->at[self->i], name, sizeof name);
            (void)kio_is_finished(&self->at[self->i]);
            break;
        }
        default:
            kio_drop(&self->at[self->i]);
            break;
        }
    }
    async_return();
}
PLAY_IS(handles, false);

/* ---- join sets ---------------------------------------------------------------------------- */

struct join_set {
    PLAY;
    int left, added;
    struct kio_join_set set;
    struct kio_join_next next;
    struct kio_join_handle taken;
    struct kio_timeout limit;
};

static void join_set_drop(struct join_set *self)
{
    kio_drop(&self->next);
    kio_join_set_drop(&self->set);
    died(&self->life);
}

static void *quick_job(void *arg)
{
    did();
    return arg;
}

async(join_set, join_set_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 40); self->left; self->left--) {
        did();
        switch (roll(&self->dice, 10)) {
        case 0:
            await(kio_timeout(&self->limit, a_while(&self->dice), kio_join_next(&self->next, &self->set)));
            if (self->limit.out == 0 && self->next.out == 1)
                must(self->next.handle.out <= 0);
            break;
        case 1:
            await(kio_join_next(&self->next, &self->set));
            must(self->next.out == 1 || kio_join_set_len(&self->set) == 0);
            break;
        case 2:
            if (kio_join_set_try_next(&self->set, &self->taken))
                must(self->taken.out <= 0);
            break;
        case 3:
            if (chance(&self->dice, 30))
                kio_join_set_abort_all(&self->set);
            break;
        case 4:
            if (chance(&self->dice, 20))
                kio_join_set_detach_all(&self->set);
            break;
        case 5:
            if (chance(&self->dice, 20)) {
                await(kio_join_set_shutdown(&self->next, &self->set));
                must(kio_join_set_len(&self->set) == 0);
            }
            break;
        case 6:
            if (chance(&self->dice, 30))
                (void)kio_join_set_spawn_blocking(&self->set, quick_job, NULL);
            break;
        default:
            (void)kio_join_set_spawn(&self->set, NUMBERED(&self->dice, self->left));
            break;
        }
    }
    async_return();
}
PLAY_IS(join_set, false);

/* ---- scopes ------------------------------------------------------------------------------- */

struct lender;

struct borrower {
    async_fn(int);
    struct life life;
    struct ki_rand dice;
    int *to, number;
    struct lender *lender;
    struct kio_sleep nap;
};

struct lender {
    PLAY;
    int parts[5], i;
    struct kio_scope scope;
    struct kio_select select;
    struct kio_sleep nap;
};

static void borrower_drop(struct borrower *self)
{
    *self->to = -self->number; /* the parent is there, also when all is dropped */
    died(&self->life);
}

async(borrower, borrower_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, a_while(&self->dice)));
    did();
    *self->to = self->number;
    if (chance(&self->dice, 10))
        kio_scope_cancel(&self->lender->scope);
    async_return(chance(&self->dice, 10) ? -EIO : 0);
}

static void lender_drop(struct lender *self)
{
    for (int i = 0; i < 5; i++)
        self->parts[i] = 0;
    died(&self->life);
}

async(lender, lender_drop)
{
    async_begin;
    for (self->i = 0; self->i < 5; self->i++) {
        did();
        (void)kio_scope_spawn(&self->scope, borrower, .life = born(K_PLAY), .dice = split(&self->dice),
                              .to = &self->parts[self->i], .number = self->i + 1, .lender = self);
    }
    switch (roll(&self->dice, 4)) {
    case 0:
        async_return(); /* the end cancels */
    case 1:
        await(kio_select(&self->select, kio_scope_join(&self->scope),
                         kio_sleep(&self->nap, a_while(&self->dice))));
        async_return();
    case 2:
        kio_scope_cancel(&self->scope);
        break;
    }
    await(kio_scope_join(&self->scope));
    must(kio_scope_len(&self->scope) == 0);
    must(self->scope.out == 0 || self->scope.out == -EIO || self->scope.out == -ECANCELED);
    for (self->i = 0; self->i < 5; self->i++)
        must(self->parts[self->i] == -(self->i + 1) || self->scope.out);
    async_return();
}

struct scope {
    PLAY;
    struct lender lender;
    struct kio_join_handle task;
    struct kio_timeout limit;
};

static void scope_drop(struct scope *self)
{
    died(&self->life);
}

async(scope, scope_drop)
{
    async_begin;
    (void)kio_spawn(&self->task, lender, .life = born(K_PLAY), .dice = split(&self->dice));
    if (chance(&self->dice, 50))
        await(kio_timeout(&self->limit, a_while(&self->dice),
                          async_call(&self->lender, lender, .life = born(K_PLAY),
                                     .dice = split(&self->dice))));
    if (chance(&self->dice, 30))
        kio_abort(&self->task);
    if (chance(&self->dice, 70))
        await(&self->task);
    async_return();
}
PLAY_IS(scope, false);

/* ---- trackers ----------------------------------------------------------------------------- */

struct tracker {
    PLAY;
    struct kio_task_tracker tracker, other;
    int left;
    struct kio_tracker_wait wait;
    struct kio_tracked tracked;
    struct numbered inner;
    struct kio_sleep nap;
};

static void tracker_drop(struct tracker *self)
{
    kio_drop(&self->wait);
    kio_drop(&self->tracked);
    kio_task_tracker_drop(&self->tracker);
    kio_task_tracker_drop(&self->other);
    died(&self->life);
}

async(tracker, tracker_drop)
{
    async_begin;
    must(kio_task_tracker_new(&self->tracker) == 0);
    self->other = kio_task_tracker_clone(&self->tracker);
    for (self->left = (int)roll(&self->dice, 8); self->left; self->left--) {
        did();
        if (chance(&self->dice, 70))
            (void)kio_task_tracker_spawn(&self->tracker, NULL, NUMBERED(&self->dice, self->left));
        else
            await(kio_task_tracker_track(&self->tracked, &self->tracker,
                                         async_call(&self->inner, NUMBERED(&self->dice, 3))));
        if (chance(&self->dice, 10))
            (void)kio_task_tracker_spawn_blocking(&self->tracker, NULL, quick_job, NULL);
    }
    kio_task_tracker_close(&self->tracker);
    await(kio_task_tracker_wait(&self->wait, &self->other));
    must(kio_task_tracker_len(&self->tracker) == 0);
    async_return();
}
PLAY_IS(tracker, false);

/* ---- local tasks, task-locals ------------------------------------------------------------- */

static struct kio_task_local colour = { "colour" };
static _Thread_local int not_shared;

/* Adds to what only its thread may touch. */
struct local_job {
    PLAY;
    int *sum;
    struct kio_yield yield;
    struct kio_sleep nap;
    int left;
};

static void local_job_drop(struct local_job *self)
{
    ++*self->sum;
    died(&self->life);
}

async(local_job, local_job_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 5); self->left; self->left--) {
        did();
        *self->sum += 0;
        not_shared++;
        if (chance(&self->dice, 60))
            await(kio_yield_now(&self->yield));
        else
            await(kio_sleep(&self->nap, a_while(&self->dice) / 4));
    }
    async_return();
}

/* On a thread of its own, which runs a set. */
struct local_main {
    PLAY;
    struct kio_local_set set;
    int sum, count;
    struct kio_join_handle one;
    struct kio_local_run run;
    struct local_job inner;
};

static void local_main_drop(struct local_main *self)
{
    kio_drop(&self->run);
    kio_local_set_drop(&self->set);
    must(self->sum == self->count);
    died(&self->life);
}

async(local_main, local_main_drop)
{
    async_begin;
    must(kio_local_set_new(&self->set) == 0);
    for (int i = (int)roll(&self->dice, 6); i >= 0; i--) {
        self->count++;
        (void)kio_local_spawn(&self->set, chance(&self->dice, 50) ? &self->one : NULL, local_job,
                              .life = born(K_PLAY), .dice = split(&self->dice), .sum = &self->sum);
        if (kio_is_live(&self->one) && chance(&self->dice, 30))
            post_abort(&self->dice, kio_abort_handle(&self->one));
    }
    self->count++;
    await(kio_local_run_until(&self->run, &self->set,
                              async_call(&self->inner, local_job, .life = born(K_PLAY),
                                         .dice = split(&self->dice), .sum = &self->sum)));
    if (chance(&self->dice, 50))
        await(kio_local_set_wait(&self->run, &self->set));
    async_return();
}

struct local_thread {
    struct job job;
    struct ki_rand dice;
};

static void *local_thread_run(void *arg)
{
    struct local_thread *j = arg;

    j->job.ran = true;
    kio_block_on(local_main, .life = born(K_PLAY), .dice = j->dice);
    return NULL;
}

/* Says that the colour is what it was given, wherever it goes on. */
struct coloured {
    PLAY;
    int *expect;
    int left;
    struct kio_yield yield;
    struct kio_sleep nap;
};

static void coloured_drop(struct coloured *self)
{
    died(&self->life);
}

async(coloured, coloured_drop)
{
    async_begin;
    for (self->left = 4; self->left; self->left--) {
        must(kio_task_local_get(&colour, int) == self->expect);
        if (chance(&self->dice, 70))
            await(kio_yield_now(&self->yield));
        else
            await(kio_sleep(&self->nap, a_while(&self->dice)));
    }
    async_return();
}

struct local {
    PLAY;
    struct kio_join_handle thread;
    int red, blue;
    struct kio_task_local_scope outer, inner;
    struct coloured one, two;
    struct kio_join join;
    struct kio_timeout limit;
};

static void local_drop(struct local *self)
{
    died(&self->life);
}

async(local, local_drop)
{
    async_begin;
    if (now.threads && chance(&self->dice, 30)) {
        struct local_thread *j = job_new(sizeof *j, NULL);

        j->dice = split(&self->dice);
        (void)kio_spawn_blocking(&self->thread, local_thread_run, j);
    }
    async_call(&self->one, coloured, .life = born(K_PLAY), .dice = split(&self->dice), .expect = &self->red);
    async_call(&self->two, coloured, .life = born(K_PLAY), .dice = split(&self->dice), .expect = &self->blue);
    await(kio_timeout(&self->limit, a_while(&self->dice) + KIO_MS,
                      kio_task_local_scope(&self->outer, &colour, &self->red,
                                           kio_join(&self->join, &self->one,
                                                    kio_task_local_scope(&self->inner, &colour, &self->blue,
                                                                         &self->two)))));
    if (self->thread.kio.type && chance(&self->dice, 50))
        await(&self->thread);
    async_return();
}
PLAY_IS(local, false);

/* ---- blocking ----------------------------------------------------------------------------- */

struct nap_job {
    struct job job;
    unsigned microseconds;
    struct ki_rand dice;
    int number;
};

static void *nap_job_run(void *arg)
{
    struct nap_job *j = arg;

    j->job.ran = true;
    did();
    if (now.threads) {
        usleep(j->microseconds);
        abort_somebody(&j->dice);
    }
    return &j->number;
}

struct blocking {
    PLAY;
    int left;
    struct kio_join_handle jobs[3];
    struct kio_timeout limit;
};

static void blocking_drop(struct blocking *self)
{
    for (int i = 0; i < 3; i++) /* made by a plain function: nobody's */
        kio_drop(&self->jobs[i]);
    died(&self->life);
}

static void start_job(struct blocking *self, struct kio_join_handle *handle)
{
    struct nap_job *j = job_new(sizeof *j, NULL);

    j->microseconds = roll(&self->dice, 2000);
    j->dice = split(&self->dice);
    j->number = 99;
    (void)kio_spawn_blocking(handle, nap_job_run, j);
}

async(blocking, blocking_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 10); self->left; self->left--) {
        struct kio_join_handle *h = &self->jobs[roll(&self->dice, 3)];

        did();
        if (!kio_is_live(h)) {
            start_job(self, chance(&self->dice, 80) ? h : NULL);
        } else if (chance(&self->dice, 30)) {
            kio_abort(h);
        } else if (chance(&self->dice, 30)) {
            kio_drop(h);
        } else {
            await(kio_timeout(&self->limit, a_while(&self->dice), h));
        }
    }
    for (self->left = 0; self->left < 3; self->left++) {
        if (!kio_is_live(&self->jobs[self->left]))
            continue;
        await(&self->jobs[self->left]);
        if (self->jobs[self->left].out == 0)
            must(**kio_output(&self->jobs[self->left], int *) == 99);
    }
    async_return();
}
PLAY_IS(blocking, false);

/* On multi_thread: a call that blocks, and meanwhile spawns. */
struct in_place {
    PLAY;
    int left;
    struct kio_yield yield;
    struct kio_join_handle task;
};

static void in_place_drop(struct in_place *self)
{
    died(&self->life);
}

static void *in_place_run(void *arg)
{
    struct in_place *self = arg;

    usleep(roll(&self->dice, 1500));
    if (chance(&self->dice, 50))
        (void)kio_spawn(NULL, NUMBERED(&self->dice, 0));
    if (chance(&self->dice, 10))
        (void)kio_block_on(NUMBERED(&self->dice, 0));
    did();
    return self;
}

async(in_place, in_place_drop)
{
    async_begin;
    for (self->left = 1 + (int)roll(&self->dice, 3); self->left; self->left--) {
        (void)kio_spawn(&self->task, NUMBERED(&self->dice, 5));
        if (now.multi)
            must(kio_block_in_place(in_place_run, self) == self);
        await(kio_yield_now(&self->yield));
        if (chance(&self->dice, 50))
            await(&self->task);
    }
    async_return();
}
PLAY_IS(in_place, true);
