// SPDX-License-Identifier: Apache-2.0
/*
 * Which pages were written since the last scan, and which have content of their own.
 *
 * A page has content of its own when it is there and shows neither its file nor the zero page; dropping any other gives
 * the same bytes again. A target can give pages away without writing them, so both sets are needed. PAGEMAP_SCAN is
 * cheap as long as it need not look behind the page table, which telling file pages apart takes. So there are three
 * walks:
 *
 * - files: only the mappings of files that are known to have pages of their own, and all of them while the target runs,
 * and once after that, since then the mappings that we know are not those that it has: written, held, protected again.
 * A page that was dropped there keeps a mark that looks like a page in swap: such pages are taken as written.
 * - written: everything: pages written, protected again. Those in mappings of files are looked at closely.
 * - missing: memory outside of files: what is not there, as few long ranges. All the rest is held. Also, and in files
 *   only, pages in mappings that look as before but are not registered: they were replaced by others of the same kind in
 *   the same place.
 *
 * Predicted pages are not protected again: once written they stay writable, and count as written at each scan until one
 * protects them.
 *
 * A zero page is taken as written if it had content at the last complete capture or was written since, and left alone
 * otherwise. So the held set may contain pages that were never copied; no harm comes of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "cow.h"
#include "error.h"
#include "scan.h"

#define REGIONS_AT_ONCE_IN_FILE 64
#define ADDRESS_END 0x7ffffffff000ULL

struct visit {
    struct bs_process *process;
    bs_scan_visitor visitor;
};

static int visit_unless_guard(void *context, const struct page_region *region) {
    const struct visit *visit = context;
    return region->categories & PAGE_IS_GUARD ? 0 : visit->visitor(visit->process, region);
}

int bs_scan_walk(struct bs_process *p, const struct bs_walk *wanted, struct page_region *regions, size_t room,
                 bs_scan_visitor visitor) {
    struct visit visit = {p, visitor};
    struct bs_walk asked = *wanted;
    asked.tell |= p->no_guard_category ? 0 : PAGE_IS_GUARD;
    return bs_pagemap_walk(p->pagemap, &asked, regions, room, visit_unless_guard, &visit);
}

static bool is_tracked_file(const struct bs_mapping *mapping) {
    return mapping->inode != 0 && !(mapping->flags & MAPPING_SHARED);
}

/* ---- unregistered ------------------------------------------------------------------------------------------------- */

static int visit_unregistered(void *context, const struct page_region *region) {
    return bs_ranges_add(context, region->start / BS_PAGE_SIZE, region->end / BS_PAGE_SIZE);
}

/* The kernel passes over mappings that are registered without a look at their pages. */
static const struct bs_walk unregistered = {
    .inverted = PAGE_IS_WPALLOWED, .all_of = PAGE_IS_WPALLOWED, .tell = PAGE_IS_PRESENT | PAGE_IS_SWAPPED};

int bs_scan_unregistered(struct bs_process *p, uint64_t start, uint64_t end) {
    struct page_region regions[REGIONS_AT_ONCE_IN_FILE];
    struct bs_walk here = unregistered;
    here.start = start;
    here.end = end;
    here.tell = PAGE_IS_WPALLOWED; /* so that it comes in one piece */
    p->unregistered.size = 0;
    return bs_pagemap_walk(p->pagemap, &here, regions, REGIONS_AT_ONCE_IN_FILE, visit_unregistered, &p->unregistered);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/*
 * A page that is given back leaves its mark in its place, and the page that the next write makes there has it, too, until
 * that write is tried again. A thread that was stopped in between stands before that instruction. This is so rare that
 * all that is held then is taken as written.
 */
static bool is_any_in_fault(const struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p) && p->ran; i++) {
        if (bs_registers_in_fault(bs_threads_at(p, i)->tid)) {
            return true;
        }
    }
    return false;
}

/* A zero page is not held; but what is taken for a file by mappings that are out of date could be anything. */
static int visit_known_file(struct bs_process *p, const struct page_region *region) {
    if (region->categories & PAGE_IS_PFNZERO) {
        return region->categories & PAGE_IS_WRITTEN ? bs_scan_add(&p->scan_room->written_files, region) : 0;
    }
    if (region->categories & PAGE_IS_FILE) {
        return 0;
    }
    bool written = (region->categories & (PAGE_IS_WRITTEN | PAGE_IS_SWAPPED)) || p->scan_room->in_fault;
    if (written && bs_scan_add(&p->scan_room->written_files, region) < 0) {
        return -ENOMEM;
    }
    return bs_scan_add(&p->scan_room->held_files, region);
}

static bool holds_pages(const struct bs_process *p, const struct bs_mapping *mapping, size_t *cursor) {
    return bs_ranges_have_any(&p->held_files, mapping->start / BS_PAGE_SIZE, mapping->end / BS_PAGE_SIZE, cursor);
}

