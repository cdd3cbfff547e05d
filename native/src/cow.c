// SPDX-License-Identifier: Apache-2.0
/*
 * The cow discipline: private anonymous memory is write-protected by a userfaultfd in synchronous mode, and the first
 * write to a page is held until a thread of ours (cow_handler.c) has saved what the page holds. Nothing of it is copied
 * in a pause but the pages that were predicted; those are left open.
 *
 * The kernel holds no writes to private mappings of files. They are tracked and copied as in the copy discipline, by a
 * userfaultfd of their own.
 *
 * A page is, between two captures,
 *
 *   protected    as it was at the last capture
 *   saved        its first write was held; in the log; open
 *   writable     it was copied in the last pause; open
 *   fresh        it had no content at the last capture; open
 *   lost         it was given back before anybody had saved it: nothing can bring it back
 *
 * The kernel tells only protected from open, and what has content. The rest follows from the sets kept here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cow.h"
#include "error.h"
#include "kernel.h"
#include "pagemap.h"

#define REGIONS_AT_ONCE 1024
#define LOW_AT_FIRST 64
#define THERE (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)

/* ---- beginning and ending -------------------------------------------------------------------------------------- */

int bs_process_hold_writes(bs_process *p) {
    if (p->cow) {
        return 0;
    }
    struct bs_cow *cow = calloc(1, sizeof *cow);
    if (!cow) {
        return bs_fail(-ENOMEM, "save pages of process %d: out of memory", (int) p->pid);
    }
    cow->process = p;
    cow->uffd = cow->stop = -1;
    cow->low = LOW_AT_FIRST;
    pthread_mutex_init(&cow->lock, NULL);
    pthread_cond_init(&cow->fed, NULL);
    p->cow = cow;
    return 0;
}

int bs_cow_open(struct bs_process *p, uint64_t *interrupted_ns) {
    struct bs_cow *cow = p->cow;
    int result = bs_track_make(p, O_CLOEXEC | O_NONBLOCK, &cow->uffd, interrupted_ns);
    if (result == -EPERM) {
        return bs_fail(BS_EUNFIT,
                       "process %d may not hold its own writes: cow needs CAP_SYS_PTRACE in the process, or "
                       "vm.unprivileged_userfaultfd=1; --capture copy needs neither",
                       (int) p->pid);
    }
    if (result < 0) {
        return result;
    }
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP};
    if (ioctl(cow->uffd, UFFDIO_API, &api) < 0) {
        return bs_fail_errno("write-protection for process %d", (int) p->pid);
    }
    return bs_cow_handler_start(cow);
}

bool bs_cow_is_overflow(const struct bs_cow *cow, uint64_t frame) {
    for (size_t i = 0; i < cow->overflow_used; i++) {
        if (((const uint64_t *) cow->overflow.data)[i] == frame) {
            return true;
        }
    }
    return false;
}

void bs_cow_keep(struct bs_cow *cow, uint64_t frame) {
    uint64_t *place = bs_cow_is_overflow(cow, frame) ? NULL : bs_vector_extend(&cow->pool, sizeof *place);
    if (place) {
        *place = frame;
        pthread_cond_signal(&cow->fed);
    }
}

void bs_cow_give_frames_back(struct bs_cow *cow, const struct bs_vector *log) {
    const struct bs_saved_page *saved = (const struct bs_saved_page *) log->data;
    for (size_t i = 0; i < log->size / sizeof *saved; i++) {
        bs_cow_keep(cow, saved[i].frame);
    }
}

/* Frames of our own that nothing refers to any more; the pool may have one that was not used. */
static void reset_overflow(struct bs_cow *cow) {
    uint64_t *pool = (uint64_t *) cow->pool.data;
    size_t kept = 0;
    for (size_t i = 0; cow->overflow_used > 0 && i < cow->pool.size / sizeof *pool; i++) {
        if (!bs_cow_is_overflow(cow, pool[i])) {
            pool[kept++] = pool[i];
        }
    }
    cow->pool.size = cow->overflow_used > 0 ? kept * sizeof *pool : cow->pool.size;
    cow->overflow_used = 0;
}

