/* Delay queues on a paused clock: order, keys, who is woken when. include/kioto/delay_queue.h */
#include "support/paused.h"

#include "base/mem.h"

#include <unistd.h>

static struct little l;
static struct kio_delay_queue q;
static struct kio_delay_queue_next next;
static int value;
static struct kio_delay_key a, b, c, d;

#define END   (-1000)
#define WAITS (-1001)

/* What a poll of the queue gives; the future that waits stays from poll to poll. */
static int got(void)
{
    if (!kio_is_live(&next))
        kio_delay_queue_next(&next, &q, &value);
    (void)woken_since(&l);
    if (poll_once(&l, &next) == KIO_PENDING)
        return WAITS;
    return next.out ? value : END;
}

/* The same after the queue was dropped under it. */
static int got_after_drop(void)
{
    return poll_once(&l, &next) == KIO_PENDING ? WAITS : next.out ? value : END;
}

/* Inserts v, ms after at. */
static struct kio_delay_key insert(int v, kio_instant at, int ms)
{
    struct kio_delay_key key;

    assert_int_equal(kio_delay_queue_insert_at(&q, &v, at + ms * KIO_MS, &key), 0);
    return key;
}

static void reset(struct kio_delay_key key, kio_instant at, int ms)
{
    assert_int_equal(kio_delay_queue_reset_at(&q, key, at + ms * KIO_MS), 0);
}

static int removed(struct kio_delay_key key)
{
    int v;

    assert_int_equal(kio_delay_queue_remove(&q, key, &v), 0);
    return v;
}

static int open_queue(void **state)
{
    int err = open_paused(state);

    little_init(&l);
    kio_delay_queue(&q, sizeof(int));
    return err;
}

static int close_queue(void **state)
{
    int err = rt_close(state);

    kio_drop(&next);
    kio_drop(&q);
    if (ki_load_seq_cst(&l.clones) != ki_load_seq_cst(&l.drops))
        return -1;
    return err;
}

#define Q(test) cmocka_unit_test_setup_teardown(test, open_queue, close_queue)

/* ---- what is due ----------------------------------------------------------------------------- */

STORY(at_once)
{
    async_begin;
    self->start = kio_now();
    insert(1, self->start, 0);
    assert_int_equal(got(), 1);
    assert_int_equal(next.deadline, self->start);
    assert_int_equal(got(), END);
    insert(2, self->start, 0);
    insert(3, self->start, 0);
    insert(4, self->start, -10);
    assert_int_equal(kio_delay_queue_len(&q), 3);
    assert_int_equal(got(), 4);
    assert_int_equal(got(), 2);
    assert_int_equal(got(), 3);
    assert_int_equal(got(), END);
    async_return();
}

static void values_that_are_due_come_at_once_in_order(void **state)
{
    tell(at_once);
}

STORY(short_delay)
{
    async_begin;
    self->start = kio_now();
    a = insert(1, self->start, 5);
    assert_int_equal(got(), WAITS);
    await(sleep_ms(1));
    assert_false(woken_since(&l));
    await(sleep_ms(5));
    assert_true(woken_since(&l));
    assert_int_equal(got(), 1);
    assert_int_equal(next.deadline, self->start + 5 * KIO_MS);
    assert_memory_equal(&next.key, &a, sizeof a);
    assert_int_equal(got(), END);
    async_return();
}

static void a_value_comes_when_its_time_has_come(void **state)
{
    tell(short_delay);
}

/* Each ms is looked at: woken exactly when something is due, and by nothing else. */
STORY(many_delays)
{
    static const int delays[] = { 1000, 2, 234, 262144 + 9 * 4096, 60, 10 };
    bool due;

    async_begin;
    self->start = kio_now();
    for (int i = 0; i < 6; i++)
        insert(delays[i], self->start, delays[i]);
    assert_int_equal(got(), WAITS);
    for (self->i = 1; self->i <= 1200; self->i++) {
        await(until_ms(self->i));
        due = false;
        for (int i = 0; i < 6; i++)
            due |= delays[i] == self->i;
        assert_int_equal(woken_since(&l), due);
        if (due) {
            assert_int_equal(got(), self->i);
            assert_int_equal(got(), WAITS);
        }
    }
    assert_int_equal(kio_delay_queue_len(&q), 1);
    async_return();
}

