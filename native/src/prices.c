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

#define PAGES 512 /* with eight times as many the figures are the same */
#define STEP 1237 /* from page to page, so that no order helps; has no divisor in common with PAGES */
#define ROUNDS 3
#define LENGTH ((uint64_t) PAGES * BS_PAGE_SIZE)

/* Memory to write to, and frames for what it holds. */
struct ground {
    uint64_t memory;
    uint64_t copies;
    uint64_t frames[PAGES];
};

static int ground_init(struct ground *ground) {
    ground->memory = ground->copies = 0;
    int result = bs_memory_map(LENGTH, &ground->memory);
    if (result < 0 || (result = bs_memory_map(LENGTH, &ground->copies)) < 0) {
        return result;
    }
    memset((void *) (uintptr_t) ground->memory, 1, LENGTH);
    memset((void *) (uintptr_t) ground->copies, 1, LENGTH);
    for (uint64_t i = 0; i < PAGES; i++) {
        ground->frames[i] = ground->copies + i * BS_PAGE_SIZE;
    }
    return 0;
}

static void ground_fini(struct ground *ground) {
    if (ground->memory) {
        bs_memory_unmap(ground->memory, LENGTH);
    }
    if (ground->copies) {
        bs_memory_unmap(ground->copies, LENGTH);
    }
}

static uint64_t write_all(const struct ground *ground) {
    volatile char *memory = (volatile char *) (uintptr_t) ground->memory;
    uint64_t start = bs_now_ns();
    for (uint64_t i = 0; i < PAGES; i++) {
        memory[i * STEP % PAGES * BS_PAGE_SIZE]++;
    }
    return bs_now_ns() - start;
}

/* Protects all pages. */
typedef int (*protector)(void *discipline, struct ground *ground);

/* By how much the first write to a page is dearer than the second. The least of some rounds: what disturbs only adds. */
static int64_t measure(protector protect, void *discipline, struct ground *ground) {
    int64_t least = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int result = protect(discipline, ground);
        if (result < 0) {
            return result;
        }
        uint64_t first = write_all(ground), second = write_all(ground);
        int64_t each = first > second ? (int64_t) ((first - second) * 1000 / PAGES) : 0;
        least = each < least ? each : least;
    }
    return least;
}

static int protect_by_capture(void *discipline, struct ground *ground) {
    struct bs_capture capture = {.frames = (uint64_t) (uintptr_t) ground->frames, .frame_count = PAGES};
    return bs_regions_capture(discipline, &capture);
}

int64_t bs_measure_fault(void) {
    struct ground ground;
    bs_regions *regions = NULL;
    int64_t result = ground_init(&ground);
    if (result == 0 && (result = bs_regions_open(&regions)) == 0 &&
        (result = bs_regions_add(regions, ground.memory, LENGTH)) == 0) {
        result = measure(protect_by_capture, regions, &ground);
    }
    bs_regions_close(regions);
    ground_fini(&ground);
    return result;
}

static int begin_to_hold(struct bs_cow *cow, int pagemap, const struct ground *ground) {
    const struct bs_cow_host self = {.pid = getpid(), .memory = -1, .pagemap = pagemap};
    int uffd = (int) syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (uffd < 0) {
        return bs_fail_errno("userfaultfd");
    }
    int result = bs_cow_begin(cow, uffd, &self);
    if (result < 0 || (result = bs_cow_feed(cow, (uint64_t) (uintptr_t) ground->frames, PAGES, 0)) < 0) {
        return result;
    }
    return bs_cow_register(cow, ground->memory / BS_PAGE_SIZE, (ground->memory + LENGTH) / BS_PAGE_SIZE);
}

/* The frames of the round before can be used again. */
static int protect_held(void *discipline, struct ground *ground) {
    struct bs_cow *cow = discipline;
    uint64_t first_page = ground->memory / BS_PAGE_SIZE;
    bs_cow_lock(cow);
    bs_cow_give_frames_back(cow, &cow->log);
    pthread_mutex_unlock(&cow->lock);
    return bs_cow_protect(cow, first_page, first_page + PAGES, true) == 0
               ? 0
               : bs_fail_errno("protect pages of this process");
}

/* On one processor: the threads of one process are spread over several, and wake each other much later than a target's
 * and the one that serves it. */
static int64_t measure_here(struct bs_cow *cow, int pagemap, struct ground *ground) {
    cpu_set_t before, here;
    CPU_ZERO(&here);
    CPU_SET((size_t) sched_getcpu(), &here);
    bool pinned = sched_getaffinity(0, sizeof before, &before) == 0 && sched_setaffinity(0, sizeof here, &here) == 0;
    int64_t result = begin_to_hold(cow, pagemap, ground);
    if (result == 0) {
        result = measure(protect_held, cow, ground);
    }
    if (pinned) {
        sched_setaffinity(0, sizeof before, &before);
    }
    return result;
}

int64_t bs_measure_held_write(void) {
    struct ground ground;
    bs_cow *cow = NULL;
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int64_t result = ground_init(&ground);
    if (result == 0 && (result = bs_cow_open(&cow)) == 0) {
        result = pagemap < 0 ? bs_fail_errno("open /proc/self/pagemap") : measure_here(cow, pagemap, &ground);
    }
    bs_cow_close(cow);
    ground_fini(&ground);
    if (pagemap >= 0) {
        close(pagemap);
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
