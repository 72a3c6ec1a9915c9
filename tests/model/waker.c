/*
 * The waker cell, wake nodes, and the waker of a thread that sleeps: no wake is lost, what was written
 * before a wake is seen by who is woken, and references balance.
 *
 * Sources: src/future/nodes.c src/future/thread_waker.c src/future/waker.c src/base/lock.c
 * Defines: -DKI_NODES_POOLED=16u
 */
#include "checker/sleeper.h"
#include "future/nodes.h"
#include "future/thread_waker.h"

static struct sleeper *sleepers[2];
static struct ki_cell cell;
static ki_atomic(uint32_t) happened[2]; /* relaxed: the order has to come from what is tested */
static uint32_t written[2];

static kio_waker waker(unsigned i)
{
    return sleeper_waker(sleepers[i]);
}

static void begin(void)
{
    for (int i = 0; i < 2; i++)
        sleepers[i] = sleeper_new();
}

static void end(void)
{
    kio_waker_drop(waker(0));
    kio_waker_drop(waker(1));
    MC_ASSERT(mc_alive() == 0);
}

/* ---- the cell ------------------------------------------------------------------------------ */

static void await_cell(unsigned events)
{
    for (;;) {
        ki_cell_set(&cell, waker(0));
        if (ki_load_relaxed(&happened[0]) && (events < 2 || ki_load_relaxed(&happened[1])))
            break;
        sleeper_park(sleepers[0]);
    }
    ki_cell_clear(&cell);
}

static void await_one(void)
{
    await_cell(1);
}

static void await_both(void)
{
    await_cell(2);
}

static void cause_0(void)
{
    ki_store_relaxed(&happened[0], 1);
    ki_cell_wake(&cell);
}

static void cause_1(void)
{
    ki_store_relaxed(&happened[1], 1);
    ki_cell_wake(&cell);
}

/* A wake that nobody waited for yet tells the registration what was written before it. */
static void write_and_wake(void)
{
    written[0] = 1;
    ki_cell_wake(&cell);
}

static void register_and_read(void)
{
    if (ki_cell_set(&cell, waker(0)))
        MC_ASSERT(written[0] == 1);
    ki_cell_clear(&cell);
}

/* The waker's target is new: who takes it from the cell must see it. */
static void await_with_new_waker(void)
{
    struct sleeper *mine = sleeper_new();

    ki_cell_set(&cell, sleeper_waker(mine));
    if (!ki_load_relaxed(&happened[0]))
        sleeper_park(mine);
    ki_cell_clear(&cell);
    sleeper_drop(&mine->wakeable);
}

/* The waiting one changes its waker, as a future that moves to another task. */
static void await_with_two_wakers(void)
{
    ki_cell_set(&cell, waker(0));
    if (!ki_load_relaxed(&happened[0])) {
        ki_cell_set(&cell, waker(1));
        if (!ki_load_relaxed(&happened[0]))
            sleeper_park(sleepers[1]);
    }
    ki_cell_clear(&cell);
}

static void leave_cell(void)
{
    ki_cell_set(&cell, waker(0));
    ki_cell_clear(&cell);
}

/* ---- nodes --------------------------------------------------------------------------------- */

static struct ki_nodes *nodes;
static unsigned polled[2];

static void begin_nodes_of(size_t count)
{
    begin();
    nodes = ki_nodes_get(count);
    MC_ASSERT(nodes);
    for (uint32_t i = 0; i < 2; i++) {
        kio_waker_clone(ki_node_waker(&nodes->at[i]));
        polled[i] = 0;
    }
}

static void begin_nodes(void)
{
    begin_nodes_of(2);
}

static void begin_counted_nodes(void)
{
    begin_nodes_of(17);
}

static void await_nodes(void)
{
    bool done[2] = { false, false };

    while (!done[0] || !done[1]) {
        struct ki_node *woke = ki_nodes_take(nodes, waker(0));

        if (!woke)
            sleeper_park(sleepers[0]);
        while (woke) {
            struct ki_node *next = woke->next;
            uint32_t i = woke->index;

            ki_node_polled(woke);
            MC_ASSERT(i < 2);
            polled[i]++;
            done[i] = ki_load_relaxed(&happened[i]) != 0;
            woke = next;
        }
    }
    ki_nodes_put(nodes);
}

static void wake_node(unsigned i)
{
    kio_waker w = ki_node_waker(&nodes->at[i]);

    ki_store_relaxed(&happened[i], 1);
    kio_waker_wake(w);
}

