/* A read-write lock for no readers at all. */
/* expect: kio_rwlock_init for 0 readers */
#include <kioto.h>

int main(void)
{
    struct kio_rwlock rw;

    kio_rwlock_init(&rw, 0);
    return 0;
}
