/* A message of another size than the broadcast's. */
/* expect: kio_broadcast_send: the value has 8 bytes, the channel's messages 4 */
#include <kioto.h>

int main(void)
{
    struct kio_broadcast_tx tx;
    struct kio_broadcast_rx rx;
    double wrong = 1;

    if (kio_broadcast_channel(&tx, &rx, sizeof(int), 1))
        return 1;
    return (int)kio_broadcast_send(&tx, &wrong);
}