static int walk_files(struct bs_process *p) {
    size_t count, cursor = 0;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    for (size_t i = 0; i < count; i++) {
        if (!is_tracked_file(mappings + i) || !(holds_pages(p, mappings + i, &cursor) || p->all_dirty || p->loose)) {
            continue;
        }
        struct bs_walk file = {.start = mappings[i].start,
                               .end = mappings[i].end,
                               .flags = PM_SCAN_WP_MATCHING,
                               .spared = &p->predicted,
                               .any_of = BS_SCAN_THERE,
                               .tell = PAGE_IS_WRITTEN | PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_SWAPPED};
        int result = bs_scan_walk(p, &file, p->scan_room->regions, REGIONS_AT_ONCE_IN_FILE, visit_known_file);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* ---- written ----------------------------------------------------------------------------------------------------- */

static int visit_new_in_file(struct bs_process *p, const struct page_region *region) {
    struct bs_scan_room *room = p->scan_room;
    return region->categories & PAGE_IS_PFNZERO ? bs_scan_add(&room->zeroed, region)
           : region->categories & PAGE_IS_FILE  ? 0
                                                : bs_scan_add(&room->written_new, region);
}

static int look_closely(struct bs_process *p, uint64_t start, uint64_t end) {
    struct page_region regions[REGIONS_AT_ONCE_IN_FILE];
    struct bs_walk part = {.start = start, .end = end, .any_of = BS_SCAN_THERE, .tell = PAGE_IS_FILE | PAGE_IS_PFNZERO};
    return bs_scan_walk(p, &part, regions, REGIONS_AT_ONCE_IN_FILE, visit_new_in_file);
}

/*
 * A region can cross from one mapping into the next: it is taken apart. In a target that runs the walk can come back to
 * pages that were just told of, and tell of them again when they were written meanwhile.
 */
static int visit_written(struct bs_process *p, const struct page_region *region) {
    struct bs_scan_room *room = p->scan_room;
    size_t count;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    if (room->cursor < count && mappings[room->cursor].start > region->start) {
        room->cursor = 0;
    }
    for (uint64_t at = region->start; at < region->end;) {
        while (room->cursor < count && mappings[room->cursor].end <= at) {
            room->cursor++;
        }
        bool known = room->cursor < count && mappings[room->cursor].start <= at;
        uint64_t border = known                  ? mappings[room->cursor].end
                          : room->cursor < count ? mappings[room->cursor].start
                                                 : region->end;
        struct page_region part = {.start = at, .end = border < region->end ? border : region->end};
        int result = 0;
        if (known && is_tracked_file(mappings + room->cursor)) {
            result = look_closely(p, part.start, part.end);
        } else if (!p->cow) {
            result = bs_scan_add(region->categories & PAGE_IS_PFNZERO ? &room->zeroed : &room->written, &part);
        }
        if (result < 0) {
            return result;
        }
        at = part.end;
    }
    return 0;
}

static int walk_written(struct bs_process *p) {
    struct bs_walk everything = {.end = ADDRESS_END,
                                 .flags = PM_SCAN_WP_MATCHING,
                                 .spared = &p->predicted,
                                 .all_of = PAGE_IS_WRITTEN,
                                 .any_of = BS_SCAN_THERE,
                                 .tell = PAGE_IS_PFNZERO};
    p->scan_room->cursor = 0;
    return bs_scan_walk(p, &everything, p->scan_room->regions, BS_SCAN_REGIONS, visit_written);
}

/* ---- missing: holes, and what was overlooked --------------------------------------------------------------------- */

/* Walks each group of neighbouring mappings of a kind. */
static int walk_groups(struct bs_process *p, bool (*is_of_kind)(const struct bs_mapping *),
                       const struct bs_walk *wanted, bs_scan_visitor visitor) {
    size_t count;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    for (size_t i = 0; i < count;) {
        if (!is_of_kind(mappings + i)) {
            i++;
            continue;
        }
        struct bs_walk group = *wanted;
        group.start = mappings[i].start;
        while (i < count && is_of_kind(mappings + i)) {
            group.end = mappings[i++].end;
        }
        int result = bs_scan_walk(p, &group, p->scan_room->hole_regions, BS_SCAN_REGIONS, visitor);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int register_at(struct bs_process *p, const struct page_region *region) {
    size_t count;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    for (size_t i = 0; i < count; i++) {
        if (mappings[i].start < region->end && mappings[i].end > region->start) {
            int result = p->scan_room->may_be_old ? 0 : bs_layout_register_one(p, mappings + i);
            if (result < 0) {
                return result;
            }
            p->scan_room->overlooked = true;
        }
    }
    return 0;
}

static int visit_missing(struct bs_process *p, const struct page_region *region) {
    if (!(region->categories & BS_SCAN_THERE)) {
        return bs_scan_add(&p->scan_room->holes, region);
    }
    return region->categories & PAGE_IS_WPALLOWED ? 0 : register_at(p, region);
}

static int visit_unregistered_file(struct bs_process *p, const struct page_region *region) {
    return region->categories & BS_SCAN_THERE ? register_at(p, region) : 0;
}

/* In files holes do not matter. */
static int find_missing(struct bs_process *p) {
    const struct bs_walk missing = {.inverted = PAGE_IS_PRESENT | PAGE_IS_WPALLOWED,
                                    .any_of = PAGE_IS_PRESENT | PAGE_IS_WPALLOWED,
                                    .tell = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_WPALLOWED};
    int result = p->cow ? 0 : walk_groups(p, bs_is_anonymous, &missing, visit_missing);
    return result < 0 ? result : walk_groups(p, is_tracked_file, &unregistered, visit_unregistered_file);
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

int bs_scan_list_anonymous(const struct bs_process *p, const struct bs_vector *but, struct bs_vector *target) {
    size_t count, cursor = 0;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    target->size = 0;
    for (size_t i = 0; i < count; i++) {
        if (bs_is_anonymous(mappings + i) &&
            bs_ranges_add_outside(target, mappings[i].start / BS_PAGE_SIZE, mappings[i].end / BS_PAGE_SIZE, but,
                                  &cursor) < 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int find_held_elsewhere(struct bs_process *p) {
    struct bs_scan_room *room = p->scan_room;
    return p->cow ? bs_vector_copy(&room->held, &p->cow->held) : bs_scan_list_anonymous(p, &room->holes, &room->held);
}

static int put_together(struct bs_process *p) {
    struct bs_scan_room *room = p->scan_room;
    if (bs_ranges_union(&p->held_files, &room->held_files, &room->written_new) < 0 || find_held_elsewhere(p) < 0 ||
        bs_ranges_union(&p->held, &room->held, &p->held_files) < 0 ||
        bs_ranges_union(&p->written, &room->written_files, &room->written_new) < 0 ||
        bs_ranges_union(&room->held, &p->written, &room->written) < 0 ||
        bs_ranges_intersect(&room->written, &room->zeroed, &p->held_at_capture) < 0) {
        return -ENOMEM;
    }
    int result = bs_ranges_union(&p->written, &room->held, &room->written);
    return result < 0 ? result : bs_ranges_union(&p->touched, &p->written, &room->zeroed);
}

static int find_written(struct bs_process *p) {
    int result = walk_files(p);
    return result < 0 ? result : walk_written(p);
}

static int read_layout(struct bs_process *p) {
    return bs_layout_read(p, &p->fresh);
}

#define PARTS 4

/* What two threads can do at once, since it has nothing to do with each other: the longest at both ends. */
struct parts {
    struct bs_process *process;
    bs_scan_part todo[PARTS];
    int results[PARTS];
};

static void do_part(void *work, size_t index) {
    struct parts *parts = work;
    parts->results[index] = parts->todo[index](parts->process);
}

int bs_scan(struct bs_process *p, bool with_layout, bs_scan_part beside, bool *overlooked) {
    if (!p->scan_room && !(p->scan_room = calloc(1, sizeof *p->scan_room))) {
        return bs_fail(-ENOMEM, "scan the pages of process %d: out of memory", (int) p->pid);
    }
    struct bs_scan_room *room = p->scan_room;
    room->held_files.size = room->written_files.size = room->written_new.size = room->written.size = 0;
    room->zeroed.size = room->holes.size = 0;
    room->overlooked = false;
    room->may_be_old = with_layout;
    struct parts parts = {.process = p, .todo = {find_missing}};
    size_t count = 1;
    if (with_layout) {
        parts.todo[count++] = read_layout;
    }
    if (beside) {
        parts.todo[count++] = beside;
    }
    parts.todo[count++] = find_written;
    bool stands = bs_all_stand(p), helped = stands && bs_trial_helped(&p->scan_trial);
    p->loose = p->loose || !stands;
    room->in_fault = stands && is_any_in_fault(p);
    uint64_t start = bs_now_ns();
    bs_helper_share(helped ? p->helper : NULL, do_part, &parts, count);
    bs_trial_note(&p->scan_trial, helped, bs_now_ns() - start, 1);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        result = parts.results[i];
        if (result < 0 && helped && parts.todo[i](p) == 0) { /* again, for the text of a failure is that of a thread */
            bs_fail(result, "scan the pages of process %d: it failed once", (int) p->pid);
        }
    }
    if (result == 0 && p->cow) {
        result = bs_held_scan(p);
    }
    if (result == 0) {
        result = put_together(p);
    }
    if (result == 0 && stands) {
        p->loose = p->ran = false;
    }
    *overlooked = room->overlooked;
    return result;
}

void bs_scan_fini(struct bs_process *p) {
    struct bs_scan_room *room = p->scan_room;
    if (!room) {
        return;
    }
    struct bs_vector *vectors[] = {&room->held_files, &room->written_files, &room->written_new, &room->written,
                                   &room->zeroed,     &room->holes,         &room->candidates,  &room->held};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    free(room);
    p->scan_room = NULL;
}
