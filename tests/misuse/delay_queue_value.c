/* A value of another size than the queue's. */
/* expect: kio_delay_queue_insert: the value has 8 bytes, those of the queue 4 */
/* expect: fix: hand over a pointer to the type the queue was made for */
#include <kioto.h>

int main(void)
{
    static struct kio_delay_queue queue;
    static int64_t value;

    kio_delay_queue(&queue, sizeof(int32_t));
    return kio_delay_queue_insert(&queue, &value, KIO_SEC, NULL);
}
