// SPDX-License-Identifier: Apache-2.0
/* The sets of pages of the cow discipline, as captures and rollbacks move them: see cow.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cow.h"
#include "error.h"
#include "kernel.h"
#include "pagemap.h"
#include "uffd.h"

#define REGIONS_AT_ONCE 1024
#define LOW_AT_FIRST 64
#define THERE (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)

static const struct bs_vector nothing;

/* ---- beginning and ending -------------------------------------------------------------------------------------- */

int bs_cow_open(bs_cow **out) {
    struct bs_cow *cow = calloc(1, sizeof *cow);
    if (!cow) {
        return bs_fail(-ENOMEM, "save pages: out of memory");
    }
    cow->uffd = cow->nudge = -1;
    cow->low = LOW_AT_FIRST;
    cow->past_told = true;
    pthread_mutex_init(&cow->lock, NULL);
    pthread_cond_init(&cow->fed, NULL);
    pthread_cond_init(&cow->hungry, NULL);
    *out = cow;
    return 0;
}

int bs_cow_begin(struct bs_cow *cow, int uffd, const struct bs_cow_host *host) {
    uint64_t more = host->tells_removals ? UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_WP_HUGETLBFS_SHMEM : 0;
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | more};
    cow->uffd = uffd;
    cow->host = *host;
    cow->has_gaps = true;
    if (ioctl(uffd, UFFDIO_API, &api) < 0) {
        return bs_fail_errno("write-protection for process %d", (int) host->pid);
    }
    return bs_cow_handler_start(cow);
}

void bs_cow_end(struct bs_cow *cow) {
    if (!cow) {
        return;
    }
    bs_cow_release(cow);
    bs_cow_handler_end(cow);
    if (cow->uffd >= 0) {
        close(cow->uffd);
        cow->uffd = -1;
    }
    bs_cow_lock(cow);
    cow->rolling_back = cow->urgent = false;
    cow->past_told = true;
    bs_cow_give_frames_back(cow, &cow->log);
    bs_cow_give_frames_back(cow, &cow->past_log);
    struct bs_vector *sets[] = {&cow->areas,       &cow->held,          &cow->open,    &cow->writable,
                                &cow->held_before, &cow->next_writable, &cow->waiting, &cow->removed};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        sets[i]->size = 0;
    }
    pthread_mutex_unlock(&cow->lock);
}

void bs_cow_close(bs_cow *cow) {
    if (!cow) {
        return;
    }
    bs_cow_end(cow);
    bs_cow_frames_fini(cow);
    struct bs_vector *vectors[] = {&cow->pool,          &cow->log,         &cow->waiting,       &cow->removed,
                                   &cow->areas,         &cow->held,        &cow->open,          &cow->writable,
                                   &cow->next_writable, &cow->held_before, &cow->scratch,       &cow->scratch_too,
                                   &cow->fresh,         &cow->past_log,    &cow->past_held,     &cow->past_open,
                                   &cow->past_writable, &cow->keys,        &cow->saved_ranges,  &cow->past_held_before,
                                   &cow->saved_pages,   &cow->released,    &cow->saved_frames,  &cow->gone};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    pthread_cond_destroy(&cow->hungry);
    pthread_cond_destroy(&cow->fed);
    pthread_mutex_destroy(&cow->lock);
    free(cow);
}

void bs_cow_urgent(struct bs_cow *cow, bool urgent) {
    if (cow && !cow->locked && cow->urgent != urgent) {
        bs_cow_lock(cow);
        cow->urgent = urgent;
        pthread_cond_signal(&cow->fed);
        if (!urgent && bs_cow_pool_size(cow) < cow->low) {
            bs_cow_nudge(cow); /* now it can ask */
        }
        pthread_mutex_unlock(&cow->lock);
    }
}

bool bs_cow_hold(struct bs_cow *cow) {
    if (!cow || cow->locked) {
        return false;
    }
    bs_cow_lock(cow);
    cow->locked = true;
    return true;
}

void bs_cow_release(struct bs_cow *cow) {
    if (cow && cow->locked) {
        cow->locked = false;
        pthread_mutex_unlock(&cow->lock);
    }
}

