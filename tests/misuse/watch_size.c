/* A value of another size than the watch's. */
/* expect: kio_watch_send: the value has 8 bytes, the channel's 4 */
#include <kioto.h>

int main(void)
{
    struct kio_watch_tx tx;
    struct kio_watch_rx rx;
    int right = 1;
    double wrong = 1;

    if (kio_watch_channel(&tx, &rx, sizeof right, &right))
        return 1;
    return kio_watch_send(&tx, &wrong);
}
