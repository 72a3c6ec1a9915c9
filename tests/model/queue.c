/*
 * The run queue: an owner that pushes and pops, thieves that steal, a ring that grows meanwhile.
 * No task is lost, none comes out twice, and who gets one sees what was written before its push.
 *
 * Sources: src/sched/queue.c
 * Defines: -DKI_QUEUE_MIN=4u -DKI_QUEUE_MAX=8u -DKI_QUEUE_STEAL=2u
 */
#include "checker/mc.h"
#include "sched/queue.h"

#define TASKS 8

static struct ki_queue q, own[2];
static struct ki_task tasks[TASKS];
static uint32_t taken[TASKS]; /* by threads one after another: a race if two have the same task */

static void got(struct ki_task *task)
{
    MC_ASSERT(task->flags == 7);
    MC_ASSERT(!taken[task - tasks]);
    taken[task - tasks] = 1;
}

static void push(unsigned i)
{
    tasks[i].flags = 7;
    MC_ASSERT(ki_queue_push(&q, &tasks[i]));
}

static void pop_one(struct ki_queue *from)
{
    struct ki_task *task = ki_queue_pop(from);

    if (task)
        got(task);
}

static void pop_all(struct ki_queue *from)
{
    struct ki_task *task;

    while ((task = ki_queue_pop(from)))
        got(task);
}

static void steal_for(unsigned i)
{
    struct ki_task *task = ki_queue_steal(&own[i], &q);

    if (task) {
        got(task);
        pop_all(&own[i]);
    }
}

static unsigned pushed;

static void begin(void)
{
    MC_ASSERT(!ki_queue_init(&q));
    MC_ASSERT(!ki_queue_init(&own[0]));
    MC_ASSERT(!ki_queue_init(&own[1]));
    pushed = 0;
}

static void with_four(void)
{
    begin();
    for (unsigned i = 0; i < 4; i++)
        push(i);
    pushed = 4;
}

static void nothing_is_lost(void)
{
    unsigned count = 0;

    pop_all(&q);
    for (unsigned i = 0; i < TASKS; i++)
        count += taken[i];
    MC_ASSERT(count == pushed);
    MC_ASSERT(ki_queue_len(&q) == 0);
    ki_queue_free(&q);
    ki_queue_free(&own[0]);
    ki_queue_free(&own[1]);
    MC_ASSERT(mc_alive() == 0);
}

static void thief_0(void)
{
    steal_for(0);
}

static void thief_1(void)
{
    steal_for(1);
}

static void push_and_pop(void)
{
    push(0);
    push(1);
    pop_one(&q);
    push(2); /* over the place of the first */
    pushed = 3;
}

static void grow(void)
{
    push(4);
    pop_one(&q);
    pushed = 5;
}

static void reuse(void)
{
    push(4); /* in the place of what a thief took, or in a larger ring */
    push(5);
    pushed = 6;
}

static void push_fifth(void)
{
    push(4); /* into a larger ring, or over what was stolen */
    pushed = 5;
}

/* Others' claims may leave nothing of what an older ring holds, while a thief still looks at that. */
static void steal_twice_and_keep(void)
{
    for (int i = 0; i < 2; i++) {
        struct ki_task *task = ki_queue_steal(&own[0], &q);

        if (task)
            got(task);
    }
}

static void thief_twice(void)
{
    steal_for(0);
    steal_for(0);
}

static void pop_two(void)
{
    pop_one(&q);
    pop_one(&q);
}

static uint32_t looked;

static void look(void)
{
    looked = ki_queue_len(&q);
    MC_ASSERT(looked <= 3); /* not below zero */
}

/* A task that a thief has moved to its own queue is stolen from there, while its owner pops. */
static void steal_on(void)
{
    struct ki_task *task = ki_queue_steal(&own[0], &q);

    if (task)
        got(task);
    pop_one(&own[0]);
}

static void steal_from_thief(void)
{
    struct ki_task *task = ki_queue_steal(&own[1], &own[0]);

    if (task)
        got(task);
}

static void all_queues(void)
{
    pop_all(&own[0]);
    pop_all(&own[1]);
    nothing_is_lost();
}

static const struct mc_test tests[] = {
    { "push_pop_steal", begin, { push_and_pop, thief_0 }, nothing_is_lost },
    { "two_thieves", with_four, { pop_two, thief_0, thief_1 }, nothing_is_lost },
    { "grow_while_stealing", with_four, { grow, thief_0 }, nothing_is_lost },
    { "grow_while_two_steal", with_four, { push_fifth, steal_twice_and_keep, thief_1 }, all_queues },
    { "reuse_of_a_stolen_place", with_four, { reuse, thief_twice }, nothing_is_lost },
    { "push_pop_two_thieves", begin, { push_and_pop, thief_0, thief_1 }, nothing_is_lost },
    { "length_while_moving", begin, { push_and_pop, look }, nothing_is_lost },
    { "stolen_from_the_thief", with_four, { steal_on, steal_from_thief }, all_queues },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
