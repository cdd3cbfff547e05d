// SPDX-License-Identifier: Apache-2.0
/*
 * Which pages were written: a userfaultfd made inside the target write-protects its private memory in asynchronous mode (the
 * kernel lifts the protection of a page at its first write and lets the target go on), and one PAGEMAP_SCAN lists the
 * pages whose protection is gone and puts it back.
 *
 * Only pages that have content of their own count. A page that is not there, that shows the zero page, or that still shows
 * its file, has none: dropping it gives the same bytes again. So a scan also tells which pages the target gave
 * away without writing them. One case it cannot tell: in a mapping of a file, a page that was dropped keeps a mark that
 * looks like a page in swap. Such pages are taken as written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "kernel.h"
#include "process.h"

#define REGIONS_AT_ONCE 16384
#define ADDRESS_END 0x7ffffffff000ULL

int bs_track_open(struct bs_process *p, uint64_t *interrupted_ns) {
    int64_t theirs = 0;
    uint64_t start = bs_now_ns();
    int result = bs_remote_call(p, SYS_userfaultfd, (uint64_t[6]) {O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY}, &theirs);
    *interrupted_ns = bs_now_ns() - start;
    if (result < 0) {
        return result;
    }
    if (theirs < 0) {
        errno = (int) -theirs;
        return bs_fail_errno("userfaultfd in process %d", (int) p->pid);
    }
    p->uffd = (int) syscall(SYS_pidfd_getfd, p->pidfd, (int) theirs, 0);
    int fetched = p->uffd < 0 ? bs_fail_errno("fetch the userfaultfd of process %d", (int) p->pid) : 0;
    start = bs_now_ns();
    result = bs_remote_close(p, (int) theirs);
    *interrupted_ns += bs_now_ns() - start;
    if (fetched < 0 || result < 0) {
        return fetched < 0 ? fetched : result;
    }
    struct uffdio_api api = {.api = UFFD_API,
                             .features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_PAGEFAULT_FLAG_WP};
    if (ioctl(p->uffd, UFFDIO_API, &api) < 0 || !(api.features & UFFD_FEATURE_WP_ASYNC)) {
        return bs_fail_errno("asynchronous write-protection for process %d", (int) p->pid);
    }
    p->mappings.size = 0; /* nothing is registered yet */
    return 0;
}

void bs_track_close(struct bs_process *p) {
    if (p->uffd >= 0) {
        close(p->uffd);
        p->uffd = -1;
    }
    p->present.size = p->held.size = p->written.size = p->carried.size = p->dirty.size = 0;
    p->all_dirty = false;
}

/* Does any of these pages lie in a private mapping of a file? The cursor moves forward over the mappings. */
static bool touches_file(const struct bs_process *p, size_t *cursor, uint64_t start, uint64_t end) {
    const struct bs_mapping *mappings = (const struct bs_mapping *) p->mappings.data;
    size_t count = p->mappings.size / sizeof *mappings;
    while (*cursor < count && mappings[*cursor].end <= start) {
        ++*cursor;
    }
    for (size_t i = *cursor; i < count && mappings[i].start < end; i++) {
        if (mappings[i].inode != 0) {
            return true;
        }
    }
    return false;
}