void bs_cow_settle(struct bs_cow *cow) {
    bool began = bs_cow_hold(cow);
    bs_cow_serve_all(cow);
    if (began) {
        bs_cow_release(cow);
    }
}

/* ---- areas ----------------------------------------------------------------------------------------------------- */

static size_t area_count(const struct bs_cow *cow) {
    return cow->areas.size / sizeof(struct bs_cow_area);
}

static const struct bs_cow_area *area_at(const struct bs_cow *cow, size_t index) {
    return (const struct bs_cow_area *) cow->areas.data + index;
}

void bs_cow_clear_areas(struct bs_cow *cow) {
    cow->areas.size = 0;
}

int bs_cow_add_area(struct bs_cow *cow, uint64_t first, uint64_t end, unsigned kind) {
    if (!bs_vector_extend(&cow->areas, sizeof(struct bs_cow_area))) {
        return -ENOMEM;
    }
    struct bs_cow_area *areas = (struct bs_cow_area *) cow->areas.data;
    size_t i = area_count(cow) - 1;
    for (; i > 0 && areas[i - 1].pages.first > first; i--) {
        areas[i] = areas[i - 1];
    }
    areas[i] = (struct bs_cow_area){{first, end}, kind};
    return 0;
}

static int protect(struct bs_cow *cow, uint64_t first, uint64_t end, bool on) {
    errno = bs_cow_protect(cow, first, end, on);
    return errno == 0 ? 0 : bs_fail_errno("%s pages from %llx of process %d", on ? "protect" : "open",
                                          (unsigned long long) first, (int) cow->host.pid);
}

static int register_pages(struct bs_cow *cow, uint64_t first, uint64_t end) {
    return bs_uffd_register(cow->uffd, cow->host.pid, first * BS_PAGE_SIZE, end * BS_PAGE_SIZE);
}

/*
 * Memory that lost its registration can keep its marks, and then be written unseen. So one marked page is protected
 * once more, which fails if the registration is gone; then the marks go too, and what is there counts as open.
 */
int bs_cow_register(struct bs_cow *cow, uint64_t first, uint64_t end) {
    struct bs_walk marked = {.start = first * BS_PAGE_SIZE,
                             .end = end * BS_PAGE_SIZE,
                             .inverted = PAGE_IS_WRITTEN,
                             .all_of = PAGE_IS_WRITTEN,
                             .any_of = THERE};
    uint64_t page;
    int result = bs_pagemap_first(cow->host.pagemap, &marked, &page);
    if (result < 0) {
        return result;
    }
    bool stale = result > 0 && bs_cow_protect(cow, page, page + 1, true) == ENOENT;
    result = register_pages(cow, first, end);
    return result < 0 || !stale ? result : protect(cow, first, end, false);
}

/* ---- what there is --------------------------------------------------------------------------------------------- */

static int take_in(void *context, const struct page_region *region) {
    struct bs_cow *cow = context;
    bool open = region->categories & PAGE_IS_WRITTEN;
    if ((region->categories & PAGE_IS_GUARD) || (open && (region->categories & PAGE_IS_PFNZERO))) {
        return 0; /* it reads as zeros, and would after it were dropped */
    }
    uint64_t first = region->start / BS_PAGE_SIZE, end = region->end / BS_PAGE_SIZE;
    return bs_ranges_add(&cow->held, first, end) < 0 || (open && bs_ranges_add(&cow->open, first, end) < 0) ? -ENOMEM : 0;
}

static int look_through(struct bs_cow *cow, uint64_t first, uint64_t end) {
    struct page_region regions[REGIONS_AT_ONCE];
    struct bs_walk there = {
        .start = first * BS_PAGE_SIZE,
        .end = end * BS_PAGE_SIZE,
        .any_of = THERE,
        .tell = PAGE_IS_WRITTEN | PAGE_IS_PFNZERO | (cow->host.no_guard_category ? 0 : PAGE_IS_GUARD)};
    return bs_pagemap_walk(cow->host.pagemap, &there, regions, REGIONS_AT_ONCE, take_in, cow);
}