static void each_of_many_wakes_at_its_time_and_nothing_else_does(void **state)
{
    tell(many_delays);
}

STORY(past)
{
    async_begin;
    self->start = kio_now();
    await(sleep_ms(10));
    insert(1, self->start, 0);
    assert_int_equal(got(), 1);
    /* while somebody waits for a later one */
    insert(2, self->start, 200);
    assert_int_equal(got(), WAITS);
    await(sleep_ms(80));
    assert_false(woken_since(&l));
    insert(3, self->start, 40);
    assert_true(woken_since(&l));
    assert_int_equal(got(), 3);
    async_return();
}

static void a_value_inserted_in_the_past_wakes_and_comes_at_once(void **state)
{
    tell(past);
}

STORY(far)
{
    async_begin;
    assert_int_equal(kio_delay_queue_insert(&q, &(int){ 1 }, INT64_MAX, &a), 0);
    for (self->i = 0; self->i < 2; self->i++) {
        await(kio_time_advance(&self->by, (INT64_C(1) << 35) * KIO_MS));
        assert_int_equal(kio_delay_queue_insert(&q, &(int){ 0 }, 0, NULL), 0);
        assert_int_equal(got(), 0);
    }
    self->start = kio_now();
    insert(2, self->start, 1);
    assert_int_equal(got(), WAITS);
    await(sleep_ms(1));
    assert_true(woken_since(&l));
    assert_int_equal(got(), 2);
    assert_int_equal(got(), WAITS); /* the first has no end */
    assert_int_equal(kio_delay_queue_len(&q), 1);
    async_return();
}

static void a_queue_that_is_years_old_works_and_delays_do_not_overflow(void **state)
{
    tell(far);
}

/* ---- remove ---------------------------------------------------------------------------------- */

STORY(removes)
{
    async_begin;
    self->start = kio_now();
    a = insert(1, self->start, 5);
    assert_int_equal(got(), WAITS);
    assert_int_equal(removed(a), 1);
    assert_true(woken_since(&l)); /* nothing is left to wait for */
    await(sleep_ms(10));
    assert_int_equal(got(), END);
    /* one that is due, and was not taken */
    b = insert(2, self->start, 0);
    assert_int_equal(removed(b), 2);
    /* the other of two with the same deadline, after the first was taken */
    self->start = kio_now();
    a = insert(1, self->start, 64);
    b = insert(2, self->start, 64);
    await(sleep_ms(80));
    assert_int_equal(got(), 1);
    assert_int_equal(removed(b), 2);
    assert_int_equal(got(), END);
    async_return();
}

static void a_removed_value_does_not_come_and_the_last_wakes(void **state)
{
    tell(removes);
}

STORY(stale)
{
    kio_instant when;

    async_begin;
    self->start = kio_now();
    a = insert(1, self->start, 10);
    b = insert(2, self->start, 20);
    assert_int_equal(removed(a), 1);
    kio_delay_queue_shrink(&q);
    assert_int_equal(kio_delay_queue_remove(&q, a, NULL), -ENOENT);
    c = insert(3, self->start, 30); /* in the place of the first */
    assert_int_equal(kio_delay_queue_remove(&q, a, NULL), -ENOENT);
    assert_int_equal(kio_delay_queue_reset_at(&q, a, self->start), -ENOENT);
    assert_int_equal(kio_delay_queue_reset(&q, a, 1), -ENOENT);
    assert_int_equal(kio_delay_queue_deadline(&q, a, &when), -ENOENT);
    assert_int_equal(kio_delay_queue_remove(&q, (struct kio_delay_key){ 0 }, NULL), -ENOENT);
    assert_int_equal(kio_delay_queue_deadline(&q, c, &when), 0);
    assert_int_equal(when, self->start + 30 * KIO_MS);
    await(sleep_ms(20));
    assert_int_equal(got(), 2);
    assert_int_equal(kio_delay_queue_remove(&q, b, NULL), -ENOENT); /* it came out */
    kio_delay_queue_shrink(&q);
    assert_int_equal(kio_delay_queue_remove(&q, b, NULL), -ENOENT);
    async_return();
}

static void a_stale_key_names_nothing(void **state)
{
    tell(stale);
}

/* ---- reset ----------------------------------------------------------------------------------- */