void bs_cow_close(struct bs_process *p) {
    struct bs_cow *cow = p->cow;
    if (!cow) {
        return;
    }
    bs_cow_release(p);
    cow->rolling_back = false;
    bs_cow_handler_end(cow);
    if (cow->uffd >= 0) {
        close(cow->uffd);
        cow->uffd = -1;
    }
    bs_cow_give_frames_back(cow, &cow->log);
    reset_overflow(cow);
    struct bs_vector *sets[] = {&cow->log,       &cow->held,        &cow->open,        &cow->writable,
                                &cow->held_before, &cow->next_writable};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        sets[i]->size = 0;
    }
}

void bs_cow_fini(struct bs_process *p) {
    struct bs_cow *cow = p->cow;
    if (!cow) {
        return;
    }
    bs_cow_close(p);
    for (size_t i = 0; i < cow->overflow.size / sizeof(uint64_t); i++) {
        munmap((void *) (uintptr_t) ((const uint64_t *) cow->overflow.data)[i], BS_PAGE_SIZE);
    }
    struct bs_vector *vectors[] = {&cow->pool,          &cow->log,          &cow->overflow,     &cow->held,
                                   &cow->open,          &cow->writable,     &cow->next_writable,
                                   &cow->held_before,   &cow->scratch,      &cow->scratch_too,  &cow->past_log,
                                   &cow->past_held,     &cow->past_open,    &cow->past_writable, &cow->past_held_before,
                                   &cow->keys,          &cow->saved_ranges, &cow->fresh,              &cow->saved_pages,  &cow->saved_frames, &cow->released};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    pthread_cond_destroy(&cow->fed);
    pthread_mutex_destroy(&cow->lock);
    free(cow);
    p->cow = NULL;
}

/* ---- frames ---------------------------------------------------------------------------------------------------- */

int bs_process_feed(bs_process *p, uint64_t frames, uint64_t count, uint64_t low) {
    struct bs_cow *cow = p->cow;
    if (!cow) {
        return bs_fail(-EINVAL, "process %d saves no pages by itself", (int) p->pid);
    }
    bs_cow_lock(cow);
    uint64_t *places = count == 0 ? NULL : bs_vector_extend(&cow->pool, count * sizeof *places);
    if (places) {
        memcpy(places, (const void *) (uintptr_t) frames, count * sizeof *places);
    }
    cow->low = low;
    cow->asked = false;
    pthread_cond_signal(&cow->fed);
    pthread_mutex_unlock(&cow->lock);
    return places || count == 0 ? 0 : -ENOMEM;
}

int64_t bs_process_take_frames(bs_process *p, uint64_t frames, uint64_t count) {
    struct bs_cow *cow = p->cow;
    uint64_t taken = 0;
    if (cow) {
        bs_cow_lock(cow);
        uint64_t *pool = (uint64_t *) cow->pool.data;
        for (; taken < count && cow->overflow_used == 0 && cow->pool.size > 0; taken++) {
            cow->pool.size -= sizeof *pool;
            ((uint64_t *) (uintptr_t) frames)[taken] = pool[cow->pool.size / sizeof *pool];
        }
        pthread_mutex_unlock(&cow->lock);
    }
    return (int64_t) taken;
}

int64_t bs_process_pooled(bs_process *p) {
    struct bs_cow *cow = p->cow;
    if (!cow) {
        return 0;
    }
    bs_cow_lock(cow);
    int64_t pooled = (int64_t) (cow->pool.size / sizeof(uint64_t));
    pthread_mutex_unlock(&cow->lock);
    return pooled;
}

void bs_cow_urgent(struct bs_process *p, bool urgent) {
    struct bs_cow *cow = p->cow;
    if (cow && !cow->locked && cow->urgent != urgent) {
        bs_cow_lock(cow);
        cow->urgent = urgent;
        pthread_cond_signal(&cow->fed);
        pthread_mutex_unlock(&cow->lock);
    }
}

/* No held write is half dealt with, and none will be, until bs_cow_release. */
void bs_cow_hold(struct bs_process *p) {
    if (p->cow && !p->cow->locked) {
        bs_cow_lock(p->cow);
        p->cow->locked = true;
    }
}

void bs_cow_release(struct bs_process *p) {
    if (p->cow && p->cow->locked) {
        p->cow->locked = false;
        pthread_mutex_unlock(&p->cow->lock);
    }
}

/* ---- mappings -------------------------------------------------------------------------------------------------- */

static int protect(struct bs_cow *cow, uint64_t first, uint64_t end, bool on) {
    errno = bs_cow_protect(cow, first, end, on);
    return errno == 0 ? 0 : bs_fail_errno("%s pages from %llx of process %d", on ? "protect" : "open",
                                          (unsigned long long) first, (int) cow->process->pid);
}

