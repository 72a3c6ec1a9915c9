/* A permit of one channel's type sends a message of another. */
/* expect: the type of the value is not the type the channel was declared for */
#include <kioto.h>

kio_channel_type(ping, int);

int send_wrong(struct ping_permit *permit);

int send_wrong(struct ping_permit *permit)
{
    char wrong = 'x';

    return kio_permit_send(permit, &wrong);
}
