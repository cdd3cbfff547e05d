// SPDX-License-Identifier: Apache-2.0
/* Signals that this process receives, as numbers that a thread can wait for. The handler only writes to a pipe. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "error.h"

static int ends[2] = {-1, -1};

static void send_byte(int number) {
    unsigned char byte = (unsigned char) number;
    ssize_t ignored = write(ends[1], &byte, 1);
    (void) ignored;
}

static void on_signal(int number) {
    int before = errno;
    send_byte(number);
    errno = before;
}

int bs_signals_watch(uint64_t signals) {
    if (ends[0] < 0 && pipe2(ends, O_CLOEXEC) < 0) {
        return bs_fail_errno("pipe for signals");
    }
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    for (int number = 1; number <= 64; number++) {
        struct sigaction now;
        if (!(signals >> (number - 1) & 1) || (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN)) {
            continue; /* one that was ignored when we were started (nohup) stays ignored */
        }
        if (sigaction(number, &action, NULL) < 0) {
            return bs_fail_errno("watch signal %d", number);
        }
    }
    return 0;
}

int bs_signals_next(void) {
    unsigned char byte;
    while (read(ends[0], &byte, 1) != 1) {
        if (errno != EINTR) {
            return bs_fail_errno("wait for a signal");
        }
    }
    return byte;
}

void bs_signals_stop(void) {
    send_byte(0);
}
