/* A sleep that is polled on a thread without a runtime. */
/* expect: kio_sleep is polled on a thread that runs no tasks of a runtime */
/* expect: fix: .*kio_block_on */
#include <kioto.h>

static void nobody(struct kio_wakeable *self)
{
    (void)self;
}

int main(void)
{
    static const kio_waker_type type = { .name = "nobody", .wake = nobody };
    static struct kio_wakeable waker = { &type };
    static struct kio_sleep nap;
    kio_context cx;

    kio_context_init(&cx, (kio_waker){ &waker });
    return kio_future_poll(&kio_sleep(&nap, KIO_SEC)->kio, &cx);
}
