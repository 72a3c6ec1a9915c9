/* A runtime is made and freed, with every call of that failing once. */
#include "support/faults.h"

#include <signal.h>
#include <unistd.h>

static void made_and_freed(const struct kio_runtime_config *config)
{
    struct kio_runtime *made;

    faults_on();
    if (faults_saw(kio_runtime_new(&made, config))) {
        faults_check(!made);
        return;
    }
    kio_runtime_free(made);
    faults_complete();
}

static void a_runtime(void)
{
    made_and_freed(&(struct kio_runtime_config){ .flavor = rt_flavor, .workers = 2 });
}

static void a_runtime_of_default_size(void)
{
    made_and_freed(&(struct kio_runtime_config){ .flavor = rt_flavor, .stack_size = 256 << 10 });
}

static void a_watched_runtime(void)
{
    made_and_freed(&(struct kio_runtime_config){
        .flavor = rt_flavor,
        .workers = 2,
        .watchdog = KIO_SEC,
        .time_polls = true,
    });
}

static void a_runtime_that_dumps(void)
{
    made_and_freed(&(struct kio_runtime_config){
        .flavor = rt_flavor,
        .workers = 2,
        .dump_signal = SIGUSR1,
    });
}

/* ---- a task on it, from a thread that runs no tasks --------------------------------------- */

struct answer {
    async_fn(void);
    struct kio_oneshot_tx to;
};

static void answer_drop(struct answer *self)
{
    kio_oneshot_tx_drop(&self->to);
}

async(answer, answer_drop)
{
    async_begin;
    int value = 42;

    kio_oneshot_send(&self->to, &value);
    async_return();
}

static void ask(struct kio_runtime *on)
{
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    int value = 0;

    if (faults_saw(kio_oneshot_channel(&tx, &rx, sizeof value)))
        return;
    if (!faults_saw(kio_spawn_on(on, NULL, answer, .to = tx))) {
        faults_check(kio_oneshot_blocking_recv(&rx, &value) == 1);
        faults_check(value == 42);
        faults_complete();
    }
    kio_oneshot_rx_drop(&rx);
}

static void a_runtime_with_a_task(void)
{
    struct kio_runtime *made;

    faults_on();
    if (faults_saw(kio_runtime_new(&made, &(struct kio_runtime_config){ .workers = 3 })))
        return;
    ask(made);
    kio_runtime_free(made);
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(a_runtime, FAULT_ALONE | FAULT_DETERMINISTIC),
    SCENARIO(a_runtime_of_default_size, FAULT_MULTI_ONLY),
    SCENARIO(a_watched_runtime),
    SCENARIO(a_runtime_that_dumps, FAULT_ALONE | FAULT_CURRENT_ONLY | FAULT_THREADS),
    SCENARIO(a_runtime_with_a_task, FAULT_MULTI_ONLY),
};

static void ask_once(struct kio_runtime *on)
{
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    int value = 0;

    assert_int_equal(kio_oneshot_channel(&tx, &rx, sizeof value), 0);
    assert_int_equal(kio_spawn_on(on, NULL, answer, .to = tx), 0);
    assert_int_equal(kio_oneshot_blocking_recv(&rx, &value), 1);
    assert_int_equal(value, 42);
    kio_oneshot_rx_drop(&rx);
}

/* One worker: nobody else looks around who would make up for a wake that was lost. It has to be asleep to
 * be woken, which it is at one of the tries. */
static void a_wake_that_is_interrupted_is_sent_again(void **state)
{
    struct kio_runtime *made;

    (void)state;
    assert_int_equal(kio_runtime_new(&made, &(struct kio_runtime_config){ .workers = 1 }), 0);
    faults_fail("write, to an eventfd", EINTR, NULL);
    for (int i = 0; i < 1000 && !faults_reached(); i++) {
        usleep(10000);
        ask_once(made);
    }
    assert_true(faults_reached());
    faults_off();
    kio_runtime_free(made);
}

FAULTS_FDS_MAIN(cmocka_unit_test(a_wake_that_is_interrupted_is_sent_again))
