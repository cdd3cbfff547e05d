// SPDX-License-Identifier: Apache-2.0
/*
 * Held writes of a virtual machine's process, those of the kernel as well, which reads from disks and networks for it.
 *
 * Nobody waits for anybody in a circle: what is asked of the process, by its monitor, can need a write that is held, so
 * held writes wait for the caller only while it is at leisure. Otherwise they are saved in memory of our own. And the lock
 * that keeps the handler out is never kept while the process is waited for.
 *
 * A rollback leaves everything protected, though much of it lies with the caller: so what devices write when they are
 * loaded after it is known, and is taken back from what was saved of it.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "error.h"
#include "guest.h"

int bs_guest_hold_writes(bs_guest *g, int uffd) {
    const struct bs_cow_host host = {.pid = g->reader.pid,
                                     .memory = g->reader.memory,
                                     .pagemap = g->tracked.pagemap,
                                     .tells_removals = true,
                                     .no_guard_category = !bs_pagemap_knows(g->tracked.pagemap, PAGE_IS_GUARD)};
    int result = bs_cow_begin(g->cow, uffd, &host);
    bs_cow_urgent(g->cow, true);
    return result;
}

int bs_guest_hold(bs_guest *g, const struct bs_shown *part, bool is_file) {
    uint64_t first = part->address / BS_PAGE_SIZE, end = first + part->length / BS_PAGE_SIZE;
    size_t count = g->cow->areas.size / sizeof(struct bs_cow_area);
    const struct bs_cow_area *areas = (const struct bs_cow_area *) g->cow->areas.data;
    for (size_t i = 0; i < count; i++) {
        if (areas[i].pages.first < end && areas[i].pages.end > first) {
            return bs_fail(-EINVAL, "hold writes at %llx: tracked already", (unsigned long long) part->address);
        }
    }
    bs_cow_hold(g->cow);
    int result = bs_cow_register(g->cow, first, end);
    if (result == 0 && bs_cow_protect(g->cow, first, first + 1, true) == EINVAL) {
        result = bs_fail(BS_EUNFIT,
                         "memory of the machine at %llx lies on huge pages (hugetlbfs), of which no 4096 bytes can be "
                         "protected by themselves",
                         (unsigned long long) part->address);
    }
    if (result == 0) {
        result = bs_cow_add_area(g->cow, first, end, is_file ? BS_COW_FILE : 0);
    }
    bs_cow_release(g->cow);
    return result != -EINVAL || !is_file
               ? result
               : bs_fail(BS_EUNFIT,
                         "memory of the machine at %llx lies in a file on a disk, whose writes the kernel does not hold: "
                         "use --capture copy, or a file in memory (memfd, /dev/shm)",
                         (unsigned long long) part->address);
}

void bs_guest_at_leisure(bs_guest *g, uint32_t on) {
    bs_cow_urgent(g->cow, !on);
}

/* ---- captures ---------------------------------------------------------------------------------------------------- */

static int begin(bs_guest *g, const struct bs_capture *c) {
    const struct bs_vector predicted = bs_ranges_view(c->predicted, c->predicted_count);
    bs_phases_begin(&g->phases);
    g->chosen.size = 0;
    bs_cow_hold(g->cow);
    int result = bs_cow_scan(g->cow);
    if (result == 0 && (result = bs_cow_choose(g->cow, &predicted, &g->chosen)) == 0) {
        result = bs_ranges_list(&g->pages, &g->chosen);
    }
    bs_phases_end(&g->phases, BS_PHASE_SCAN);
    return result;
}

static int complete(bs_guest *g, const struct bs_capture *c) {
    int result = bs_copy_in_shared(&g->reader, (const uint64_t *) g->pages.data, (const uint64_t *) (uintptr_t) c->frames,
                                   c->page_count);
    bs_phases_end(&g->phases, BS_PHASE_COPY);
    if (result == 0) {
        result = bs_cow_end_interval(g->cow);
    }
    bs_phases_end(&g->phases, BS_PHASE_SCAN);
    return result;
}

