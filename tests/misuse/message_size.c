/* A message of another size than the channel's. */
/* expect: kio_try_send: the value has 8 bytes, the channel's messages 4 */
#include <kioto.h>

int main(void)
{
    struct kio_tx tx;
    struct kio_rx rx;
    double value = 1;

    if (kio_mpsc_channel(&tx, &rx, sizeof(int), 1))
        return 1;
    return kio_try_send(&tx, &value);
}
