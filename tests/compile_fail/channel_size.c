/* A typed channel is made for messages of another size. */
/* expect: the size is not that of the type the channel was declared for */
#include <kioto.h>

kio_channel_type(ping, int);

int make_wrong(struct ping_tx *tx, struct ping_rx *rx);

int make_wrong(struct ping_tx *tx, struct ping_rx *rx)
{
    return kio_mpsc_channel(tx, rx, sizeof(double), 4);
}
