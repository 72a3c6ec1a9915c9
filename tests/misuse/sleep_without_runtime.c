/* A sleep is polled by an executor of the program's own, on a thread without a runtime. */
/* expect: kio_sleep is polled on a thread that runs no tasks of a runtime */
/* expect: fix: poll it in a task: kio_block_on or kio_spawn */
#include <kioto.h>

static void wake(struct kio_wakeable *self)
{
    (void)self;
}

int main(void)
{
    static const kio_waker_type type = { .name = "own", .wake = wake };
    static struct kio_wakeable wakeable = { &type };
    static struct kio_sleep nap;
    kio_context cx;

    kio_context_init(&cx, (kio_waker){ &wakeable });
    kio_future_poll(&kio_sleep(&nap, KIO_SEC)->kio, &cx);
    return 0;
}
