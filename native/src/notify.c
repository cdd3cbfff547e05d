// SPDX-License-Identifier: Apache-2.0
/* Telling a service manager how we are, by the protocol of sd_notify(3): one datagram to a socket that it names. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backstep.h"
#include "error.h"

int bs_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || (path[0] != '/' && path[0] != '@')) {
        return 0; /* nobody wants to know */
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        return bs_fail(-ENAMETOOLONG, "tell the service manager at %s: the path is too long", path);
    }
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') {
        address.sun_path[0] = 0; /* not in the file system */
    }
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length);
    if (descriptor < 0 ||
        sendto(descriptor, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *) &address, size) < 0) {
        int result = bs_fail_errno("tell the service manager at %s", path);
        if (descriptor >= 0) {
            close(descriptor);
        }
        return result;
    }
    close(descriptor);
    return 1;
}
