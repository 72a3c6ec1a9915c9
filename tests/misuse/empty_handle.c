/* A sender is used after it was dropped. */
/* expect: kio_try_send got an empty handle */
#include <kioto.h>

int main(void)
{
    struct kio_tx tx;
    struct kio_rx rx;
    int value = 1;

    if (kio_mpsc_channel(&tx, &rx, sizeof value, 1))
        return 1;
    kio_tx_drop(&tx);
    return kio_try_send(&tx, &value);
}
