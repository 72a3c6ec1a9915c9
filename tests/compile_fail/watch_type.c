/* A watch is told a value of the wrong type. */
/* expect: the type of the value is not the type the channel was declared for */
#include <kioto.h>

kio_watch_type(speed, int);

int send_wrong(struct speed_tx *tx);

int send_wrong(struct speed_tx *tx)
{
    unsigned wrong = 3;

    return kio_watch_send(tx, &wrong);
}