STORY(later)
{
    async_begin;
    self->start = kio_now();
    a = insert(1, self->start, 5);
    assert_int_equal(got(), WAITS);
    await(until_ms(1));
    reset(a, self->start, 10);
    assert_int_equal(got(), WAITS);
    await(until_ms(8));
    await(until_ms(9));
    assert_int_equal(got(), WAITS);
    await(until_ms(11));
    assert_true(woken_since(&l));
    assert_int_equal(got(), 1);
    assert_int_equal(got(), END);
    /* nobody polled between the reset and the old time: woken once for nothing, then in time */
    self->start = kio_now();
    a = insert(1, self->start, 100);
    b = insert(2, self->start, 150);
    assert_int_equal(got(), WAITS);
    reset(a, self->start, 300);
    await(until_ms(100));
    assert_true(woken_since(&l));
    assert_int_equal(got(), WAITS);
    await(until_ms(149));
    assert_false(woken_since(&l));
    await(until_ms(150));
    assert_true(woken_since(&l));
    assert_int_equal(got(), 2);
    assert_int_equal(got(), WAITS);
    await(until_ms(300));
    assert_int_equal(got(), 1);
    async_return();
}

static void a_value_moved_further_back_comes_then(void **state)
{
    tell(later);
}

STORY(earlier)
{
    async_begin;
    self->start = kio_now();
    a = insert(1, self->start, 200);
    b = insert(2, self->start, 250);
    assert_int_equal(got(), WAITS);
    reset(a, self->start, 100); /* the first */
    assert_int_equal(got(), WAITS);
    await(until_ms(99));
    assert_false(woken_since(&l));
    await(until_ms(100));
    assert_true(woken_since(&l));
    assert_int_equal(got(), 1);
    assert_int_equal(got(), WAITS);
    a = insert(1, self->start, 240);
    assert_int_equal(got(), WAITS);
    reset(b, self->start, 150); /* the second */
    assert_true(woken_since(&l));
    assert_int_equal(got(), WAITS);
    await(until_ms(150));
    assert_true(woken_since(&l));
    assert_int_equal(got(), 2);
    assert_int_equal(got(), WAITS);
    reset(a, self->start, -100); /* into the past */
    assert_true(woken_since(&l));
    assert_int_equal(got(), 1);
    assert_int_equal(got(), END);
    async_return();
}

static void a_value_moved_forward_wakes_and_comes_then(void **state)
{
    tell(earlier);
}

STORY(reset_more)
{
    async_begin;
    self->start = kio_now();
    await(until_ms(1000));
    self->start = kio_now();
    a = insert(1, self->start, 200);
    assert_int_equal(got(), WAITS);
    await(until_ms(3));
    reset(a, self->start, 50);
    await(until_ms(20));
    reset(a, self->start, 40);
    await(until_ms(40));
    assert_true(woken_since(&l));
    assert_int_equal(got(), 1);
    /* made when due, moved to later twice */
    self->start = kio_now();
    b = insert(2, self->start, -100);
    reset(b, self->start, 100);
    reset(b, self->start, 50);
    assert_int_equal(kio_delay_queue_len(&q), 1);
    assert_int_equal(got(), WAITS);
    await(until_ms(49));
    assert_false(woken_since(&l));
    await(until_ms(50));
    assert_int_equal(got(), 2);
    assert_int_equal(got(), END);
    /* two that pass each other */
    self->start = kio_now();
    a = insert(1, self->start, 200);
    b = insert(2, self->start, 250);
    assert_int_equal(got(), WAITS);
    reset(a, self->start, 300);
    reset(b, self->start, 350);
    reset(a, self->start, 400);
    await(until_ms(310));
    assert_int_equal(got(), WAITS);
    await(until_ms(360));
    assert_int_equal(got(), 2);
    assert_int_equal(got(), WAITS);
    await(until_ms(410));
    assert_int_equal(got(), 1);
    assert_int_equal(got(), END);
    async_return();
}

static void the_last_reset_counts(void **state)
{
    tell(reset_more);
}

STORY(resets)
{
    long allocated, waked = 0;
    int n = amount(1000000);

    async_begin;
    self->start = kio_now();
    for (int i = 0; i < 100; i++)
        a = insert(i, self->start, 1000 + i);
    assert_int_equal(got(), WAITS);
    allocated = ki_mem_count();
    for (int i = 0; i < n; i++) {
        reset(a, self->start, 2000 + i % 1000);
        waked += woken_since(&l);
    }
    assert_int_equal(ki_mem_count(), allocated);
    assert_int_equal(waked, 0);
    assert_int_equal(kio_delay_queue_len(&q), 100);
    assert_int_equal(kio_delay_queue_capacity(&q), 128);
    await(sleep_ms(1000));
    assert_int_equal(got(), 0);
    async_return();
}

