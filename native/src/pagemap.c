// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "pagemap.h"

#include <errno.h>

#include "error.h"

struct working {
    int pagemap;
    struct page_region *regions;
    size_t room;
    bs_region_visitor visit;
    void *context;
    uint64_t at_most; /* pages at once; 0: as many as there are */
};

static int walk_part(const struct working *w, const struct bs_walk *walk, uint64_t start, uint64_t end,
                     uint64_t flags) {
    struct pm_scan_arg scan = {.size = sizeof scan,
                               .flags = flags,
                               .start = start,
                               .end = end,
                               .vec = (uint64_t) (uintptr_t) w->regions,
                               .vec_len = w->room,
                               .max_pages = w->at_most,
                               .category_inverted = walk->inverted,
                               .category_mask = walk->all_of,
                               .category_anyof_mask = walk->any_of,
                               .return_mask = walk->tell};
    while (scan.start < scan.end) {
        int count = ioctl(w->pagemap, PAGEMAP_SCAN, &scan);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return bs_fail_errno("scan pages from %llx to %llx", (unsigned long long) scan.start,
                                 (unsigned long long) end);
        }
        for (int i = 0; i < count; i++) {
            int result = w->visit(w->context, w->regions + i);
            if (result != 0) {
                return result;
            }
        }
        if (scan.walk_end <= scan.start) {
            break;
        }
        scan.start = scan.walk_end;
    }
    return 0;
}

int bs_pagemap_walk(int pagemap, const struct bs_walk *walk, struct page_region *regions, size_t room,
                    bs_region_visitor visit, void *context) {
    struct working w = {pagemap, regions, room, visit, context, 0};
    size_t count = walk->spared ? bs_ranges_count(walk->spared) : 0;
    uint64_t at = walk->start;
    for (size_t i = 0; i < count && at < walk->end; i++) {
        const struct bs_range *range = bs_ranges_at(walk->spared, i);
        uint64_t first = range->first * BS_PAGE_SIZE, end = range->end * BS_PAGE_SIZE;
        first = first < at ? at : first < walk->end ? first : walk->end;
        end = end < first ? first : end < walk->end ? end : walk->end;
        int result = walk_part(&w, walk, at, first, walk->flags);
        if (result != 0 || (result = walk_part(&w, walk, first, end, 0)) != 0) {
            return result;
        }
        at = end;
    }
    return walk_part(&w, walk, at, walk->end, walk->flags);
}

static int visit_first(void *context, const struct page_region *region) {
    *(uint64_t *) context = region->start / BS_PAGE_SIZE;
    return 1;
}

int bs_pagemap_first(int pagemap, const struct bs_walk *walk, uint64_t *page) {
    struct page_region region;
    struct working w = {pagemap, &region, 1, visit_first, page, 1};
    return walk_part(&w, walk, walk->start, walk->end, walk->flags);
}

bool bs_pagemap_knows(int pagemap, uint64_t category) {
    struct page_region region;
    struct pm_scan_arg scan = {.size = sizeof scan,
                               .end = BS_PAGE_SIZE,
                               .vec = (uint64_t) (uintptr_t) &region,
                               .vec_len = 1,
                               .category_anyof_mask = PAGE_IS_PRESENT,
                               .return_mask = category};
    return ioctl(pagemap, PAGEMAP_SCAN, &scan) >= 0;
}
