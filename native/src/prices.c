// SPDX-License-Identifier: Apache-2.0
/* What things cost on this host, tried on memory of this process. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cow.h"
#include "error.h"
#include "kernel.h"
#include "vector.h"

#define PAGES 4096 /* more than caches hold */
#define STEP 1237 /* from page to page, so that no order helps; has no divisor in common with PAGES */
#define ROUNDS 3

static uint64_t write_all(volatile char *memory) {
    uint64_t start = bs_now_ns();
    for (uint64_t i = 0; i < PAGES; i++) {
        memory[i * STEP % PAGES * BS_PAGE_SIZE]++;
    }
    return bs_now_ns() - start;
}

/* The least of some rounds: what disturbs only adds. */
static int measure(bs_regions *regions, char *memory, struct bs_capture *capture, int64_t *fault) {
    *fault = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int result = bs_regions_capture(regions, capture); /* protects */
        if (result < 0) {
            return result;
        }
        uint64_t first = write_all(memory), second = write_all(memory);
        int64_t each = first > second ? (int64_t) ((first - second) * 1000 / PAGES) : 0;
        *fault = each < *fault ? each : *fault;
    }
    return 0;
}

int64_t bs_measure_fault(void) {
    static const uint64_t length = (uint64_t) PAGES * BS_PAGE_SIZE;
    uint64_t memory = 0, copies = 0, frames[PAGES];
    struct bs_capture capture = {.frames = (uint64_t) (uintptr_t) frames, .frame_count = PAGES};
    bs_regions *regions = NULL;
    int64_t fault = 0;
    int result = bs_memory_map(length, &memory);
    if (result == 0 && (result = bs_memory_map(length, &copies)) == 0 && (result = bs_regions_open(&regions)) == 0) {
        memset((void *) (uintptr_t) memory, 1, length);
        for (uint64_t i = 0; i < PAGES; i++) {
            frames[i] = copies + i * BS_PAGE_SIZE;
        }
        result = bs_regions_add(regions, memory, length);
    }
    if (result == 0) {
        result = measure(regions, (char *) (uintptr_t) memory, &capture, &fault);
    }
    if (regions) {
        bs_regions_close(regions);
    }
    if (memory) {
        bs_memory_unmap(memory, length);
    }
    if (copies) {
        bs_memory_unmap(copies, length);
    }
    return result < 0 ? result : fault;
}

static int begin_to_hold(struct bs_process *self, uint64_t memory, uint64_t copies, uint64_t length) {
    uint64_t frames[PAGES];
    int result = bs_process_hold_writes(self);
    if (result < 0) {
        return result;
    }
    for (uint64_t i = 0; i < PAGES; i++) {
        frames[i] = copies + i * BS_PAGE_SIZE;
    }
    if ((result = bs_process_feed(self, (uint64_t) (uintptr_t) frames, PAGES, 0)) < 0) {
        return result;
    }
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP};
    struct uffdio_register range = {.range = {.start = memory, .len = length}, .mode = UFFDIO_REGISTER_MODE_WP};
    self->cow->uffd = (int) syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (self->cow->uffd < 0 || ioctl(self->cow->uffd, UFFDIO_API, &api) < 0 ||
        ioctl(self->cow->uffd, UFFDIO_REGISTER, &range) < 0) {
        return bs_fail_errno("hold writes of this process");
    }
    return bs_cow_handler_start(self->cow);
}

static int64_t measure_held(struct bs_cow *cow, char *memory) {
    int64_t held = INT64_MAX;
    uint64_t first_page = (uint64_t) (uintptr_t) memory / BS_PAGE_SIZE;
    for (int round = 0; round < ROUNDS; round++) {
        if (bs_cow_protect(cow, first_page, first_page + PAGES, true) != 0) {
            return bs_fail_errno("protect pages of this process");
        }
        uint64_t first = write_all(memory), second = write_all(memory);
        int64_t each = first > second ? (int64_t) ((first - second) * 1000 / PAGES) : 0;
        held = each < held ? each : held;
        bs_cow_lock(cow);
        bs_cow_give_frames_back(cow, &cow->log);
        cow->log.size = 0;
        pthread_mutex_unlock(&cow->lock);
    }
    return held;
}

/* On one processor: the threads of one process are spread over several, and wake each other much later than a target's
 * and the one that serves it. */
int64_t bs_measure_held_write(void) {
    static const uint64_t length = (uint64_t) PAGES * BS_PAGE_SIZE;
    struct bs_process self = {.pid = getpid(), .memory = -1};
    cpu_set_t before, here;
    uint64_t memory = 0, copies = 0;
    int64_t result = self.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (result < 0) {
        result = bs_fail_errno("open /proc/self/pagemap");
    } else if ((result = bs_memory_map(length, &memory)) == 0 && (result = bs_memory_map(length, &copies)) == 0) {
        memset((void *) (uintptr_t) memory, 1, length);
        memset((void *) (uintptr_t) copies, 1, length);
        CPU_ZERO(&here);
        CPU_SET((size_t) sched_getcpu(), &here);
        bool pinned = sched_getaffinity(0, sizeof before, &before) == 0 && sched_setaffinity(0, sizeof here, &here) == 0;
        result = begin_to_hold(&self, memory, copies, length);
        if (result == 0) {
            result = measure_held(self.cow, (char *) (uintptr_t) memory);
        }
        if (pinned) {
            sched_setaffinity(0, sizeof before, &before);
        }
    }
    bs_cow_fini(&self);
    if (memory) {
        bs_memory_unmap(memory, length);
    }
    if (copies) {
        bs_memory_unmap(copies, length);
    }
    if (self.pagemap >= 0) {
        close(self.pagemap);
    }
    return result;
}

int64_t bs_measure_scan(void) {
    struct page_region region;
    struct pm_scan_arg one_page = {.size = sizeof one_page,
                                   .start = (uint64_t) (uintptr_t) &region & -(uint64_t) BS_PAGE_SIZE,
                                   .vec = (uint64_t) (uintptr_t) &region,
                                   .vec_len = 1,
                                   .category_mask = PAGE_IS_WRITTEN,
                                   .return_mask = PAGE_IS_WRITTEN};
    one_page.end = one_page.start + BS_PAGE_SIZE;
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), result = pagemap < 0 ? -1 : 0;
    uint64_t start = bs_now_ns();
    for (int i = 0; i < PAGES && result >= 0; i++) {
        result = ioctl(pagemap, PAGEMAP_SCAN, &one_page);
    }
    int64_t each = (int64_t) ((bs_now_ns() - start) * 1000 / PAGES);
    if (result < 0) {
        each = bs_fail_errno("scan a page of this process");
    }
    if (pagemap >= 0) {
        close(pagemap);
    }
    return each;
}