static void a_value_reset_a_million_times_grows_nothing(void **state)
{
    tell(resets);
}

/* ---- insert while somebody waits ------------------------------------------------------------- */

STORY(inserts)
{
    async_begin;
    self->start = kio_now();
    insert(1, self->start, 10000);
    assert_int_equal(got(), WAITS);
    insert(2, self->start, 600);
    assert_true(woken_since(&l));
    assert_int_equal(got(), WAITS);
    insert(3, self->start, 700);
    assert_false(woken_since(&l)); /* not the first */
    await(until_ms(599));
    assert_int_equal(got(), WAITS);
    assert_false(woken_since(&l));
    await(until_ms(600));
    assert_true(woken_since(&l));
    assert_int_equal(got(), 2);
    async_return();
}

static void an_earlier_insert_wakes_who_waits_and_a_later_one_does_not(void **state)
{
    tell(inserts);
}

STORY(ready_inserts)
{
    async_begin;
    self->start = kio_now();
    for (int i = 1; i <= 3; i++)
        insert(i, self->start, 100);
    assert_int_equal(got(), WAITS);
    await(until_ms(100));
    assert_true(woken_since(&l));
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(got(), i);
        insert(9, self->start, 500);
    }
    assert_int_equal(got(), WAITS);
    async_return();
}

static void what_is_inserted_between_due_values_waits_its_turn(void **state)
{
    tell(ready_inserts);
}

/* ---- looking, clearing, memory --------------------------------------------------------------- */

STORY(peeks)
{
    struct kio_delay_key first;

    async_begin;
    self->start = kio_now();
    assert_false(kio_delay_queue_peek(&q, &first));
    a = insert(1, self->start, 5);
    b = insert(2, self->start, 0);
    c = insert(3, self->start, 10);
    assert_true(kio_delay_queue_peek(&q, &first));
    assert_memory_equal(&first, &b, sizeof b);
    await(sleep_ms(6));
    assert_true(kio_delay_queue_peek(&q, &first));
    assert_memory_equal(&first, &b, sizeof b);
    assert_int_equal(got(), 2);
    assert_true(kio_delay_queue_peek(&q, &first));
    assert_memory_equal(&first, &a, sizeof a);
    assert_int_equal(got(), 1);
    assert_true(kio_delay_queue_peek(&q, &first));
    assert_memory_equal(&first, &c, sizeof c);
    assert_int_equal(got(), WAITS);
    await(sleep_ms(5));
    assert_true(kio_delay_queue_peek(&q, &first));
    assert_memory_equal(&first, &c, sizeof c);
    assert_int_equal(got(), 3);
    assert_false(kio_delay_queue_peek(&q, &first));
    assert_true(kio_delay_queue_is_empty(&q));
    async_return();
}

static void a_peek_names_the_next_due_or_not(void **state)
{
    tell(peeks);
}

STORY(tries)
{
    async_begin;
    self->start = kio_now();
    assert_int_equal(kio_delay_queue_try_next(&q, &value), 0);
    insert(7, self->start, 5);
    assert_int_equal(kio_delay_queue_try_next(&q, &value), -EAGAIN);
    await(sleep_ms(5));
    assert_int_equal(kio_delay_queue_try_next(&q, &value), 1);
    assert_int_equal(value, 7);
    assert_int_equal(kio_delay_queue_try_next(&q, &value), 0);
    async_return();
}

static void a_try_takes_what_is_due_and_waits_for_nothing(void **state)
{
    tell(tries);
}

static int destroyed;

static void destroy(void *v)
{
    destroyed += *(int *)v;
}

