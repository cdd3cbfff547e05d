// SPDX-License-Identifier: Apache-2.0
/*
 * Walks of the page tables of a target that runs, shortly before its pause: what was written is counted, what is worth
 * it is protected again, and what the pause will read is read once.
 */
#include <errno.h>

#include "scan.h"

#define WARM_AT_ONCE 8192 /* pages of which all that the kernel knows fits into a processor's own cache */

static int visit_ahead(struct bs_process *p, const struct page_region *region) {
    return bs_scan_add(region->categories & PAGE_IS_PFNZERO ? &p->scan_room->zeroed : &p->scan_room->written, region);
}

/*
 * Only memory outside of files, where a mark that was taken is all that is to be known; and where the mappings have
 * changed since, nothing is registered, so that nothing is found. Predicted pages stay as they are.
 */
static int find_candidates(struct bs_process *p, bool only_new) {
    struct bs_scan_room *room = p->scan_room;
    if (only_new && bs_ranges_union(&room->held, &p->held_at_capture, &p->predicted) < 0) {
        return -ENOMEM;
    }
    return bs_scan_list_anonymous(p, only_new ? &room->held : &p->predicted, &room->candidates);
}

static int walk_candidates(struct bs_process *p, uint64_t flags) {
    struct bs_scan_room *room = p->scan_room;
    room->written.size = room->zeroed.size = 0;
    for (size_t i = 0; i < bs_ranges_count(&room->candidates); i++) {
        const struct bs_range *range = bs_ranges_at(&room->candidates, i);
        struct bs_walk part = {.start = range->first * BS_PAGE_SIZE,
                               .end = range->end * BS_PAGE_SIZE,
                               .flags = flags,
                               .all_of = PAGE_IS_WRITTEN,
                               .any_of = BS_SCAN_THERE,
                               .tell = PAGE_IS_PFNZERO};
        int result = bs_scan_walk(p, &part, room->regions, BS_SCAN_REGIONS, visit_ahead);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

int bs_scan_count(struct bs_process *p, size_t *pages) {
    int result = find_candidates(p, false);
    if (result == 0) {
        result = walk_candidates(p, 0);
    }
    *pages = bs_ranges_pages(&p->scan_room->written);
    return result;
}

/* Leaves of the candidates what is worth it, by what was counted. */
static int choose(struct bs_process *p, bool only_new) {
    struct bs_scan_room *room = p->scan_room;
    const struct bs_vector *counted = &room->written;
    if (only_new) {
        if (bs_ranges_subtract(&room->held, &room->written, &p->held_at_capture) < 0) {
            return -ENOMEM;
        }
        counted = &room->held;
    }
    int result = bs_ahead_choose(&p->ahead, counted);
    if (result == 0 && only_new) { /* otherwise they are those that were counted */
        result = find_candidates(p, true);
    }
    if (result == 0 &&
        (result = bs_ranges_intersect(&room->held, &room->candidates, &p->ahead.areas)) == 0) {
        bs_vector_swap(&room->candidates, &room->held);
    }
    return result;
}

int bs_scan_ahead(struct bs_process *p, bool only_new, struct bs_vector *found) {
    struct bs_scan_room *room = p->scan_room;
    int result = choose(p, only_new);
    if (result < 0) {
        return result; /* no mark was taken */
    }
    uint64_t start = bs_now_ns();
    if ((result = walk_candidates(p, PM_SCAN_WP_MATCHING)) == 0 &&
        (result = bs_ranges_union(&room->candidates, &p->held_at_capture, &p->carried)) == 0 &&
        (result = bs_ranges_intersect(&room->held, &room->zeroed, &room->candidates)) == 0) {
        result = bs_ranges_union(found, &room->written, &room->held);
    }
    bs_ahead_note_protected(&p->ahead, bs_now_ns() - start);
    return bs_track_carry(p, result, found);
}

static int visit_nothing(struct bs_process *p, const struct page_region *region) {
    (void) p;
    (void) region;
    return 0;
}

void bs_scan_warm(struct bs_process *p) {
    if (!p->scan_room || bs_ranges_pages(&p->predicted) - bs_ranges_pages(&p->huge.whole) > WARM_AT_ONCE) {
        return;
    }
    for (size_t i = 0; i < bs_ranges_count(&p->predicted); i++) {
        const struct bs_range *range = bs_ranges_at(&p->predicted, i);
        struct bs_walk behind_tables = {.start = range->first * BS_PAGE_SIZE,
                                        .end = range->end * BS_PAGE_SIZE,
                                        .any_of = BS_SCAN_THERE,
                                        .tell = PAGE_IS_FILE};
        int ignored = bs_scan_walk(p, &behind_tables, p->scan_room->regions, BS_SCAN_REGIONS, visit_nothing);
        (void) ignored;
    }
}
