/* A runtime is freed that is still the thread's current one. */
/* expect: kio_runtime_free of a runtime that this thread has entered */
/* expect: fix: kio_runtime_leave it first */
#include <kioto.h>

int main(void)
{
    struct kio_runtime *rt, *before;

    if (kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_CURRENT_THREAD }))
        return 1;
    before = kio_runtime_enter(rt);
    kio_runtime_free(rt);
    kio_runtime_leave(before);
    return 0;
}
