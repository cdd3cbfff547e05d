// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "tracked.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "uffd.h"

#define NEAR 512 /* pages: the walk over as many costs about as much as a call */
#define THERE (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)

/* ---- opening ----------------------------------------------------------------------------------------------------- */

int bs_tracked_open(struct bs_tracked *t) {
    struct uffdio_api api = {.api = UFFD_API,
                             .features =
                                 UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_PAGEFAULT_FLAG_WP};
    return ioctl(t->uffd, UFFDIO_API, &api) < 0 ? bs_fail_errno("asynchronous write-protection") : 0;
}

static int protect(const struct bs_tracked *t, uint64_t address, uint64_t length) {
    struct uffdio_writeprotect mark = {.range = {.start = address, .len = length}, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    while (ioctl(t->uffd, UFFDIO_WRITEPROTECT, &mark) < 0) {
        if (errno != EAGAIN) {
            return bs_fail_errno("protect %llu bytes at %llx", (unsigned long long) length,
                                 (unsigned long long) address);
        }
    }
    return 0;
}

static bool overlaps(const struct bs_tracked *t, uint64_t first, uint64_t end) {
    for (size_t i = 0; i < bs_ranges_count(&t->ranges); i++) {
        if (bs_ranges_at(&t->ranges, i)->first < end && bs_ranges_at(&t->ranges, i)->end > first) {
            return true;
        }
    }
    return false;
}

static int scan(struct bs_tracked *t, const struct bs_walk *walk, bs_region_visitor visit) {
    return bs_pagemap_walk(t->pagemap, walk, t->room, BS_REGIONS_AT_ONCE, visit, t);
}

static int visit_written(void *context, const struct page_region *region) {
    struct bs_tracked *t = context;
    return bs_ranges_add(&t->found, region->start / BS_PAGE_SIZE, region->end / BS_PAGE_SIZE);
}

/* What was found is carried, until its pages are copied. */
static int carry(struct bs_tracked *t) {
    int result = bs_ranges_add_all(&t->carried, &t->found, &t->scratch);
    t->all_written = t->all_written || result < 0;
    return result;
}

/* Ranges are kept in ascending order. */
static int insert(struct bs_tracked *t, uint64_t first, uint64_t end) {
    if (!bs_vector_extend(&t->ranges, sizeof(struct bs_range))) {
        return -ENOMEM;
    }
    size_t i = bs_ranges_count(&t->ranges) - 1;
    for (; i > 0 && bs_ranges_at(&t->ranges, i - 1)->first > first; i--) {
        *bs_ranges_at(&t->ranges, i) = *bs_ranges_at(&t->ranges, i - 1);
    }
    *bs_ranges_at(&t->ranges, i) = (struct bs_range){first, end};
    return 0;
}

int bs_tracked_add(struct bs_tracked *t, uint64_t address, uint64_t length, uint64_t without,
                   const struct bs_vector *content) {
    uint64_t first = address / BS_PAGE_SIZE, end = first + length / BS_PAGE_SIZE;
    if (address % BS_PAGE_SIZE != 0 || length % BS_PAGE_SIZE != 0 || length == 0 || overlaps(t, first, end)) {
        return bs_fail(-EINVAL, "track %llu bytes at %llx: not whole pages, or tracked already",
                       (unsigned long long) length, (unsigned long long) address);
    }
    struct uffdio_register registration = {.range = {.start = address, .len = length}, .mode = UFFDIO_REGISTER_MODE_WP};
    if (ioctl(t->uffd, UFFDIO_REGISTER, &registration) < 0) {
        return bs_fail_errno("track %llu bytes at %llx", (unsigned long long) length, (unsigned long long) address);
    }
    struct bs_walk there = {.start = address,
                            .end = address + length,
                            .inverted = without,
                            .all_of = without,
                            .any_of = THERE,
                            .tell = PAGE_IS_PRESENT};
    t->found.size = 0;
    int result = scan(t, &there, visit_written); /* before there are marks, which look like pages in swap */
    if (result < 0 || (result = carry(t)) < 0 ||
        (content && (result = bs_ranges_add_all(&t->carried, content, &t->scratch)) < 0) ||
        (result = protect(t, address, length)) < 0) {
        return result;
    }
    return insert(t, first, end);
}

/* ---- captures ---------------------------------------------------------------------------------------------------- */

static int look_for_written(struct bs_tracked *t, const struct bs_vector *where, uint64_t flags,
                            const struct bs_vector *predicted) {
    t->found.size = 0;
    for (size_t i = 0; i < bs_ranges_count(where); i++) {
        const struct bs_range *range = bs_ranges_at(where, i);
        struct bs_walk written = {.flags = flags,
                                  .start = range->first * BS_PAGE_SIZE,
                                  .end = range->end * BS_PAGE_SIZE,
                                  .all_of = PAGE_IS_WRITTEN,
                                  .tell = PAGE_IS_WRITTEN,
                                  .spared = predicted};
        int result = scan(t, &written, visit_written);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* Finds what was written; with flags PM_SCAN_WP_MATCHING it is protected again, but for what is predicted. */
static int find_written(struct bs_tracked *t, const struct bs_vector *where, uint64_t flags,
                        const struct bs_vector *predicted) {
    int result = look_for_written(t, where, flags, predicted);
    if (result < 0) {
        t->all_written = true;
        return result;
    }
    return carry(t);
}

static const struct bs_vector *written(const struct bs_tracked *t) {
    return t->all_written ? &t->ranges : &t->carried;
}

static void complete(struct bs_tracked *t) {
    t->ahead.pages.size = 0;
    t->carried.size = 0;
    t->all_written = false;
}

void bs_tell_memory(struct bs_capture *c, const struct bs_vector *pages, const struct bs_phases *phases) {
    c->pages = (uint64_t) (uintptr_t) pages->data;
    c->held = c->held_count = c->state = c->state_size = c->output_mark = c->error_mark = c->threads = 0;
    c->ahead = c->joined_ns = 0;
    c->at_ns = phases->began_ns;
    c->pause_ns = phases->last_ns - phases->began_ns;
    memcpy(c->phase_ns, phases->ns, sizeof c->phase_ns);
}

static struct bs_vector predicted(const struct bs_capture *c) {
    return bs_ranges_view(c->predicted, c->predicted_count);
}

/* What is predicted and was not written stays protected; of it, what is to be writable is made so. */
static int leave_writable(struct bs_tracked *t, const struct bs_capture *c) {
    const struct bs_vector spared = predicted(c), wanted = bs_ranges_view(c->lifted, c->lifted_count);
    int result = bs_ranges_intersect(&t->left_writable, &spared, written(t));
    if (result == 0 && (result = bs_ranges_subtract(&t->scratch, &wanted, written(t))) == 0 &&
        (result = bs_ranges_intersect(&t->chosen, &t->scratch, &t->ranges)) == 0) {
        result = bs_uffd_lift_all(t->uffd, &t->chosen, &t->scratch);
    }
    return result < 0 ? result : bs_ranges_add_all(&t->left_writable, &t->scratch, &t->chosen);
}

/* Protects what is worth it, and lists it. */
static int find_ahead(struct bs_tracked *t, const struct bs_vector *spared) {
    struct bs_ahead *a = &t->ahead;
    int result = look_for_written(t, &t->ranges, 0, NULL);
    if (result < 0 || (result = bs_ranges_subtract(&t->scratch, &t->found, spared)) < 0 ||
        (result = bs_ahead_choose(a, &t->scratch)) < 0 ||
        (result = bs_ranges_intersect(&t->chosen, &a->areas, &t->ranges)) < 0) {
        return result; /* no mark was taken */
    }
    uint64_t start = bs_now_ns();
    result = find_written(t, &t->chosen, PM_SCAN_WP_MATCHING, spared);
    bs_ahead_note_protected(a, bs_now_ns() - start);
    if (result == 0 && (result = bs_ranges_subtract(&t->scratch, &t->found, spared)) == 0) {
        result = bs_ranges_list(&a->pages, &t->scratch);
    }
    return result;
}

void bs_tracked_copy_ahead(struct bs_tracked *t, const struct bs_capture *c) {
    struct bs_vector *early = &t->ahead.pages;
    struct bs_vector spared = predicted(c);
    early->size = t->found.size = 0;
    if (t->all_written || !bs_ahead_pays(&t->ahead) || find_ahead(t, &spared) < 0) {
        early->size = 0;
        return;
    }
    size_t count = bs_numbers_count(early);
    count = count < c->frame_count ? count : c->frame_count;
    early->size = count * sizeof(uint64_t);
    uint64_t start = bs_now_ns();
    if (t->movers->copy_in(t, (const uint64_t *) early->data, (const uint64_t *) (uintptr_t) c->frames, count,
                            false) < 0) {
        early->size = 0;
    }
    bs_ahead_note_copied(&t->ahead, bs_now_ns() - start, count);
}

static int copy(struct bs_tracked *t, struct bs_capture *c) {
    struct bs_left left;
    int result = bs_ahead_arrange(&t->ahead, &t->pages, t->all_written ? NULL : &t->found, NULL,
                                  (uint64_t *) (uintptr_t) c->frames, c->frame_count, &left);
    return result < 0 ? result : t->movers->copy_in(t, left.pages, left.frames, left.count, true);
}

int bs_tracked_capture(struct bs_tracked *t, struct bs_capture *c) {
    if (!(c->flags & BS_CAPTURE_CONTINUE)) {
        bs_phases_begin(&t->phases);
        struct bs_vector spared = predicted(c);
        int result = find_written(t, &t->ranges, PM_SCAN_WP_MATCHING, &spared);
        if (result == 0) {
            result = bs_ranges_list(&t->pages, written(t));
        }
        if (result == 0) {
            result = leave_writable(t, c);
        }
        if (result < 0) {
            return result;
        }
        bs_phases_end(&t->phases, BS_PHASE_SCAN);
    } else if (!t->capturing) {
        return bs_fail(-EINVAL, "no capture waits for frames");
    }
    c->page_count = bs_numbers_count(&t->pages);
    t->capturing = c->page_count > c->frame_count;
    if (t->capturing) {
        return BS_MORE_FRAMES;
    }
    int result = copy(t, c);
    if (result < 0) {
        return result;
    }
    complete(t);
    bs_phases_end(&t->phases, BS_PHASE_COPY);
    bs_tell_memory(c, &t->pages, &t->phases);
    c->predicted = (uint64_t) (uintptr_t) t->left_writable.data;
    c->predicted_count = bs_ranges_count(&t->left_writable);
    c->ahead = t->ahead.used;
    c->held_pages = bs_ranges_pages(&t->ranges);
    c->mappings = bs_ranges_count(&t->ranges);
    return 0;
}

/* Whether it waits for frames or was complete. */
void bs_tracked_abandon(struct bs_tracked *t) {
    const uint64_t *pages = (const uint64_t *) t->pages.data;
    int result = 0;
    t->capturing = false;
    t->ahead.pages.size = 0;
    t->found.size = 0;
    for (size_t i = 0; i < bs_numbers_count(&t->pages) && result == 0; i++) {
        result = bs_ranges_add(&t->found, pages[i], pages[i] + 1);
    }
    t->all_written = t->all_written || result < 0 || carry(t) < 0;
}

/* ---- rollbacks --------------------------------------------------------------------------------------------------- */

int bs_tracked_restore_begin(struct bs_tracked *t, struct bs_restore *restore) {
    int result = find_written(t, &t->ranges, 0, NULL);
    if (result < 0) {
        return result;
    }
    restore->written = (uint64_t) (uintptr_t) written(t)->data;
    restore->written_count = bs_ranges_count(written(t));
    restore->held = restore->held_count = 0;
    return 0;
}

/* Protects what was written in a stretch of pages. */
static int protect_written(const struct bs_tracked *t, uint64_t first, uint64_t end) {
    struct pm_scan_arg written = {.size = sizeof written,
                                  .flags = PM_SCAN_WP_MATCHING,
                                  .start = first * BS_PAGE_SIZE,
                                  .end = end * BS_PAGE_SIZE,
                                  .category_mask = PAGE_IS_WRITTEN};
    while (ioctl(t->pagemap, PAGEMAP_SCAN, &written) < 0) {
        if (errno != EINTR) {
            return bs_fail_errno("protect %llx-%llx", (unsigned long long) written.start,
                                 (unsigned long long) written.end);
        }
        written.start = written.walk_end > written.start ? written.walk_end : written.start;
    }
    return 0;
}

/* Protects pages in ascending order; those that are near each other by one call, with all between them. */
static int protect_again(const struct bs_tracked *t, const uint64_t *pages, size_t count) {
    size_t range = 0;
    for (size_t i = 0; i < count;) {
        while (bs_ranges_at(&t->ranges, range)->end <= pages[i]) {
            range++;
        }
        uint64_t first = pages[i], end = first + 1, limit = bs_ranges_at(&t->ranges, range)->end;
        for (i++; i < count && pages[i] < end + NEAR && pages[i] < limit; i++) {
            end = pages[i] + 1;
        }
        int result = protect_written(t, first, end);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* Pages that are written here and were not since the last capture cost a fault each. */
int bs_tracked_restore_finish(struct bs_tracked *t, const struct bs_restore_pages *pages) {
    const uint64_t *numbers = (const uint64_t *) (uintptr_t) pages->pages;
    const uint64_t *frames = (const uint64_t *) (uintptr_t) pages->frames;
    const uint64_t *dropped = (const uint64_t *) (uintptr_t) pages->dropped;
    int result = t->movers->drop(t, dropped, pages->dropped_count);
    if (result < 0 || (result = t->movers->copy_out(t, numbers, frames, pages->count)) < 0 ||
        (result = protect_again(t, dropped, pages->dropped_count)) < 0 ||
        (result = protect_again(t, numbers, pages->count)) < 0) {
        t->all_written = true;
        return result;
    }
    complete(t);
    return 0;
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

void bs_tracked_close(struct bs_tracked *t) {
    int descriptors[] = {t->uffd, t->pagemap};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (descriptors[i] >= 0) {
            close(descriptors[i]);
        }
    }
    struct bs_vector *vectors[] = {&t->ranges,        &t->carried, &t->found, &t->scratch, &t->chosen,
                                   &t->left_writable, &t->pages};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    bs_ahead_fini(&t->ahead);
}
