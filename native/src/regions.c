// SPDX-License-Identifier: Apache-2.0
/* Tracked ranges of this process's own memory: nothing has to be frozen or injected, and pages are copied by memcpy. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "tracked.h"

struct bs_regions {
    struct bs_tracked tracked;
};

/* ---- memory ------------------------------------------------------------------------------------------------------ */

int bs_memory_map(uint64_t length, uint64_t *address) {
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return bs_fail_errno("map %llu bytes", (unsigned long long) length);
    }
    *address = (uint64_t) (uintptr_t) memory;
    return 0;
}

void bs_memory_unmap(uint64_t address, uint64_t length) {
    munmap((void *) (uintptr_t) address, length);
}

/* ---- pages ------------------------------------------------------------------------------------------------------- */

static int copy_in(struct bs_tracked *t, const uint64_t *pages, const uint64_t *frames, size_t count, bool hurried) {
    (void) t;
    (void) hurried;
    for (size_t i = 0; i < count; i++) {
        memcpy((void *) (uintptr_t) frames[i], (const void *) (uintptr_t) (pages[i] * BS_PAGE_SIZE), BS_PAGE_SIZE);
    }
    return 0;
}

static int copy_out(struct bs_tracked *t, const uint64_t *pages, const uint64_t *frames, size_t count) {
    (void) t;
    for (size_t i = 0; i < count; i++) {
        memcpy((void *) (uintptr_t) (pages[i] * BS_PAGE_SIZE), (const void *) (uintptr_t) frames[i], BS_PAGE_SIZE);
    }
    return 0;
}

static int drop(struct bs_tracked *t, const uint64_t *pages, size_t count) {
    (void) t;
    for (size_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && pages[i + run] == pages[i] + run;) {
            run++;
        }
        if (madvise((void *) (uintptr_t) (pages[i] * BS_PAGE_SIZE), run * BS_PAGE_SIZE, MADV_DONTNEED) < 0) {
            return bs_fail_errno("drop %zu pages at %llx", run, (unsigned long long) (pages[i] * BS_PAGE_SIZE));
        }
    }
    return 0;
}

static const struct bs_movers movers = {copy_in, copy_out, drop};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

int bs_regions_open(bs_regions **out) {
    bs_regions *r = calloc(1, sizeof *r);
    if (!r) {
        return bs_fail(-ENOMEM, "track regions: out of memory");
    }
    struct bs_tracked *t = &r->tracked;
    t->movers = &movers;
    t->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    t->uffd = (int) syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    int result;
    if (t->pagemap < 0) {
        result = bs_fail_errno("open /proc/self/pagemap");
    } else if (t->uffd < 0) {
        result = bs_fail_errno("userfaultfd");
    } else {
        result = bs_tracked_open(t);
    }
    if (result < 0) {
        bs_regions_close(r);
        return result;
    }
    *out = r;
    return 0;
}

/* Shared memory is written from elsewhere, too, and a page of it that is dropped is not zeros afterwards. */
static int require_private(uint64_t address, uint64_t length) {
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps) {
        return bs_fail_errno("open /proc/self/maps");
    }
    char line[4608];
    uint64_t reached = address, range_end = address + length;
    while (reached < range_end && fgets(line, sizeof line, maps)) {
        unsigned long long start, end;
        char protection[8];
        if (sscanf(line, "%llx-%llx %7s", &start, &end, protection) == 3 && start <= reached && end > reached &&
            protection[0] == 'r' && protection[1] == 'w' && protection[3] == 'p') {
            reached = end;
        }
    }
    fclose(maps);
    return reached >= range_end
               ? 0
               : bs_fail(BS_EUNFIT, "track %llu bytes at %llx: %llx is not private memory that can be read and written",
                         (unsigned long long) length, (unsigned long long) address, (unsigned long long) reached);
}

int bs_regions_add(bs_regions *r, uint64_t address, uint64_t length) {
    int result = require_private(address, length);
    return result < 0 ? result
                      : bs_tracked_add(&r->tracked, address, length, PAGE_IS_FILE | PAGE_IS_PFNZERO, NULL);
}

/* ---- captures and rollbacks -------------------------------------------------------------------------------------- */

int bs_regions_capture(bs_regions *r, struct bs_capture *capture) {
    return bs_tracked_capture(&r->tracked, capture);
}

void bs_regions_capture_abandon(bs_regions *r) {
    bs_tracked_abandon(&r->tracked);
}

int bs_regions_restore_begin(bs_regions *r, struct bs_restore *restore) {
    return bs_tracked_restore_begin(&r->tracked, restore);
}

int bs_regions_restore_finish(bs_regions *r, const struct bs_restore_pages *pages) {
    return bs_tracked_restore_finish(&r->tracked, pages);
}

void bs_regions_close(bs_regions *r) {
    if (r) {
        bs_tracked_close(&r->tracked);
        free(r);
    }
}
