/* A permit for one type of channel is reserved on another; and both ends of a channel differ. */
/* expect: the two handles were declared for channels of different types */
#include <kioto.h>

kio_channel_type(ping, int);
kio_channel_type(pong, double);

int reserve_wrong(struct ping_tx *tx);

int reserve_wrong(struct ping_tx *tx)
{
    struct pong_permit permit;

    return kio_try_reserve(tx, &permit);
}
