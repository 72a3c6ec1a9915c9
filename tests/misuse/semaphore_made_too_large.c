/* A semaphore is made with more permits than there may be. */
/* expect: kio_semaphore_init: a semaphore has at most KIO_SEMAPHORE_MAX permits */
#include <kioto.h>

int main(void)
{
    struct kio_semaphore s;

    kio_semaphore_init(&s, KIO_SEMAPHORE_MAX + 1);
    return 0;
}
