/* A message of the wrong type does not compile. */
/* expect: the type of the value is not the type the channel was declared for */
#include <kioto.h>

kio_channel_type(ping, int);

int send_wrong(struct ping_tx *tx);

int send_wrong(struct ping_tx *tx)
{
    double wrong = 1.5;

    return kio_try_send(tx, &wrong);
}