/* Where the last marked page of a file ended. */
struct unmarked {
    struct bs_vector *open;
    uint64_t from;
};

static int take_in_before(void *context, const struct page_region *region) {
    struct unmarked *unmarked = context;
    uint64_t first = region->start / BS_PAGE_SIZE;
    int result = unmarked->from < first ? bs_ranges_add(unmarked->open, unmarked->from, first) : 0;
    unmarked->from = region->end / BS_PAGE_SIZE;
    return result;
}

/* Of memory that has page tables everywhere, as it has once it was protected, this takes a fourth of the time. */
static int take_in_open(void *context, const struct page_region *region) {
    return bs_ranges_add(context, region->start / BS_PAGE_SIZE, region->end / BS_PAGE_SIZE);
}

static int look_for_open(struct bs_cow *cow, const struct bs_range *pages) {
    struct page_region regions[REGIONS_AT_ONCE];
    struct bs_walk unmarked = {.start = pages->first * BS_PAGE_SIZE,
                               .end = pages->end * BS_PAGE_SIZE,
                               .all_of = PAGE_IS_WRITTEN,
                               .tell = PAGE_IS_WRITTEN};
    return bs_pagemap_walk(cow->host.pagemap, &unmarked, regions, REGIONS_AT_ONCE, take_in_open, &cow->open);
}

static int look_for_marked(struct bs_cow *cow, const struct bs_range *pages) {
    struct page_region regions[REGIONS_AT_ONCE];
    struct unmarked unmarked = {&cow->open, pages->first};
    struct bs_walk marked = {.start = pages->first * BS_PAGE_SIZE,
                             .end = pages->end * BS_PAGE_SIZE,
                             .inverted = PAGE_IS_WRITTEN,
                             .all_of = PAGE_IS_WRITTEN,
                             .any_of = THERE};
    int result = bs_pagemap_walk(cow->host.pagemap, &marked, regions, REGIONS_AT_ONCE, take_in_before, &unmarked);
    return result < 0 || unmarked.from >= pages->end ? result : bs_ranges_add(&cow->open, unmarked.from, pages->end);
}

static int look_through_file(struct bs_cow *cow, const struct bs_range *pages) {
    int result = cow->has_gaps ? look_for_marked(cow, pages) : look_for_open(cow, pages);
    return result < 0 ? result : bs_ranges_add(&cow->held, pages->first, pages->end);
}

static int look_through_all(struct bs_cow *cow) {
    int result = 0;
    cow->held.size = cow->open.size = 0;
    for (size_t i = 0, count = area_count(cow); i < count && result == 0;) {
        const struct bs_cow_area *area = area_at(cow, i++);
        if (area->kind & BS_COW_FILE) {
            result = look_through_file(cow, &area->pages);
            continue;
        }
        uint64_t end = area->pages.end;
        while (i < count && (area_at(cow, i)->kind & BS_COW_JOINED)) {
            end = area_at(cow, i++)->pages.end;
        }
        result = look_through(cow, area->pages.first, end);
    }
    return result;
}

/*
 * Looks for areas that look as before but lost their registration: a move joined pages to them, where others had been
 * given back. The marks that they still have say nothing then. As in bs_cow_register, one marked page of each is
 * protected once more. The kernel tells nobody otherwise.
 */
static int open_unregistered(struct bs_cow *cow, bool *any) {
    size_t next = 0;
    *any = false;
    if (bs_ranges_subtract(&cow->scratch, &cow->held, &cow->open) < 0) { /* marked */
        return -ENOMEM;
    }
    for (size_t i = 0, count = area_count(cow); i < count; i++) {
        uint64_t bottom = area_at(cow, i)->pages.first, top = area_at(cow, i)->pages.end;
        bs_ranges_seek(&cow->scratch, bottom, &next);
        if (next == bs_ranges_count(&cow->scratch)) {
            break;
        }
        uint64_t first = bs_ranges_at(&cow->scratch, next)->first, page = first > bottom ? first : bottom;
        if (page >= top || bs_cow_protect(cow, page, page + 1, true) != ENOENT) {
            continue;
        }
        int result = register_pages(cow, bottom, top);
        if (result == 0) {
            result = protect(cow, bottom, top, false);
        }
        if (result < 0) {
            return result;
        }
        *any = cow->has_gaps = true;
    }
    return 0;
}

