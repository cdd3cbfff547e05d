// SPDX-License-Identifier: Apache-2.0
/*
 * Tracked ranges of this process's own memory. Which pages were written is noted by the kernel as for another process:
 * asynchronous write-protection, so that a writer never waits for anybody; but nothing has to be frozen or injected,
 * and pages are copied by memcpy. That nobody writes during a capture or a rollback is the caller's business.
 *
 * At the start every page is marked as not written, those too that are not there yet. From then on a scan need not ask
 * whether a page is there, which makes it cheap: what has no mark was written, or was given back to the kernel since,
 * and reads as zeros. Pages that are there at the start are part of the first capture.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "pagemap.h"
#include "vector.h"

#define REGIONS_AT_ONCE 8192
#define NEAR 512 /* pages: the walk over as many costs about as much as a call */
#define THERE (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)

struct bs_regions {
    int uffd;
    int pagemap;
    struct bs_vector ranges;  /* bs_range: what is tracked */
    struct bs_vector carried; /* bs_range: marks taken and not yet copied */
    struct bs_vector found;   /* bs_range: of the last scan */
    struct bs_vector scratch; /* bs_range */
    struct bs_vector pages;   /* uint64_t */
    bool all_written;         /* marks were taken and could not be noted */
    bool capturing;
    uint64_t began_ns;
    uint64_t phase_began_ns;
    uint64_t phase_ns[BS_PHASES];
    struct page_region room[REGIONS_AT_ONCE];
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

/* ---- opening ----------------------------------------------------------------------------------------------------- */

int bs_regions_open(bs_regions **out) {
    bs_regions *r = calloc(1, sizeof *r);
    if (!r) {
        return bs_fail(-ENOMEM, "track regions: out of memory");
    }
    r->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    r->uffd = (int) syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    struct uffdio_api api = {.api = UFFD_API,
                             .features =
                                 UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_PAGEFAULT_FLAG_WP};
    int result = 0;
    if (r->pagemap < 0) {
        result = bs_fail_errno("open /proc/self/pagemap");
    } else if (r->uffd < 0) {
        result = bs_fail_errno("userfaultfd");
    } else if (ioctl(r->uffd, UFFDIO_API, &api) < 0) {
        result = bs_fail_errno("asynchronous write-protection");
    }
    if (result < 0) {
        bs_regions_close(r);
        return result;
    }
    *out = r;
    return 0;
}

static int protect(const bs_regions *r, uint64_t address, uint64_t length) {
    struct uffdio_writeprotect mark = {.range = {.start = address, .len = length}, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    while (ioctl(r->uffd, UFFDIO_WRITEPROTECT, &mark) < 0) {
        if (errno != EAGAIN) {
            return bs_fail_errno("protect %llu bytes at %llx", (unsigned long long) length,
                                 (unsigned long long) address);
        }
    }
    return 0;
}

static bool overlaps(const bs_regions *r, uint64_t first, uint64_t end) {
    for (size_t i = 0; i < bs_ranges_count(&r->ranges); i++) {
        if (bs_ranges_at(&r->ranges, i)->first < end && bs_ranges_at(&r->ranges, i)->end > first) {
            return true;
        }
    }
    return false;
}

static int scan(bs_regions *r, const struct bs_walk *walk, bs_region_visitor visit) {
    return bs_pagemap_walk(r->pagemap, walk, r->room, REGIONS_AT_ONCE, visit, r);
}

static int visit_written(void *context, const struct page_region *region) {
    bs_regions *r = context;
    return bs_ranges_add(&r->found, region->start / BS_PAGE_SIZE, region->end / BS_PAGE_SIZE);
}

static int visit_there(void *context, const struct page_region *region) {
    return region->categories & (PAGE_IS_FILE | PAGE_IS_PFNZERO) ? 0 : visit_written(context, region);
}

/* What was found is carried, until its pages are copied. */
static int carry(bs_regions *r) {
    int result = bs_ranges_add_all(&r->carried, &r->found, &r->scratch);
    r->all_written = r->all_written || result < 0;
    return result;
}

/* Ranges are kept in ascending order. */
static int insert(bs_regions *r, uint64_t first, uint64_t end) {
    if (!bs_vector_extend(&r->ranges, sizeof(struct bs_range))) {
        return -ENOMEM;
    }
    size_t i = bs_ranges_count(&r->ranges) - 1;
    for (; i > 0 && bs_ranges_at(&r->ranges, i - 1)->first > first; i--) {
        *bs_ranges_at(&r->ranges, i) = *bs_ranges_at(&r->ranges, i - 1);
    }
    *bs_ranges_at(&r->ranges, i) = (struct bs_range){first, end};
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
    uint64_t first = address / BS_PAGE_SIZE, end = first + length / BS_PAGE_SIZE;
    if (address % BS_PAGE_SIZE != 0 || length % BS_PAGE_SIZE != 0 || length == 0 || overlaps(r, first, end)) {
        return bs_fail(-EINVAL, "track %llu bytes at %llx: not whole pages, or tracked already",
                       (unsigned long long) length, (unsigned long long) address);
    }
    int result = require_private(address, length);
    if (result < 0) {
        return result;
    }
    struct uffdio_register registration = {.range = {.start = address, .len = length}, .mode = UFFDIO_REGISTER_MODE_WP};
    if (ioctl(r->uffd, UFFDIO_REGISTER, &registration) < 0) {
        return bs_fail_errno("track %llu bytes at %llx", (unsigned long long) length, (unsigned long long) address);
    }
    struct bs_walk there = {
        .start = address, .end = address + length, .any_of = THERE, .tell = PAGE_IS_FILE | PAGE_IS_PFNZERO};
    r->found.size = 0;
    result = scan(r, &there, visit_there); /* before there are marks, which look like pages in swap */
    if (result < 0 || (result = carry(r)) < 0 || (result = protect(r, address, length)) < 0) {
        return result;
    }
    return insert(r, first, end);
}

/* ---- captures ---------------------------------------------------------------------------------------------------- */

static void end_phase(bs_regions *r, int phase) {
    uint64_t now = bs_now_ns();
    r->phase_ns[phase] += now - r->phase_began_ns;
    r->phase_began_ns = now;
}

/* Finds what was written; with flags PM_SCAN_WP_MATCHING it is protected again, but for what is predicted. */
static int find_written(bs_regions *r, uint64_t flags, const struct bs_vector *predicted) {
    r->found.size = 0;
    for (size_t i = 0; i < bs_ranges_count(&r->ranges); i++) {
        const struct bs_range *range = bs_ranges_at(&r->ranges, i);
        struct bs_walk written = {.flags = flags,
                                  .start = range->first * BS_PAGE_SIZE,
                                  .end = range->end * BS_PAGE_SIZE,
                                  .all_of = PAGE_IS_WRITTEN,
                                  .tell = PAGE_IS_WRITTEN,
                                  .spared = predicted};
        int result = scan(r, &written, visit_written);
        if (result < 0) {
            r->all_written = true;
            return result;
        }
    }
    return carry(r);
}

static const struct bs_vector *written(const bs_regions *r) {
    return r->all_written ? &r->ranges : &r->carried;
}

static void complete(bs_regions *r) {
    r->carried.size = 0;
    r->all_written = false;
}

static void copy_in(const uint64_t *pages, const uint64_t *frames, size_t count) {
    for (size_t i = 0; i < count; i++) {
        memcpy((void *) (uintptr_t) frames[i], (const void *) (uintptr_t) (pages[i] * BS_PAGE_SIZE), BS_PAGE_SIZE);
    }
}

int bs_regions_capture(bs_regions *r, struct bs_capture *c) {
    if (!(c->flags & BS_CAPTURE_CONTINUE)) {
        memset(r->phase_ns, 0, sizeof r->phase_ns);
        r->began_ns = r->phase_began_ns = bs_now_ns();
        size_t size = c->predicted_count * sizeof(struct bs_range);
        struct bs_vector predicted = {(char *) (uintptr_t) c->predicted, size, size};
        int result = find_written(r, PM_SCAN_WP_MATCHING, &predicted);
        if (result == 0) {
            result = bs_ranges_list(&r->pages, written(r));
        }
        if (result < 0) {
            return result;
        }
        end_phase(r, BS_PHASE_SCAN);
    } else if (!r->capturing) {
        return bs_fail(-EINVAL, "no capture of regions waits for frames");
    }
    c->page_count = r->pages.size / sizeof(uint64_t);
    r->capturing = c->page_count > c->frame_count;
    if (r->capturing) {
        return BS_MORE_FRAMES;
    }
    copy_in((const uint64_t *) r->pages.data, (const uint64_t *) (uintptr_t) c->frames, c->page_count);
    complete(r);
    end_phase(r, BS_PHASE_COPY);
    c->pages = (uint64_t) (uintptr_t) r->pages.data;
    c->held_pages = bs_ranges_pages(&r->ranges);
    c->held = c->held_count = c->state = c->state_size = c->output_mark = c->error_mark = c->threads = 0;
    c->mappings = bs_ranges_count(&r->ranges);
    c->ahead = 0;
    c->at_ns = r->began_ns;
    c->pause_ns = r->phase_began_ns - r->began_ns;
    memcpy(c->phase_ns, r->phase_ns, sizeof c->phase_ns);
    return 0;
}

void bs_regions_capture_abandon(bs_regions *r) {
    r->capturing = false;
}

/* ---- rollbacks --------------------------------------------------------------------------------------------------- */

int bs_regions_restore_begin(bs_regions *r, struct bs_restore *restore) {
    int result = find_written(r, 0, NULL);
    if (result < 0) {
        return result;
    }
    restore->written = (uint64_t) (uintptr_t) written(r)->data;
    restore->written_count = bs_ranges_count(written(r));
    restore->held = restore->held_count = 0;
    return 0;
}

static int drop(const uint64_t *pages, size_t count) {
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

/* Protects what was written in a stretch of pages. */
static int protect_written(const bs_regions *r, uint64_t first, uint64_t end) {
    struct pm_scan_arg written = {.size = sizeof written,
                                  .flags = PM_SCAN_WP_MATCHING,
                                  .start = first * BS_PAGE_SIZE,
                                  .end = end * BS_PAGE_SIZE,
                                  .category_mask = PAGE_IS_WRITTEN};
    while (ioctl(r->pagemap, PAGEMAP_SCAN, &written) < 0) {
        if (errno != EINTR) {
            return bs_fail_errno("protect %llx-%llx", (unsigned long long) written.start,
                                 (unsigned long long) written.end);
        }
        written.start = written.walk_end > written.start ? written.walk_end : written.start;
    }
    return 0;
}

/* Protects pages in ascending order; those that are near each other by one call, with all between them. */
static int protect_again(const bs_regions *r, const uint64_t *pages, size_t count) {
    size_t range = 0;
    for (size_t i = 0; i < count;) {
        while (bs_ranges_at(&r->ranges, range)->end <= pages[i]) {
            range++;
        }
        uint64_t first = pages[i], end = first + 1, limit = bs_ranges_at(&r->ranges, range)->end;
        for (i++; i < count && pages[i] < end + NEAR && pages[i] < limit; i++) {
            end = pages[i] + 1;
        }
        int result = protect_written(r, first, end);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* Pages that are written here and were not since the last capture cost a fault each. */
int bs_regions_restore_finish(bs_regions *r, const struct bs_restore_pages *pages) {
    const uint64_t *numbers = (const uint64_t *) (uintptr_t) pages->pages;
    const uint64_t *frames = (const uint64_t *) (uintptr_t) pages->frames;
    const uint64_t *dropped = (const uint64_t *) (uintptr_t) pages->dropped;
    int result = drop(dropped, pages->dropped_count);
    for (uint64_t i = 0; i < pages->count; i++) {
        memcpy((void *) (uintptr_t) (numbers[i] * BS_PAGE_SIZE), (const void *) (uintptr_t) frames[i], BS_PAGE_SIZE);
    }
    if (result < 0 || (result = protect_again(r, dropped, pages->dropped_count)) < 0 ||
        (result = protect_again(r, numbers, pages->count)) < 0) {
        r->all_written = true;
        return result;
    }
    complete(r);
    return 0;
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

void bs_regions_close(bs_regions *r) {
    if (!r) {
        return;
    }
    int descriptors[] = {r->uffd, r->pagemap};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (descriptors[i] >= 0) {
            close(descriptors[i]);
        }
    }
    struct bs_vector *vectors[] = {&r->ranges, &r->carried, &r->found, &r->scratch, &r->pages};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    free(r);
}