STORY(clears)
{
    async_begin;
    destroyed = 0;
    self->start = kio_now();
    kio_delay_queue_on_drop(&q, destroy);
    for (int i = 1; i <= 4; i++)
        insert(i, self->start, 1000 * i);
    assert_int_equal(got(), WAITS);
    kio_delay_queue_clear(&q);
    assert_true(woken_since(&l));
    assert_int_equal(destroyed, 10);
    assert_int_equal(kio_delay_queue_len(&q), 0);
    assert_int_equal(got(), END);
    insert(5, self->start, 0);
    assert_int_equal(got(), 5); /* came out: it is the taker's */
    assert_int_equal(destroyed, 10);
    insert(6, self->start, 1000);
    assert_int_equal(got(), WAITS);
    kio_drop(&q);
    assert_int_equal(destroyed, 16);
    assert_true(woken_since(&l));
    assert_int_equal(got_after_drop(), END);
    async_return();
}

static void a_clear_or_a_drop_destroys_what_is_left_and_wakes(void **state)
{
    tell(clears);
}

STORY(shrinks)
{
    async_begin;
    self->start = kio_now();
    a = insert(1, self->start, 10);
    b = insert(2, self->start, 10);
    c = insert(3, self->start, 20);
    d = insert(4, self->start, 20);
    await(until_ms(10));
    assert_int_equal(got(), 1);
    assert_int_equal(got(), 2);
    kio_delay_queue_shrink(&q);
    assert_int_equal(kio_delay_queue_capacity(&q), 4);
    insert(5, self->start, 20);
    a = insert(6, self->start, 20);
    reset(d, self->start, 40);
    reset(a, self->start, 40);
    await(until_ms(20));
    assert_int_equal(got(), 3);
    assert_int_equal(got(), 5);
    assert_int_equal(got(), WAITS);
    await(until_ms(40));
    assert_int_equal(got(), 4); /* reset before the other */
    assert_int_equal(got(), 6);
    assert_int_equal(got(), END);
    kio_delay_queue_shrink(&q);
    assert_int_equal(kio_delay_queue_capacity(&q), 0);
    a = insert(1, self->start, 50);
    assert_int_equal(removed(a), 1);
    kio_delay_queue_shrink(&q);
    assert_int_equal(kio_delay_queue_capacity(&q), 0);
    assert_int_equal(kio_delay_queue_reserve(&q, 100), 0);
    assert_int_equal(kio_delay_queue_capacity(&q), 128);
    async_return();
}

static void memory_is_given_back_and_keys_stay_valid(void **state)
{
    tell(shrinks);
}

STORY(no_memory)
{
    int v = 1;

    async_begin;
    for (int n = 1; n <= 2; n++) {
        ki_mem_fail_at(n);
        assert_int_equal(kio_delay_queue_insert(&q, &v, KIO_SEC, &a), -ENOMEM);
        ki_mem_fail_at(0);
        assert_int_equal(kio_delay_queue_len(&q), 0);
    }
    for (int i = 0; i < 8; i++)
        insert(i, kio_now(), i);
    for (int n = 1; n <= 2; n++) {
        ki_mem_fail_at(n);
        assert_int_equal(kio_delay_queue_insert(&q, &v, KIO_SEC, &a), -ENOMEM);
        kio_delay_queue_shrink(&q);
        ki_mem_fail_at(0);
        assert_int_equal(kio_delay_queue_len(&q), 8);
    }
    assert_int_equal(kio_delay_queue_reserve(&q, SIZE_MAX), -ENOMEM);
    for (self->i = 0; self->i < 8; self->i++) {
        assert_int_equal(got(), self->i);
        await(sleep_ms(1));
    }
    async_return();
}

static void without_memory_nothing_is_inserted_or_lost(void **state)
{
    tell(no_memory);
}

/* ---- against a list that is searched --------------------------------------------------------- */

#define MODEL 64

struct entry {
    struct kio_delay_key key;
    kio_instant deadline;
    uint64_t order;
    bool in;
};

static struct entry model[MODEL];
static uint64_t orders;

static int first_of_model(void)
{
    int best = -1;

    for (int i = 0; i < MODEL; i++) {
        const struct entry *e = &model[i];

        if (e->in && (best < 0 || e->deadline < model[best].deadline ||
                      (e->deadline == model[best].deadline && e->order < model[best].order)))
            best = i;
    }
    return best;
}