int bs_cow_scan(struct bs_cow *cow) {
    bool any = false;
    if (cow->host.tells_removals) {
        bs_cow_take_in(cow);
    }
    int result = look_through_all(cow);
    if (result == 0) {
        result = open_unregistered(cow, &any);
    }
    return result == 0 && any ? look_through_all(cow) : result;
}

/* ---- protecting ------------------------------------------------------------------------------------------------ */

/* Memory can have been replaced by such of the same kind in the same place, which is not registered. */
static int protect_in(struct bs_cow *cow, const struct bs_cow_area *area, uint64_t first, uint64_t end) {
    if (bs_cow_protect(cow, first, end, true) == 0) {
        return 0;
    }
    int result = register_pages(cow, area->pages.first, area->pages.end);
    return result < 0 ? result : protect(cow, first, end, true);
}

/* Pages that are protected already may be protected with their neighbours: a call costs as much as a hundred pages. */
#define GAP 64

/* Protects what is open but for what shall stay so. */
static int protect_all(struct bs_cow *cow, const struct bs_vector *stay_open) {
    if (bs_ranges_subtract(&cow->scratch, &cow->open, stay_open) < 0) {
        return -ENOMEM;
    }
    size_t next = 0, staying = 0;
    for (size_t i = 0, count = area_count(cow); i < count; i++) {
        const struct bs_cow_area *area = area_at(cow, i);
        uint64_t bottom = area->pages.first, top = area->pages.end, first = 0, end = 0;
        int result = 0;
        for (; result == 0 && next < bs_ranges_count(&cow->scratch); next++) {
            const struct bs_range *range = bs_ranges_at(&cow->scratch, next);
            if (range->first >= top) {
                break;
            }
            uint64_t from = range->first > bottom ? range->first : bottom, to = range->end < top ? range->end : top;
            if (end == 0 || from - end > GAP || bs_ranges_have_any(stay_open, end, from, &staying)) {
                result = end > 0 ? protect_in(cow, area, first, end) : 0;
                first = from;
            }
            end = to;
            if (range->end > top) {
                break; /* the rest lies in the next area */
            }
        }
        if (result == 0 && end > 0) {
            result = protect_in(cow, area, first, end);
        }
        if (result < 0) {
            return result;
        }
    }
    cow->has_gaps = false; /* what stays open was read or written */
    return 0;
}

/* ---- captures -------------------------------------------------------------------------------------------------- */

int bs_cow_choose(struct bs_cow *cow, const struct bs_vector *predicted, struct bs_vector *pages) {
    int result = bs_ranges_intersect(&cow->next_writable, predicted, &cow->open);
    return result < 0 ? result : bs_ranges_add_all(pages, &cow->next_writable, &cow->scratch);
}

uint64_t bs_cow_frames_owed(const struct bs_cow *cow) {
    return cow ? cow->overflow_used : 0;
}

/* If that fails nothing is lost: pages that are protected too early are saved once more. */
int bs_cow_end_interval(struct bs_cow *cow) {
    cow->rolling_back = false;
    int result = bs_vector_copy(&cow->past_held, &cow->held);
    if (result == 0) {
        result = protect_all(cow, &cow->next_writable);
    }
    if (result < 0) {
        return result;
    }
    bs_cow_give_frames_back(cow, &cow->past_log); /* if it was not asked for */
    bs_vector_swap(&cow->past_log, &cow->log);
    bs_vector_swap(&cow->past_open, &cow->open);
    bs_vector_swap(&cow->past_writable, &cow->writable);
    bs_vector_swap(&cow->writable, &cow->next_writable);
    bs_vector_swap(&cow->past_held_before, &cow->held_before);
    bs_vector_swap(&cow->held_before, &cow->held);
    cow->past_told = false;
    cow->past_forgot = cow->forgot;
    cow->forgot = false;
    return 0;
}