static void wake_node_0(void)
{
    wake_node(0);
}

static void wake_node_1(void)
{
    wake_node(1);
}

/* Two wakers of one member: the second finds it queued, and still is seen. */
static void wake_node_again(void)
{
    ki_store_relaxed(&happened[1], 1);
    kio_waker_wake_by_ref(ki_node_waker(&nodes->at[0]));
}

static void await_both_by_one_node(void)
{
    while (!ki_load_relaxed(&happened[0]) || !ki_load_relaxed(&happened[1])) {
        struct ki_node *woke = ki_nodes_take(nodes, waker(0));

        if (woke) {
            MC_ASSERT(!woke->next && woke->index == 0);
            ki_node_polled(woke);
        } else {
            sleeper_park(sleepers[0]);
        }
    }
    ki_nodes_put(nodes);
}

/* A block goes back to the pool while a wake is late, and is used again. */
static void reuse_nodes(void)
{
    struct ki_node *woke;

    ki_nodes_forget(ki_nodes_take(nodes, waker(0)));
    ki_nodes_put(nodes);
    nodes = ki_nodes_get(1);
    for (;;) {
        woke = ki_nodes_take(nodes, waker(1));
        if (ki_load_relaxed(&happened[1]))
            break;
        if (woke)
            ki_nodes_forget(woke);
        else
            sleeper_park(sleepers[1]);
    }
    ki_nodes_forget(woke);
    ki_nodes_put(nodes);
}

static struct ki_nodes *late;

static void begin_reuse(void)
{
    begin_nodes();
    late = nodes;
}

static void wake_late(void)
{
    ki_store_relaxed(&happened[1], 1);
    kio_waker_wake_by_ref(ki_node_waker(&late->at[0]));
}

static void end_nodes(void)
{
    MC_ASSERT(polled[0] >= 1 && polled[1] >= 1);
    end();
}

static void end_pooled(void)
{
    kio_waker_drop(waker(0));
    kio_waker_drop(waker(1));
    MC_ASSERT(mc_alive() == 1); /* the block, in its pool */
}

static void end_pooled_nodes(void)
{
    MC_ASSERT(polled[0] >= 1 && polled[1] >= 1);
    end_pooled();
}

/* ---- a thread ------------------------------------------------------------------------------ */

static struct ki_thread_waker *thread_waker;

static void begin_thread(void)
{
    thread_waker = ki_thread_waker_get();
}

static void sleep_thread(void)
{
    for (;;) {
        uint32_t count = ki_thread_waker_count(thread_waker);

        if (ki_load_relaxed(&happened[0]) && ki_load_relaxed(&happened[1]))
            break;
        ki_thread_waker_sleep(thread_waker, count, -1);
    }
    ki_thread_waker_put(thread_waker);
}

static void wake_thread_0(void)
{
    ki_store_relaxed(&happened[0], 1);
    kio_waker_wake((kio_waker){ &thread_waker->wakeable });
}

static void wake_thread_1(void)
{
    ki_store_relaxed(&happened[1], 1);
    kio_waker_wake((kio_waker){ &thread_waker->wakeable });
}

static const struct mc_test tests[] = {
    { "cell_wake_meets_registration", begin, { await_one, cause_0 }, end },
    { "cell_two_wakes", begin, { await_both, cause_0, cause_1 }, end },
    { "cell_wake_tells_what_was_written", begin, { register_and_read, write_and_wake }, end },
    { "cell_new_target", begin, { await_with_new_waker, cause_0 }, end },
    { "cell_other_waker", begin, { await_with_two_wakers, cause_0 }, end },
    { "cell_left", begin, { leave_cell, cause_0, cause_1 }, end },
    { "nodes_pooled", begin_nodes, { await_nodes, wake_node_0, wake_node_1 }, end_pooled_nodes },
    { "nodes_counted", begin_counted_nodes, { await_nodes, wake_node_0, wake_node_1 }, end_nodes },
    { "node_queued_twice", begin_nodes, { await_both_by_one_node, wake_node_0, wake_node_again },
      end_pooled },
    { "nodes_reused", begin_reuse, { reuse_nodes, wake_late }, end_pooled },
    { "thread_sleeps", begin_thread, { sleep_thread, wake_thread_0, wake_thread_1 } },
};

int main(int argc, char **argv)
{
    return mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