STORY(random_ops)
{
    struct kio_delay_key key;
    unsigned seed = getenv("KIOTO_SEED") ? (unsigned)atoi(getenv("KIOTO_SEED")) : (unsigned)getpid();
    int v;

    async_begin;
    print_message("KIOTO_SEED=%u\n", seed);
    srand(seed);
    memset(model, 0, sizeof model);
    for (int n = 0; n < amount(200000); n++) {
        struct entry *e = &model[v = rand() % MODEL];
        kio_instant at = rand() % 50;

        if (!e->in) {
            assert_int_equal(kio_delay_queue_insert_at(&q, &v, at, &e->key), 0);
            *e = (struct entry){ .key = e->key, .deadline = at, .order = orders++, .in = true };
        } else if (rand() % 2) {
            assert_int_equal(kio_delay_queue_reset_at(&q, e->key, at), 0);
            e->deadline = at;
            e->order = orders++;
        } else if (rand() % 2) {
            assert_int_equal(removed(e->key), v);
            e->in = false;
            if (rand() % 4 == 0)
                kio_delay_queue_shrink(&q);
        } else {
            v = first_of_model();
            assert_true(kio_delay_queue_peek(&q, &key));
            assert_memory_equal(&key, &model[v].key, sizeof key);
            assert_int_equal(kio_delay_queue_try_next(&q, &value), 1); /* long past */
            assert_int_equal(value, v);
            model[v].in = false;
        }
    }
    async_return();
}

static void a_random_run_agrees_with_a_list(void **state)
{
    tell(random_ops);
}

/* ---- in async functions ---------------------------------------------------------------------- */

struct owner {
    async_fn(int);
    struct kio_delay_queue queue;
    struct kio_delay_queue_next next;
    struct kio_timeout limit;
    struct kio_delay_key key;
    int value;
    kio_instant start;
};

async(owner)
{
    async_begin;
    self->start = kio_now();
    kio_delay_queue(&self->queue, sizeof(int));
    kio_delay_queue_on_drop(&self->queue, destroy);
    assert_int_equal(kio_delay_queue_insert(&self->queue, &(int){ 5 }, KIO_SEC, &self->key), 0);
    assert_int_equal(kio_delay_queue_insert(&self->queue, &(int){ 7 }, 60 * KIO_MIN, NULL), 0);
    /* a wait that is dropped takes nothing */
    await(kio_timeout(&self->limit, KIO_MS,
                      kio_delay_queue_next(&self->next, &self->queue, &self->value)));
    assert_int_equal(self->limit.out, -ETIMEDOUT);
    await(kio_delay_queue_next(&self->next, &self->queue, &self->value));
    assert_int_equal(self->next.out, 1);
    assert_int_equal(self->value, 5);
    assert_int_equal(kio_now() - self->start, KIO_SEC);
    await(kio_timeout(&self->limit, KIO_MS,
                      kio_delay_queue_next(&self->next, &self->queue, &self->value)));
    async_return(1);
}

static void a_dropped_wait_takes_nothing_and_a_queue_is_dropped_with_its_function(void **state)
{
    long before = ki_mem_alive();

    (void)state;
    destroyed = 0;
    assert_int_equal(run(owner), 1);
    assert_int_equal(destroyed, 7);
    assert_int_equal(ki_mem_alive(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        Q(values_that_are_due_come_at_once_in_order),
        Q(a_value_comes_when_its_time_has_come),
        Q(each_of_many_wakes_at_its_time_and_nothing_else_does),
        Q(a_value_inserted_in_the_past_wakes_and_comes_at_once),
        Q(a_queue_that_is_years_old_works_and_delays_do_not_overflow),
        Q(a_removed_value_does_not_come_and_the_last_wakes),
        Q(a_stale_key_names_nothing),
        Q(a_value_moved_further_back_comes_then),
        Q(a_value_moved_forward_wakes_and_comes_then),
        Q(the_last_reset_counts),
        Q(a_value_reset_a_million_times_grows_nothing),
        Q(an_earlier_insert_wakes_who_waits_and_a_later_one_does_not),
        Q(what_is_inserted_between_due_values_waits_its_turn),
        Q(a_peek_names_the_next_due_or_not),
        Q(a_try_takes_what_is_due_and_waits_for_nothing),
        Q(a_clear_or_a_drop_destroys_what_is_left_and_wakes),
        Q(memory_is_given_back_and_keys_stay_valid),
        Q(without_memory_nothing_is_inserted_or_lost),
        Q(a_random_run_agrees_with_a_list),
        Q(a_dropped_wait_takes_nothing_and_a_queue_is_dropped_with_its_function),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
