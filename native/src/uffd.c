// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "uffd.h"

#include <errno.h>

#include "error.h"
#include "kernel.h"

int bs_uffd_register(int uffd, pid_t pid, uint64_t start, uint64_t end) {
    struct uffdio_register range = {.range = {.start = start, .len = end - start}, .mode = UFFDIO_REGISTER_MODE_WP};
    if (ioctl(uffd, UFFDIO_REGISTER, &range) == 0) {
        return 0;
    }
    if (errno == EBUSY) {
        return bs_fail(BS_EUNFIT, "process %d handles faults of %llx-%llx by itself (userfaultfd)", (int) pid,
                       (unsigned long long) start, (unsigned long long) end);
    }
    return bs_fail_errno("track %llx-%llx of process %d", (unsigned long long) start, (unsigned long long) end,
                         (int) pid);
}
