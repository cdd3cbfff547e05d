// SPDX-License-Identifier: Apache-2.0
/*
 * What the benchmarks of regions compare with: copying pages, one bare scan of the kernel's tables, and the tracking of
 * writes that a program can do without the kernel's help. That is the published user-level way: memory is protected by
 * mprotect, the first write to a page raises SIGSEGV, and its handler notes the page and makes it writable.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel.h"

#define PAGE 4096
#define HUGE_PAGE (2UL << 20)

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Memory that the kernel backs with huge pages as soon as it is written. Returns its address or a negative errno. */
int64_t baseline_map_huge(uint64_t length) {
    uint8_t *memory =
        mmap(NULL, length + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return -errno;
    }
    uint64_t address = ((uint64_t) (uintptr_t) memory + HUGE_PAGE - 1) & -HUGE_PAGE;
    return madvise((void *) (uintptr_t) address, length, MADV_HUGEPAGE) < 0 ? -errno : (int64_t) address;
}

void baseline_copy(const uint64_t *from, const uint64_t *to, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        memcpy((void *) (uintptr_t) to[i], (const void *) (uintptr_t) from[i], PAGE);
    }
}

/* ---- the bare scan ----------------------------------------------------------------------------------------------- */

static int pagemap = -1;
static struct pm_scan_arg scan;

/* Memory is watched from now on. */
int baseline_watch(uint64_t address, uint64_t length) {
    static struct page_region room[8192];
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int uffd = (int) syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED};
    struct uffdio_register range = {.range = {.start = address, .len = length}, .mode = UFFDIO_REGISTER_MODE_WP};
    struct uffdio_writeprotect mark = {.range = range.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    if (pagemap < 0 || uffd < 0 || ioctl(uffd, UFFDIO_API, &api) < 0 || ioctl(uffd, UFFDIO_REGISTER, &range) < 0 ||
        ioctl(uffd, UFFDIO_WRITEPROTECT, &mark) < 0) {
        return -errno;
    }
    scan = (struct pm_scan_arg){.size = sizeof scan,
                                .flags = PM_SCAN_WP_MATCHING,
                                .start = address,
                                .end = address + length,
                                .vec = (uint64_t) (uintptr_t) room,
                                .vec_len = sizeof room / sizeof *room,
                                .category_mask = PAGE_IS_WRITTEN,
                                .return_mask = PAGE_IS_WRITTEN};
    return 0;
}

/* All memory of another process, which is tracked, is looked at from now on; nothing is protected. */
int baseline_watch_process(int pid) {
    static struct page_region room[8192];
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
    pagemap = open(path, O_RDONLY | O_CLOEXEC);
    scan = (struct pm_scan_arg){.size = sizeof scan,
                                .end = 0x7ffffffff000,
                                .vec = (uint64_t) (uintptr_t) room,
                                .vec_len = sizeof room / sizeof *room,
                                .category_mask = PAGE_IS_WRITTEN,
                                .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                                .return_mask = PAGE_IS_WRITTEN};
    return pagemap < 0 ? -errno : 0;
}

/* One scan of what is watched; returns how many ranges were written. */
int baseline_scan(void) {
    struct pm_scan_arg this_time = scan;
    int count = ioctl(pagemap, PAGEMAP_SCAN, &this_time);
    return count < 0 ? -errno : count;
}

/* ---- mprotect and SIGSEGV ---------------------------------------------------------------------------------------- */

static struct sigaction of_jvm;
static uint64_t guarded;
static uint64_t guarded_end;
static uint64_t *dirty;
static uint64_t dirty_count;

static void on_fault(int signal, siginfo_t *info, void *context) {
    uint64_t address = (uint64_t) (uintptr_t) info->si_addr;
    if (address < guarded || address >= guarded_end) {
        of_jvm.sa_sigaction(signal, info, context);
        return;
    }
    uint64_t page = address & -(uint64_t) PAGE;
    dirty[dirty_count++] = page;
    if (mprotect((void *) (uintptr_t) page, PAGE, PROT_READ | PROT_WRITE) < 0) {
        abort();
    }
}

static int protect(uint64_t address, uint64_t length) {
    return mprotect((void *) (uintptr_t) address, length, PROT_READ) < 0 ? -errno : 0;
}

/* Memory is guarded from now on. For one writer. */
int baseline_guard(uint64_t address, uint64_t length) {
    guarded = address;
    guarded_end = address + length;
    dirty = calloc(length / PAGE, sizeof *dirty);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (!dirty || sigaction(SIGSEGV, &action, &of_jvm) < 0) {
        return -errno;
    }
    return protect(address, length);
}

/*
 * A checkpoint: copies the pages that were written to frames and guards them again, one by one when they are few: all at
 * once costs a walk of the tables. Returns their number.
 */
int64_t baseline_guard_again(const uint64_t *frames) {
    uint64_t count = dirty_count;
    int few = count < (guarded_end - guarded) / PAGE / 64;
    int result = 0;
    baseline_copy(dirty, frames, count);
    for (uint64_t i = 0; few && i < count && result == 0; i++) {
        result = protect(dirty[i], PAGE);
    }
    if (!few) {
        result = protect(guarded, guarded_end - guarded);
    }
    dirty_count = 0;
    return result < 0 ? result : (int64_t) count;
}
