// SPDX-License-Identifier: Apache-2.0
/* What the walks of a scan share, and those that are made ahead of a pause. */
#ifndef BS_SCAN_H
#define BS_SCAN_H

#include "pagemap.h"
#include "process.h"

#define BS_SCAN_REGIONS 16384
#define BS_SCAN_THERE (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)

/* Working memory of a scan, kept between scans. */
struct bs_scan_room {
    struct page_region regions[BS_SCAN_REGIONS];
    struct page_region hole_regions[BS_SCAN_REGIONS];
    struct bs_vector held_files;    /* being found */
    struct bs_vector written_files; /* in mappings of files known before */
    struct bs_vector written_new;   /* in mappings of files not known before */
    struct bs_vector written;       /* elsewhere */
    struct bs_vector zeroed;        /* show the zero page, newly */
    struct bs_vector holes;
    struct bs_vector candidates; /* where a scan ahead of a pause looks */
    struct bs_vector held;       /* outside of files; then working memory */
    size_t cursor;               /* into the mappings */
    bool in_fault;               /* a thread stands where a page may be new and have a mark */
    bool overlooked;             /* memory is not registered */
    bool may_be_old;             /* the mappings: of none is it known what is there now */
};

typedef int (*bs_scan_visitor)(struct bs_process *p, const struct page_region *region);

/* Guard pages are not there for us, where the kernel tells them apart. */
int bs_scan_walk(struct bs_process *p, const struct bs_walk *wanted, struct page_region *regions, size_t room,
                 bs_scan_visitor visitor);

/* Fills target: private memory outside of files, but for some ranges. */
int bs_scan_list_anonymous(const struct bs_process *p, const struct bs_vector *but, struct bs_vector *target);

static inline int bs_scan_add(struct bs_vector *ranges, const struct page_region *region) {
    return bs_ranges_add(ranges, region->start / BS_PAGE_SIZE, region->end / BS_PAGE_SIZE);
}

#endif