/*
 * Memory that lost its registration can keep its marks, and then be written unseen. So one marked page is protected
 * once more, which fails if the registration is gone; then the marks go too, and what is there counts as open.
 */
int bs_cow_register(struct bs_process *p, const struct bs_mapping *mapping) {
    struct bs_walk marked = {.start = mapping->start,
                             .end = mapping->end,
                             .inverted = PAGE_IS_WRITTEN,
                             .all_of = PAGE_IS_WRITTEN,
                             .any_of = THERE};
    uint64_t page;
    int result = bs_pagemap_first(p->pagemap, &marked, &page);
    if (result < 0) {
        return result;
    }
    bool stale = result > 0 && bs_cow_protect(p->cow, page, page + 1, true) == ENOENT;
    result = bs_track_register(p, p->cow->uffd, mapping);
    return result < 0 || !stale
               ? result
               : protect(p->cow, mapping->start / BS_PAGE_SIZE, mapping->end / BS_PAGE_SIZE, false);
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

static int look_through(struct bs_process *p, uint64_t start, uint64_t end) {
    struct page_region regions[REGIONS_AT_ONCE];
    struct bs_walk there = {.start = start,
                            .end = end,
                            .any_of = THERE,
                            .tell = PAGE_IS_WRITTEN | PAGE_IS_PFNZERO | (p->no_guard_category ? 0 : PAGE_IS_GUARD)};
    return bs_pagemap_walk(p->pagemap, &there, regions, REGIONS_AT_ONCE, take_in, p->cow);
}

/* From one mapping of others to the next: neighbours are walked at once. */
static int look_through_all(struct bs_process *p) {
    size_t count;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    p->cow->held.size = p->cow->open.size = 0;
    for (size_t i = 0; i < count;) {
        if (!bs_cow_tracks(p, mappings + i)) {
            i++;
            continue;
        }
        uint64_t start = mappings[i].start, end = start;
        while (i < count && bs_cow_tracks(p, mappings + i)) {
            end = mappings[i++].end;
        }
        int result = look_through(p, start, end);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/*
 * Looks for mappings that look as before but lost their registration: a move joined pages to them, where others had been
 * given back. The marks that they still have say nothing then. As in bs_cow_register, one marked page of each is
 * protected once more. The kernel tells nobody otherwise.
 */
static int open_unregistered(struct bs_process *p, bool *any) {
    struct bs_cow *cow = p->cow;
    size_t count, next = 0;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    *any = false;
    if (bs_ranges_subtract(&cow->scratch, &cow->held, &cow->open) < 0) { /* marked */
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t bottom = mappings[i].start / BS_PAGE_SIZE, top = mappings[i].end / BS_PAGE_SIZE;
        bs_ranges_seek(&cow->scratch, bottom, &next);
        if (next == bs_ranges_count(&cow->scratch)) {
            break;
        }
        uint64_t first = bs_ranges_at(&cow->scratch, next)->first, page = first > bottom ? first : bottom;
        if (page >= top || !bs_cow_tracks(p, mappings + i) || bs_cow_protect(cow, page, page + 1, true) != ENOENT) {
            continue;
        }
        int result = bs_track_register(p, cow->uffd, mappings + i);
        if (result == 0) {
            result = protect(cow, bottom, top, false);
        }
        if (result < 0) {
            return result;
        }
        *any = true;
    }
    return 0;
}

int bs_cow_scan(struct bs_process *p) {
    bool any = false;
    int result = look_through_all(p);
    if (result == 0) {
        result = open_unregistered(p, &any);
    }
    return result == 0 && any ? look_through_all(p) : result;
}

const struct bs_vector *bs_cow_held(const struct bs_process *p) {
    return &p->cow->held;
}

/* ---- protecting ------------------------------------------------------------------------------------------------ */

/* A mapping can have been replaced by one of the same kind in the same place, which is not registered. */
static int protect_in(struct bs_cow *cow, const struct bs_mapping *mapping, uint64_t first, uint64_t end) {
    if (bs_cow_protect(cow, first, end, true) == 0) {
        return 0;
    }
    int result = bs_track_register(cow->process, cow->uffd, mapping);
    return result < 0 ? result : protect(cow, first, end, true);
}

/* Pages that are protected already may be protected with their neighbours: a call costs as much as a hundred pages. */
#define GAP 64

/* Protects what is open but for what shall stay so. */
static int protect_all(struct bs_process *p, const struct bs_vector *stay_open) {
    struct bs_cow *cow = p->cow;
    if (bs_ranges_subtract(&cow->scratch, &cow->open, stay_open) < 0) {
        return -ENOMEM;
    }
    size_t count, next = 0, staying = 0;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    for (size_t i = 0; i < count; i++) {
        uint64_t bottom = mappings[i].start / BS_PAGE_SIZE, top = mappings[i].end / BS_PAGE_SIZE, first = 0, end = 0;
        int result = 0;
        for (; bs_cow_tracks(p, mappings + i) && result == 0 && next < bs_ranges_count(&cow->scratch); next++) {
            const struct bs_range *range = bs_ranges_at(&cow->scratch, next);
            if (range->first >= top) {
                break;
            }
            uint64_t from = range->first > bottom ? range->first : bottom, to = range->end < top ? range->end : top;
            if (end == 0 || from - end > GAP || bs_ranges_have_any(stay_open, end, from, &staying)) {
                result = end > 0 ? protect_in(cow, mappings + i, first, end) : 0;
                first = from;
            }
            end = to;
            if (range->end > top) {
                break; /* the rest lies in the next mapping */
            }
        }
        if (result == 0 && end > 0) {
            result = protect_in(cow, mappings + i, first, end);
        }
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* ---- captures and rollbacks ------------------------------------------------------------------------------------ */

/* After the scan: adds the pages that are to be copied and left open to those in p->dirty. */
int bs_cow_choose(struct bs_process *p) {
    struct bs_cow *cow = p->cow;
    int result = bs_ranges_intersect(&cow->next_writable, &p->predicted, &cow->open);
    return result < 0 ? result : bs_ranges_add_all(&p->dirty, &cow->next_writable, &cow->scratch);
}

/* Frames that a capture needs besides those for what it copies. */
uint64_t bs_cow_frames_owed(const struct bs_process *p) {
    return p->cow ? p->cow->overflow_used : 0;
}

/* The interval ends. If that fails nothing is lost: pages that are protected too early are saved once more. */
int bs_cow_end_interval(struct bs_process *p) {
    struct bs_cow *cow = p->cow;
    cow->rolling_back = false;
    int result = bs_vector_copy(&cow->past_held, &cow->held);
    if (result == 0) {
        result = protect_all(p, &cow->next_writable);
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
    cow->log.size = 0;
    return 0;
}

static void fill_in(const struct bs_cow *cow, struct bs_saved *saved) {
    saved->count = cow->saved_pages.size / sizeof(uint64_t);
    saved->pages = (uint64_t) (uintptr_t) cow->saved_pages.data;
    saved->frames = (uint64_t) (uintptr_t) cow->saved_frames.data;
    saved->released = (uint64_t) (uintptr_t) cow->released.data;
    saved->released_count = bs_ranges_count(&cow->released);
    saved->lost = cow->lost;
    saved->faults = cow->faults;
}

/* Frames of our own are exchanged for some of the caller's. */
static uint64_t pay_back(struct bs_cow *cow, const uint64_t *spare, uint64_t count) {
    uint64_t *frames = (uint64_t *) cow->saved_frames.data, used = 0;
    for (size_t i = 0; cow->overflow_used > 0 && i < cow->saved_frames.size / sizeof *frames; i++) {
        if (frames[i] != 0 && used < count && bs_cow_is_overflow(cow, frames[i])) {
            memcpy((void *) (uintptr_t) spare[used], (const void *) (uintptr_t) frames[i], BS_PAGE_SIZE);
            frames[i] = spare[used++];
        }
    }
    reset_overflow(cow);
    return used;
}

int bs_process_saved(bs_process *p, uint64_t spare, uint64_t spare_count, struct bs_saved *saved) {
    struct bs_cow *cow = p->cow;
    memset(saved, 0, sizeof *saved);
    if (!cow) {
        return bs_fail(-EINVAL, "process %d saves no pages by itself", (int) p->pid);
    }
    if (cow->rolling_back) {
        fill_in(cow, saved);
        return 0;
    }
    const struct bs_cow_interval past = {&cow->past_log, &cow->past_held_before, &cow->past_writable,
                                         &cow->past_held, &cow->past_open, &cow->writable};
    bs_cow_lock(cow);
    int result = bs_cow_tell(cow, &past, true);
    if (result == 0) {
        cow->past_log.size = 0; /* its frames are the caller's now */
        saved->spare_used = pay_back(cow, (const uint64_t *) (uintptr_t) spare, spare_count);
        fill_in(cow, saved);
    }
    pthread_mutex_unlock(&cow->lock);
    return result;
}

static int tell_open_interval(struct bs_process *p) {
    static const struct bs_vector nothing;
    struct bs_cow *cow = p->cow;
    const struct bs_cow_interval now = {&cow->log,  &cow->held_before, &cow->writable,
                                        &cow->held, &cow->open,        &nothing};
    bs_cow_lock(cow);
    int result = bs_cow_tell(cow, &now, false);
    pthread_mutex_unlock(&cow->lock);
    return result;
}

/* Before anything is changed for a rollback: is all there that it needs? */
int bs_cow_check(struct bs_process *p) {
    p->cow->rolling_back = false;
    int result = bs_track_all(p);
    if (result == 0) {
        result = tell_open_interval(p);
    }
    if (result == 0 && p->cow->lost > 0) {
        return bs_fail(BS_EREFUSED,
                       "process %d gave memory back since the last checkpoint (%llu pages), and their content with it; "
                       "--capture copy keeps it",
                       (int) p->pid, (unsigned long long) p->cow->lost);
    }
    return result;
}

/* After a scan: pages that can have been written are added to p->dirty. */
int bs_cow_find_dirty(struct bs_process *p) {
    struct bs_cow *cow = p->cow;
    int result = tell_open_interval(p);
    cow->rolling_back = result == 0;
    return result < 0 ? result : bs_ranges_add_all(&p->dirty, &cow->open, &cow->scratch);
}

/* After the layout is as it was: what is gone since the check was taken away by the rollback itself. */
void bs_cow_restore_begin(struct bs_process *p) {
    p->cow->lost = 0;
}

/* Opens the pages that will be written, so that our own writes are not held, and notes which of them stay open: those
 * whose frames are the caller's and stay with it. Those that come from the log of the open interval are protected. */
int bs_cow_restore_pages(struct bs_process *p, const uint64_t *pages, const uint64_t *frames, size_t count) {
    struct bs_cow *cow = p->cow;
    const uint64_t *saved = (const uint64_t *) cow->saved_pages.data, *kept = (const uint64_t *) cow->saved_frames.data;
    size_t next = 0, saved_count = cow->saved_pages.size / sizeof *saved;
    cow->next_writable.size = cow->scratch.size = 0;
    for (size_t i = 0; i < count; i++) {
        while (next < saved_count && saved[next] < pages[i]) {
            next++;
        }
        bool ours = next < saved_count && saved[next] == pages[i] && kept[next] == frames[i];
        if ((!ours && bs_ranges_add(&cow->next_writable, pages[i], pages[i] + 1) < 0) ||
            bs_ranges_add(&cow->scratch, pages[i], pages[i] + 1) < 0) {
            return -ENOMEM;
        }
    }
    if (bs_ranges_subtract(&cow->scratch_too, &cow->held, &cow->open) < 0) { /* protected */
        return -ENOMEM;
    }
    if (bs_ranges_intersect(&cow->released, &cow->scratch, &cow->scratch_too) < 0) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < bs_ranges_count(&cow->released); i++) {
        const struct bs_range *range = bs_ranges_at(&cow->released, i);
        int result = protect(cow, range->first, range->end, false);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* The target is as it was at its checkpoint, and was scanned: the interval begins anew. */
int bs_cow_restore_end(struct bs_process *p) {
    struct bs_cow *cow = p->cow;
    cow->rolling_back = false;
    bs_cow_hold(p);
    int result = bs_ranges_intersect(&cow->scratch_too, &cow->next_writable, &cow->open);
    if (result == 0) {
        bs_vector_swap(&cow->next_writable, &cow->scratch_too);
        result = protect_all(p, &cow->next_writable);
    }
    if (result == 0) {
        result = bs_vector_copy(&cow->held_before, &cow->held);
    }
    if (result == 0) {
        bs_vector_swap(&cow->writable, &cow->next_writable);
        bs_cow_give_frames_back(cow, &cow->log);
        cow->log.size = 0;
        reset_overflow(cow);
    }
    bs_cow_release(p);
    return result;
}
