// Preloaded into Ray's processes on Linux (machines.py): what would listen on all interfaces listens at the address in FABLE6C_LISTEN. Ray has no
// setting for that. It is no extension of Python's: nothing imports it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void name_it(struct sockaddr_storage *address, const char *named) {
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    char mapped[INET6_ADDRSTRLEN + 8];

    if (four->sin_family == AF_INET && four->sin_addr.s_addr == htonl(INADDR_ANY)) inet_pton(AF_INET, named, &four->sin_addr);
    if (six->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr) && inet_pton(AF_INET6, named, &six->sin6_addr) != 1) {
        snprintf(mapped, sizeof mapped, "::ffff:%s", named);  // IPv4 in a socket for both
        inet_pton(AF_INET6, mapped, &six->sin6_addr);
    }
}

__attribute__((visibility("default"))) int bind(int descriptor, const struct sockaddr *wanted, socklen_t size) {
    int (*next)(int, const struct sockaddr *, socklen_t) = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    const char *named = getenv("FABLE6C_LISTEN");
    struct sockaddr_storage address = {0};
    int type = 0;
    socklen_t type_size = sizeof type;

    if (!next || !named || size > sizeof address || getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &type_size) || type != SOCK_STREAM)
        return next ? next(descriptor, wanted, size) : -1;
    memcpy(&address, wanted, size);
    name_it(&address, named);
    return next(descriptor, (const struct sockaddr *)&address, size);
}