static int take_regions(struct bs_process *p, size_t count, size_t *cursor) {
    const struct page_region *regions = (const struct page_region *) p->regions.data;
    for (size_t i = 0; i < count; i++) {
        uint64_t first = regions[i].start / BS_PAGE_SIZE, end = regions[i].end / BS_PAGE_SIZE;
        uint64_t is = regions[i].categories;
        if (is & PAGE_IS_GUARD) {
            continue;
        }
        if (bs_ranges_add(&p->present, first, end) < 0) {
            return -ENOMEM;
        }
        if (is & (PAGE_IS_FILE | PAGE_IS_PFNZERO)) {
            continue;
        }
        bool written =
            (is & PAGE_IS_WRITTEN) || ((is & PAGE_IS_SWAPPED) && touches_file(p, cursor, regions[i].start, regions[i].end));
        if (bs_ranges_add(&p->held, first, end) < 0 || (written && bs_ranges_add(&p->written, first, end) < 0)) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int walk(struct bs_process *p) {
    if (bs_vector_reserve(&p->regions, REGIONS_AT_ONCE * sizeof(struct page_region)) < 0) {
        return -ENOMEM;
    }
    p->present.size = p->held.size = p->written.size = 0;
    struct pm_scan_arg scan = {.size = sizeof scan,
                               .flags = PM_SCAN_WP_MATCHING,
                               .end = ADDRESS_END,
                               .vec = (uint64_t) (uintptr_t) p->regions.data,
                               .vec_len = REGIONS_AT_ONCE,
                               .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                               .return_mask = PAGE_IS_WRITTEN | PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_SWAPPED |
                                              (p->no_guard_category ? 0 : PAGE_IS_GUARD)};
    size_t cursor = 0;
    while (scan.start < scan.end) {
        int count = ioctl(p->pagemap, PAGEMAP_SCAN, &scan);
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EINVAL && !p->no_guard_category) {
                p->no_guard_category = true;
                scan.return_mask &= ~(uint64_t) PAGE_IS_GUARD;
                continue;
            }
            p->all_dirty = true; /* marks may be gone that we were not told of */
            return bs_fail_errno("scan the pages of process %d", (int) p->pid);
        }
        if (take_regions(p, (size_t) count, &cursor) < 0) {
            return -ENOMEM;
        }
        if (scan.walk_end <= scan.start) {
            break;
        }
        scan.start = scan.walk_end;
    }
    return 0;
}

int bs_scan(struct bs_process *p) {
    int result = walk(p);
    if (result == 0) {
        result = bs_ranges_union(&p->scratch, &p->carried, &p->written);
    }
    if (result < 0) {
        p->all_dirty = true;
        return result;
    }
    struct bs_vector swap = p->carried;
    p->carried = p->scratch;
    p->scratch = swap;
    return 0;
}

bool bs_scan_finds_page(const struct bs_process *p, uint64_t start, uint64_t end) {
    struct page_region region;
    struct pm_scan_arg look = {.size = sizeof look,
                               .start = start,
                               .end = end,
                               .vec = (uint64_t) (uintptr_t) &region,
                               .vec_len = 1,
                               .max_pages = 1,
                               .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                               .return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED};
    return ioctl(p->pagemap, PAGEMAP_SCAN, &look) > 0;
}

/*
 * A mapping that was replaced by one of the same kind in the same place looks as before but is not registered, and a scan
 * passes over it. So a mapping in which the scan saw no page at all is looked at again.
 */
static int register_overlooked(struct bs_process *p, bool *found) {
    const struct bs_mapping *mapping = (const struct bs_mapping *) p->mappings.data;
    size_t range = 0;
    *found = false;
    for (size_t i = 0; i < p->mappings.size / sizeof *mapping; i++, mapping++) {
        uint64_t first = mapping->start / BS_PAGE_SIZE, end = mapping->end / BS_PAGE_SIZE;
        while (range < bs_ranges_count(&p->present) && bs_ranges_at(&p->present, range)->end <= first) {
            range++;
        }
        bool seen = range < bs_ranges_count(&p->present) && bs_ranges_at(&p->present, range)->first < end;
        if (seen || (mapping->flags & MAPPING_SHARED) || !bs_scan_finds_page(p, mapping->start, mapping->end)) {
            continue;
        }
        int result = bs_layout_register_one(p, mapping);
        if (result < 0) {
            return result;
        }
        *found = true;
    }
    return 0;
}

int bs_track_all(struct bs_process *p) {
    bool found = false;
    int result = bs_layout_register(p);
    if (result == 0) {
        result = bs_scan(p);
    }
    if (result == 0) {
        result = register_overlooked(p, &found);
    }
    return result == 0 && found ? bs_scan(p) : result;
}
