/* A handle of another kind of channel. */
/* expect: no member named .watch. */
#include <kioto.h>

int send_wrong(struct kio_tx *tx);

int send_wrong(struct kio_tx *tx)
{
    int value = 3;

    return kio_watch_send(tx, &value);
}
