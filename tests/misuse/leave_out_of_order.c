/* Two runtimes are left in the order in which they were entered. */
/* expect: kio_runtime_leave that does not belong to this thread's last kio_runtime_enter */
/* expect: fix: leave on the thread that entered, the last one first */
#include <kioto.h>

int main(void)
{
    struct kio_runtime_config config = { .flavor = KIO_CURRENT_THREAD };
    struct kio_runtime *one, *two, *before_one, *before_two;

    if (kio_runtime_new(&one, &config) || kio_runtime_new(&two, &config))
        return 1;
    before_one = kio_runtime_enter(one);
    before_two = kio_runtime_enter(two);
    kio_runtime_leave(before_one);
    kio_runtime_leave(before_two);
    return 0;
}
