// SPDX-License-Identifier: Apache-2.0
//
// Writes a line with the next number to PORT every 100 ms. If the machine has QEMU's ib700 watchdog, whoever starts this
// with --watchdog gets it reset, too: it runs out when this has not been heard of for 4 s.
//
// usage: beat PORT [--watchdog]
#include "victim.h"

#include <fcntl.h>
#include <sys/io.h>

enum {
    BEAT_NS = 100 * 1000 * 1000,
    IB700_START = 0x443, // written with 15 - seconds / 2, it starts anew
    IB700_4_S = 13,
};

int main(int argc, char **argv)
{
    victim_start(argc, argv, "PORT [--watchdog]");
    bool watchdog = victim_flag("--watchdog");
    int fd = open(victim_word(0, ""), O_WRONLY);
    NEED(fd >= 0, "port");
    NEED(!watchdog || ioperm(IB700_START, 1, 1) == 0, "ioperm");
    int64_t next_ns = monotonic_ns();
    for (uint64_t number = 0;; number++) {
        if (watchdog) {
            outb(IB700_4_S, IB700_START);
        }
        dprintf(fd, "%" PRIu64 "\n", number);
        next_ns += BEAT_NS;
        struct timespec next = timespec_of_ns(next_ns);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR) {
        }
    }
}
