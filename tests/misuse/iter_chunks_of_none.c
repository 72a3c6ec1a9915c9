/* Batches of at most no item. */
/* expect: kio_iter_chunks: an array of 0 items */
/* expect: fix: hand over an array of at least one of the source's items */
#include <kioto.h>

int main(void)
{
    static struct kio_iter_range numbers;
    static struct kio_iter_chunks batches;
    static int64_t batch[1];

    kio_iter_range(&numbers, 0, 10);
    kio_iter_chunks(&batches, &numbers, batch, 0, KIO_SEC);
    return 0;
}
