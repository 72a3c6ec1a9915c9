/* A finished future is polled by an executor of one's own. */
/* expect: finished */
#include <kioto.h>

struct done {
    async_fn(int);
};

async(done)
{
    async_begin;
    async_return(1);
}

int main(void)
{
    struct done d = { 0 };
    kio_context cx;

    kio_context_init(&cx, (kio_waker){ NULL });
    async_call(&d, done);
    (void)kio_future_poll(&d.kio, &cx);
    (void)kio_future_poll(&d.kio, &cx);
    return 0;
}
