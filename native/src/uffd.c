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

int bs_uffd_lift(int uffd, uint64_t first, uint64_t end) {
    struct uffdio_writeprotect lift = {.range = {.start = first * BS_PAGE_SIZE, .len = (end - first) * BS_PAGE_SIZE}};
    return ioctl(uffd, UFFDIO_WRITEPROTECT, &lift) < 0 ? -errno : 0;
}

int bs_uffd_lift_all(int uffd, const struct bs_vector *pages, struct bs_vector *lifted) {
    lifted->size = 0;
    for (size_t i = 0; i < bs_ranges_count(pages); i++) {
        const struct bs_range *range = bs_ranges_at(pages, i);
        if (bs_uffd_lift(uffd, range->first, range->end) == 0 && bs_ranges_add(lifted, range->first, range->end) < 0) {
            return -ENOMEM;
        }
    }
    return 0;
}
