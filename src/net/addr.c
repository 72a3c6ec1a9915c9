/* Socket addresses as text. */
#include <kioto/net.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int parse_port(const char *text, uint16_t *port)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (end == text || *end || n < 0 || n > 65535)
        return -EINVAL;
    *port = htons((uint16_t)n);
    return 0;
}

static int parse_unix(struct kio_addr *addr, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&addr->storage;
    size_t len = strlen(path);

    if (!len || len >= sizeof un->sun_path)
        return -EINVAL;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    addr->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (path[0] == '@') { /* abstract: a zero byte, and no end */
        un->sun_path[0] = '\0';
        addr->len--;
    }
    return 0;
}

static int parse_v6(struct kio_addr *addr, const char *host, size_t len, const char *port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr->storage;
    char text[INET6_ADDRSTRLEN];

    if (len >= sizeof text)
        return -EINVAL;
    memcpy(text, host, len);
    text[len] = '\0';
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1 || parse_port(port, &in6->sin6_port))
        return -EINVAL;
    in6->sin6_family = AF_INET6;
    addr->len = sizeof *in6;
    return 0;
}

static int parse_v4(struct kio_addr *addr, const char *host, size_t len, const char *port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&addr->storage;
    char text[INET_ADDRSTRLEN];

    if (len >= sizeof text)
        return -EINVAL;
    memcpy(text, host, len);
    text[len] = '\0';
    if (inet_pton(AF_INET, text, &in->sin_addr) != 1 || parse_port(port, &in->sin_port))
        return -EINVAL;
    in->sin_family = AF_INET;
    addr->len = sizeof *in;
    return 0;
}

int kio_addr_parse(struct kio_addr *addr, const char *text)
{
    const char *colon = text ? strrchr(text, ':') : NULL;
    int err;

    memset(addr, 0, sizeof *addr);
    if (!colon)
        return -EINVAL;
    if (strncmp(text, "unix:", 5) == 0)
        err = parse_unix(addr, text + 5);
    else if (text[0] == '[' && colon > text + 1 && colon[-1] == ']')
        err = parse_v6(addr, text + 1, (size_t)(colon - text) - 2, colon + 1);
    else
        err = parse_v4(addr, text, (size_t)(colon - text), colon + 1);
    if (err)
        addr->len = 0;
    return err;
}

char *kio_addr_format(const struct kio_addr *addr, char *text, size_t cap)
{
    char host[INET6_ADDRSTRLEN] = "?";

    switch (addr->len ? addr->sa.sa_family : AF_UNSPEC) {
    case AF_INET: {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&addr->storage;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, cap, "%s:%u", host, ntohs(in->sin_port));
        break;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->storage;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, cap, "[%s]:%u", host, ntohs(in6->sin6_port));
        break;
    }
    case AF_UNIX: {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->storage;
        size_t len = addr->len - offsetof(struct sockaddr_un, sun_path);

        if (len && !un->sun_path[0])
            snprintf(text, cap, "unix:@%.*s", (int)len - 1, un->sun_path + 1);
        else
            snprintf(text, cap, "unix:%.*s", (int)len, un->sun_path);
        break;
    }
    default:
        snprintf(text, cap, "(none)");
    }
    return text;
}

uint16_t kio_addr_port(const struct kio_addr *addr)
{
    switch (addr->len ? addr->sa.sa_family : AF_UNSPEC) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)&addr->storage)->sin_port);
    case AF_INET6:
        return ntohs(((const struct sockaddr_in6 *)&addr->storage)->sin6_port);
    default:
        return 0;
    }
}
