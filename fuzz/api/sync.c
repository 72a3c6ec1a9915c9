/* Locks and their kin, and what is done to them beside futures. */
#include "fuzz.h"

struct kio_mutex mutex;
struct kio_rwlock rwlock;
struct kio_semaphore semaphore;
size_t permits_in_all, permits_held;
struct kio_permits spare;
struct kio_notify notify;
struct kio_barrier barrier;
size_t barrier_count, barrier_leaders, barrier_ended;
struct kio_once_cell once_cell;
bool once_was_done;
struct kio_set_once set_once;
struct kio_cancel_token tokens[3];
bool inside_mutex;

static size_t max_readers;

static void open_tokens(void)
{
    for (int i = 0; i < 3; i++) {
        if (!tokens[i].node)
            must(kio_cancel_token_new(&tokens[i], i && tokens[i - 1].node ? &tokens[i - 1] : NULL) == 0);
    }
}

void sync_reset(unsigned seed)
{
    memset(&mutex, 0, sizeof mutex);
    memset(&rwlock, 0, sizeof rwlock);
    memset(&notify, 0, sizeof notify);
    memset(&once_cell, 0, sizeof once_cell);
    memset(&set_once, 0, sizeof set_once);
    memset(&spare, 0, sizeof spare);
    max_readers = seed >> 4 & 1 ? 2 : SIZE_MAX;
    if (max_readers == 2)
        kio_rwlock_init(&rwlock, 2);
    permits_in_all = 1 + (seed & 3);
    permits_held = 0;
    kio_semaphore_init(&semaphore, permits_in_all);
    barrier_count = 1 + (seed >> 2 & 1);
    kio_barrier_init(&barrier, barrier_count);
    barrier_leaders = barrier_ended = 0;
    once_was_done = inside_mutex = false;
    open_tokens();
}

/* A guard that is tried for and given back at once. */
static void try_locks(void)
{
    static struct kio_lock lock;
    static struct kio_rw_guard rw;
    static struct kio_once_init once;
    int err;

    switch (byte() % 4) {
    case 0:
        if (kio_try_lock(&lock, &mutex))
            break;
        must(kept_locks("lock", false) == 0 && !inside_mutex);
        kio_unlock(&lock);
        break;
    case 1:
        if (kio_try_read_lock(&rw, &rwlock))
            break;
        must(kept_locks("rwlock", true) == 0 && kept_locks("rwlock", false) < max_readers);
        kio_rw_unlock(&rw);
        break;
    case 2:
        if (kio_try_write_lock(&rw, &rwlock))
            break;
        must(kept_locks("rwlock", true) == 0 && kept_locks("rwlock", false) == 0);
        kio_rw_downgrade(&rw);
        kio_rw_unlock(&rw);
        break;
    default:
        err = kio_try_once_init(&once, &once_cell);
        must(err == (once_was_done ? 0 : 1) || err == -EBUSY);
        kio_drop(&once);
        break;
    }
}

static void semaphore_step(void)
{
    size_t count = byte() % 3;

    switch (byte() % 8) {
    case 0:
        if (!(byte() & 7))
            kio_semaphore_close(&semaphore);
        break;
    case 1:
        if (kio_try_acquire(&semaphore, count))
            break;
        permits_held += count;
        sync_check();
        permits_held -= count;
        kio_release(&semaphore, count);
        break;
    case 2:
        permits_in_all += 1;
        kio_release(&semaphore, 1);
        break;
    case 3:
        if (!(byte() & 3))
            permits_in_all -= kio_semaphore_forget(&semaphore, count);
        break;
    case 4:
        if (spare.kio.state != KIO_KEPT && !kio_try_permits(&spare, &semaphore, count))
            must(spare.count == count);
        break;
    default:
        kio_permits_release(&spare);
        break;
    }
}

void sync_step(void)
{
    int i = (int)(byte() % 3);

    switch (byte() % 12) {
    case 0:
        kio_notify_one(&notify);
        break;
    case 1:
        kio_notify_waiters(&notify);
        break;
    case 2:
        kio_notify_last(&notify);
        break;
    case 3:
    case 4:
    case 5:
        semaphore_step();
        break;
    case 6:
    case 7:
        try_locks();
        break;
    case 8:
        if (kio_set_once_is_set(&set_once))
            must(kio_set_once(&set_once, &mutex) == -EEXIST && kio_set_once_take(&set_once) == &rwlock);
        else
            must(kio_set_once(&set_once, &rwlock) == 0 && kio_set_once_get(&set_once) == &rwlock);
        break;
    case 9:
        if (!tokens[i].node)
            break;
        kio_cancel(&tokens[i]);
        must(kio_is_cancelled(&tokens[i]));
        break;
    case 10:
        if (!scripts_alive())
            kio_cancel_token_drop(&tokens[i]);
        break;
    default:
        open_tokens();
        break;
    }
}

void sync_check(void)
{
    size_t out = permits_held + (spare.kio.state == KIO_KEPT ? spare.count : 0);
    size_t writers = kept_locks("rwlock", true), readers = kept_locks("rwlock", false);

    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].kind && slots[i].f->state == KIO_KEPT && strcmp(slots[i].kind->name, "permits") == 0)
            out += FUTURE(&slots[i], kio_permits)->count;
    }
    must(kio_semaphore_available(&semaphore) + out <= permits_in_all);
    must(kept_locks("lock", false) + inside_mutex <= 1);
    must(writers <= 1 && (!writers || !readers) && readers <= max_readers);
}

void sync_end(void)
{
    kio_drop(&spare);
    for (int i = 0; i < 3; i++)
        kio_cancel_token_drop(&tokens[i]);
    must(permits_held == 0);
    must(kio_semaphore_available(&semaphore) == permits_in_all);
    must(!mutex.held && !rwlock.writing && !rwlock.readers);
}