static int tell_past_interval(struct bs_cow *cow, bool settle) {
    const struct bs_cow_interval past = {&cow->past_log,  &cow->past_held_before, &cow->past_writable,
                                         &cow->past_held, &cow->past_open,        &cow->writable,
                                         cow->past_forgot};
    return bs_cow_tell(cow, &past, settle);
}

/* What was saved since is appended, but for pages that were lost before: they have been protected too early. */
static int append_to_past(struct bs_cow *cow) {
    const struct bs_saved_page *saved = (const struct bs_saved_page *) cow->log.data;
    size_t count = cow->log.size / sizeof *saved;
    if (bs_vector_reserve(&cow->past_log, cow->past_log.size + cow->log.size) < 0) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        size_t cursor = 0;
        if (bs_ranges_have(&cow->gone, saved[i].page, &cursor)) {
            bs_cow_keep(cow, saved[i].frame);
        } else {
            *(struct bs_saved_page *) bs_vector_extend(&cow->past_log, sizeof *saved) = saved[i];
        }
    }
    cow->log.size = 0;
    return 0;
}

static int resume_interval(struct bs_cow *cow) {
    int result = tell_past_interval(cow, false);
    for (size_t i = 0; i < bs_ranges_count(&cow->gone) && result == 0; i++) {
        result = protect(cow, bs_ranges_at(&cow->gone, i)->first, bs_ranges_at(&cow->gone, i)->end, false);
    }
    if (result < 0 || (result = append_to_past(cow)) < 0) {
        return result;
    }
    bs_vector_swap(&cow->log, &cow->past_log);
    bs_vector_swap(&cow->writable, &cow->past_writable);
    bs_vector_swap(&cow->held_before, &cow->past_held_before);
    return 0;
}

/* If there is no memory for it, the checkpoint that it began with cannot be restored. */
void bs_cow_resume_interval(struct bs_cow *cow) {
    if (!cow->past_told) {
        bs_cow_hold(cow);
        cow->forgot = resume_interval(cow) < 0 || cow->past_forgot;
        cow->past_told = true;
        bs_cow_release(cow);
    }
}

/* ---- what is told ---------------------------------------------------------------------------------------------- */

static void fill_in(const struct bs_cow *cow, struct bs_saved *saved) {
    saved->count = bs_numbers_count(&cow->saved_pages);
    saved->pages = (uint64_t) (uintptr_t) cow->saved_pages.data;
    saved->frames = (uint64_t) (uintptr_t) cow->saved_frames.data;
    saved->released = (uint64_t) (uintptr_t) cow->released.data;
    saved->released_count = bs_ranges_count(&cow->released);
    saved->lost = cow->lost;
    saved->faults = cow->faults;
}

int bs_cow_saved(bs_cow *cow, uint64_t spare, uint64_t spare_count, struct bs_saved *saved) {
    memset(saved, 0, sizeof *saved);
    if (cow->rolling_back) {
        fill_in(cow, saved);
        return 0;
    }
    bs_cow_lock(cow);
    int result = tell_past_interval(cow, true);
    if (result == 0) {
        cow->past_log.size = 0; /* its frames are the caller's now */
        cow->past_told = true;
        saved->spare_used = bs_cow_pay_back(cow, (const uint64_t *) (uintptr_t) spare, spare_count);
        fill_in(cow, saved);
    }
    pthread_mutex_unlock(&cow->lock);
    return result;
}

/* ---- rollbacks ------------------------------------------------------------------------------------------------- */

/* Under the lock, by the owner's thread or now. */
static int tell_open_interval(struct bs_cow *cow, const struct bs_vector *writable) {
    const struct bs_cow_interval now = {&cow->log, &cow->held_before, writable, &cow->held, &cow->open, &nothing,
                                        cow->forgot};
    bool began = bs_cow_hold(cow);
    int result = bs_cow_tell(cow, &now, false);
    if (began) {
        bs_cow_release(cow);
    }
    return result;
}

int bs_cow_refuse(const struct bs_cow *cow) {
    return bs_fail(BS_EREFUSED,
                   "process %d gave memory back since the last checkpoint (%llu pages), and their content with it; "
                   "--capture copy keeps it",
                   (int) cow->host.pid, (unsigned long long) cow->lost);
}

