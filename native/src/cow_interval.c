// SPDX-License-Identifier: Apache-2.0
/*
 * What is to be told of an interval, from the log and the sets at its two ends: the pre-images, ascending; the pages that
 * got content in it, which had none before; the pages that were open and are protected again; and how many are lost. In
 * the log a page can stand twice, if a capture that failed had protected it too early: the first entry counts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "cow.h"

#define PLACE_BITS 28 /* page numbers have 35 */

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

static int sort(struct bs_cow *cow, const struct bs_vector *log) {
    const struct bs_saved_page *saved = (const struct bs_saved_page *) log->data;
    size_t count = log->size / sizeof *saved;
    cow->keys.size = 0;
    if (bs_vector_reserve(&cow->keys, count * sizeof(uint64_t)) < 0) {
        return -ENOMEM;
    }
    uint64_t *keys = (uint64_t *) cow->keys.data;
    cow->keys.size = count * sizeof *keys;
    for (size_t i = 0; i < count; i++) {
        keys[i] = saved[i].page << PLACE_BITS | i;
    }
    if (count > 0) {
        qsort(keys, count, sizeof *keys, by_value);
    }
    return 0;
}

static int tell(struct bs_cow *cow, uint64_t page, uint64_t frame) {
    uint64_t *told = bs_vector_extend(&cow->saved_pages, sizeof *told);
    uint64_t *where = bs_vector_extend(&cow->saved_frames, sizeof *where);
    if (!told || !where) {
        return -ENOMEM;
    }
    *told = page;
    *where = frame;
    return 0;
}

static int tell_fresh_below(struct bs_cow *cow, struct bs_range *rest, size_t *cursor, uint64_t page) {
    while (*cursor < bs_ranges_count(&cow->fresh)) {
        if (rest->first == rest->end) {
            *rest = *bs_ranges_at(&cow->fresh, *cursor);
        }
        for (; rest->first < rest->end && rest->first < page; rest->first++) {
            if (tell(cow, rest->first, 0) < 0) {
                return -ENOMEM;
            }
        }
        if (rest->first < rest->end) {
            return 0;
        }
        ++*cursor;
    }
    return 0;
}

static int tell_pages(struct bs_cow *cow, const struct bs_cow_interval *interval, bool settle) {
    const struct bs_saved_page *log = (const struct bs_saved_page *) interval->log->data;
    const uint64_t *keys = (const uint64_t *) cow->keys.data;
    size_t before = 0, writable = 0, fresh = 0, count = cow->keys.size / sizeof *keys;
    struct bs_range rest = {0, 0};
    uint64_t last = UINT64_MAX;
    cow->saved_pages.size = cow->saved_frames.size = cow->saved_ranges.size = 0;
    for (size_t i = 0; i < count; i++) {
        const struct bs_saved_page *saved = log + (keys[i] & ((1ULL << PLACE_BITS) - 1));
        if (saved->page == last || bs_ranges_have(interval->writable, saved->page, &writable) ||
            !bs_ranges_have(interval->held_before, saved->page, &before)) {
            if (settle) {
                bs_cow_keep(cow, saved->frame);
            }
            continue;
        }
        last = saved->page;
        if (tell_fresh_below(cow, &rest, &fresh, saved->page) < 0 || tell(cow, saved->page, saved->frame) < 0 ||
            bs_ranges_add(&cow->saved_ranges, saved->page, saved->page + 1) < 0) {
            return -ENOMEM;
        }
    }
    return tell_fresh_below(cow, &rest, &fresh, UINT64_MAX);
}

/* Pages that were held, are gone or open, and neither saved nor copied. */
static int count_lost(struct bs_cow *cow, const struct bs_cow_interval *interval) {
    if (bs_ranges_subtract(&cow->scratch, interval->held_before, interval->held) < 0 ||
        bs_ranges_intersect(&cow->scratch_too, interval->open, interval->held_before) < 0 ||
        bs_ranges_union(&cow->released, &cow->scratch, &cow->scratch_too) < 0 ||
        bs_ranges_subtract(&cow->scratch, &cow->released, interval->writable) < 0 ||
        bs_ranges_subtract(&cow->gone, &cow->scratch, &cow->saved_ranges) < 0) {
        return -ENOMEM;
    }
    cow->lost = bs_ranges_pages(&cow->gone) + (interval->forgot ? 1 : 0);
    return 0;
}

int bs_cow_tell(struct bs_cow *cow, const struct bs_cow_interval *interval, bool settle) {
    cow->fresh.size = 0;
    if (sort(cow, interval->log) < 0 ||
        (interval->held_before->size > 0 && bs_ranges_subtract(&cow->fresh, interval->held, interval->held_before) < 0) ||
        tell_pages(cow, interval, settle) < 0 || count_lost(cow, interval) < 0 ||
        bs_ranges_subtract(&cow->released, interval->writable, interval->next_writable) < 0) {
        return -ENOMEM;
    }
    return 0;
}