int bs_guest_capture_held(bs_guest *g, struct bs_capture *c) {
    if (c->flags & BS_CAPTURE_LIVE) {
        return bs_fail(-EINVAL, "nothing of process %d is copied ahead: its writes are held", (int) g->reader.pid);
    }
    if ((c->flags & BS_CAPTURE_CONTINUE) && !g->capturing) {
        return bs_fail(-EINVAL, "no capture waits for frames");
    }
    int result = c->flags & BS_CAPTURE_CONTINUE ? 0 : begin(g, c);
    if (result == 0) {
        c->page_count = bs_numbers_count(&g->pages) + bs_cow_frames_owed(g->cow);
        g->capturing = c->page_count > c->frame_count;
        if (g->capturing) {
            return BS_MORE_FRAMES;
        }
        c->page_count = bs_numbers_count(&g->pages);
        result = complete(g, c);
    }
    bs_cow_release(g->cow);
    if (result == 0) {
        bs_tell_memory(c, &g->pages, &g->phases);
        c->predicted = (uint64_t) (uintptr_t) g->cow->writable.data;
        c->predicted_count = bs_ranges_count(&g->cow->writable);
        c->held_pages = bs_ranges_pages(&g->cow->held_before);
        c->mappings = g->cow->areas.size / sizeof(struct bs_cow_area);
    }
    return result;
}

void bs_guest_abandon_held(bs_guest *g) {
    g->capturing = false;
    bs_cow_release(g->cow);
    bs_cow_resume_interval(g->cow);
}

/* ---- rollbacks --------------------------------------------------------------------------------------------------- */

static int scan(bs_guest *g) {
    bs_cow_hold(g->cow);
    int result = bs_cow_scan(g->cow);
    bs_cow_release(g->cow);
    return result;
}

int bs_guest_look_back_held(bs_guest *g, struct bs_restore *restore) {
    g->chosen.size = 0;
    bs_cow_settle(g->cow);
    int result = scan(g);
    if (result < 0 || (result = bs_cow_find_open(g->cow, &g->chosen)) < 0) {
        return result;
    }
    if (g->cow->lost > 0) {
        return bs_cow_refuse(g->cow);
    }
    restore->written = (uint64_t) (uintptr_t) g->chosen.data;
    restore->written_count = bs_ranges_count(&g->chosen);
    restore->held = restore->held_count = 0;
    return 0;
}

int bs_guest_restore_held(bs_guest *g, const struct bs_restore_pages *pages) {
    const uint64_t *numbers = (const uint64_t *) (uintptr_t) pages->pages;
    const uint64_t *frames = (const uint64_t *) (uintptr_t) pages->frames;
    bs_cow_hold(g->cow);
    int result = bs_cow_open_pages(g->cow, pages);
    bs_cow_release(g->cow);
    if (result < 0 ||
        (result = bs_guest_drop(g, (const uint64_t *) (uintptr_t) pages->dropped, pages->dropped_count)) < 0 ||
        (result = bs_copy_out(&g->reader, numbers, frames, pages->count)) < 0 || (result = scan(g)) < 0) {
        return result;
    }
    return bs_cow_restore_end(g->cow, true);
}

/* Of what was found, pages that had content go to pages and frames, and the others behind them. */
static int list_spoiled(bs_guest *g, size_t *count, size_t *dropped_count) {
    const uint64_t *pages = (const uint64_t *) g->cow->saved_pages.data;
    const uint64_t *frames = (const uint64_t *) g->cow->saved_frames.data;
    size_t all = bs_numbers_count(&g->cow->saved_pages);
    *count = *dropped_count = 0;
    if (bs_vector_reserve(&g->pages, all * sizeof *pages) < 0 || bs_vector_reserve(&g->frames, all * sizeof *pages) < 0) {
        return -ENOMEM;
    }
    uint64_t *into = (uint64_t *) g->pages.data, *their_frames = (uint64_t *) g->frames.data;
    for (size_t i = 0; i < all; i++) {
        if (frames[i]) {
            into[*count] = pages[i];
            their_frames[(*count)++] = frames[i];
        }
    }
    for (size_t i = 0; i < all; i++) {
        if (!frames[i]) {
            into[*count + (*dropped_count)++] = pages[i];
        }
    }
    return 0;
}

int bs_guest_undo(bs_guest *g) {
    size_t count, dropped_count;
    int result = scan(g);
    if (result < 0 || (result = bs_cow_find_spoiled(g->cow)) < 0 ||
        (result = list_spoiled(g, &count, &dropped_count)) < 0) {
        return result;
    }
    if (g->cow->lost > 0) {
        return bs_cow_refuse(g->cow);
    }
    const uint64_t *pages = (const uint64_t *) g->pages.data, *frames = (const uint64_t *) g->frames.data;
    if ((result = bs_guest_drop(g, pages + count, dropped_count)) < 0 ||
        (result = bs_copy_out(&g->reader, pages, frames, count)) < 0 || (result = scan(g)) < 0) {
        return result;
    }
    return bs_cow_mended(g->cow);
}