int bs_cow_look_back(struct bs_cow *cow) {
    cow->rolling_back = false;
    return tell_open_interval(cow, &cow->writable);
}

int bs_cow_find_open(struct bs_cow *cow, struct bs_vector *pages) {
    int result = bs_cow_look_back(cow);
    cow->rolling_back = result == 0;
    return result < 0 ? result : bs_ranges_add_all(pages, &cow->open, &cow->scratch);
}

/* Those that come from the log of the open interval are protected later: their frames do not stay. */
static int note_pages(struct bs_cow *cow, const struct bs_restore_pages *pages) {
    const uint64_t *numbers = (const uint64_t *) (uintptr_t) pages->pages;
    const uint64_t *frames = (const uint64_t *) (uintptr_t) pages->frames;
    const uint64_t *saved = (const uint64_t *) cow->saved_pages.data, *kept = (const uint64_t *) cow->saved_frames.data;
    size_t next = 0, saved_count = cow->saved_pages.size / sizeof *saved;
    cow->next_writable.size = cow->scratch.size = 0;
    for (size_t i = 0; i < pages->count; i++) {
        while (next < saved_count && saved[next] < numbers[i]) {
            next++;
        }
        bool ours = next < saved_count && saved[next] == numbers[i] && kept[next] == frames[i];
        if ((!ours && bs_ranges_add(&cow->next_writable, numbers[i], numbers[i] + 1) < 0) ||
            bs_ranges_add(&cow->scratch, numbers[i], numbers[i] + 1) < 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int note_dropped(struct bs_cow *cow, const struct bs_restore_pages *pages) {
    const uint64_t *dropped = (const uint64_t *) (uintptr_t) pages->dropped;
    cow->fresh.size = 0;
    for (size_t i = 0; i < pages->dropped_count; i++) {
        if (bs_ranges_add(&cow->fresh, dropped[i], dropped[i] + 1) < 0) {
            return -ENOMEM;
        }
    }
    return bs_ranges_add_all(&cow->scratch, &cow->fresh, &cow->scratch_too);
}

int bs_cow_open_pages(struct bs_cow *cow, const struct bs_restore_pages *pages) {
    int result = note_pages(cow, pages);
    if (result < 0 || (result = note_dropped(cow, pages)) < 0 ||
        (result = bs_ranges_subtract(&cow->scratch_too, &cow->held, &cow->open)) < 0 || /* protected */
        (result = bs_ranges_intersect(&cow->released, &cow->scratch, &cow->scratch_too)) < 0) {
        return result;
    }
    for (size_t i = 0; i < bs_ranges_count(&cow->released) && result == 0; i++) {
        const struct bs_range *range = bs_ranges_at(&cow->released, i);
        result = protect(cow, range->first, range->end, false);
    }
    return result;
}

/* Under the lock. */
static int begin_anew(struct bs_cow *cow, const struct bs_vector *stay_open) {
    int result = protect_all(cow, stay_open);
    if (result == 0) {
        result = bs_vector_copy(&cow->held_before, &cow->held);
    }
    if (result == 0) {
        bs_cow_give_frames_back(cow, &cow->log);
    }
    return result;
}

int bs_cow_restore_end(struct bs_cow *cow, bool all_held) {
    cow->rolling_back = false;
    bs_cow_hold(cow);
    int result = bs_ranges_intersect(&cow->scratch_too, &cow->next_writable, &cow->open);
    if (result == 0) {
        bs_vector_swap(&cow->next_writable, &cow->scratch_too);
        result = begin_anew(cow, all_held ? &nothing : &cow->next_writable);
    }
    if (result == 0) {
        bs_vector_swap(&cow->writable, &cow->next_writable);
    }
    bs_cow_release(cow);
    return result;
}

int bs_cow_find_spoiled(struct bs_cow *cow) {
    return tell_open_interval(cow, &nothing);
}

int bs_cow_mended(struct bs_cow *cow) {
    bs_cow_hold(cow);
    int result = begin_anew(cow, &nothing);
    bs_cow_release(cow);
    return result;
}
