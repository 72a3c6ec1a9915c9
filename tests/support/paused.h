/* Tests that poll by hand on a paused clock: STORY(name) { … } is the body of an async function, told by
 * tell(name) on a fresh current_thread runtime; in it await(sleep_ms(n)), await(advance_ms(n)). */
#ifndef TESTS_SUPPORT_PAUSED_H
#define TESTS_SUPPORT_PAUSED_H

#include "support/little.h"
#include "support/rt.h"

static int open_paused(void **state)
{
    (void)state;
    ki_store_relaxed(&drops, 0);
    return kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD,
                                                              .start_paused = true });
}

#define P(test) cmocka_unit_test_setup_teardown(test, open_paused, rt_close)

#define STORY(name)                                                                                \
    struct name {                                                                                  \
        async_fn(void);                                                                            \
        struct kio_sleep nap;                                                                      \
        struct kio_time_advance by;                                                                \
        kio_instant start;                                                                         \
        int i;                                                                                     \
    };                                                                                             \
    async(name)

#define tell(name)                                                                                 \
    do {                                                                                           \
        (void)state;                                                                               \
        run(name);                                                                                 \
    } while (0)

#define sleep_ms(n)   kio_sleep(&self->nap, (n) * KIO_MS)
#define until_ms(n)   kio_sleep_until(&self->nap, self->start + (n) * KIO_MS)
#define advance_ms(n) kio_time_advance(&self->by, (n) * KIO_MS)
#define passed_ms()   ((int)((kio_now() - self->start) / KIO_MS))

/* Woken since the last look; by whoever polls with l. */
static inline bool woken_since(struct little *l)
{
    return ki_xchg_seq_cst(&l->wakes, 0) != 0;
}

#endif
