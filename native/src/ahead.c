// SPDX-License-Identifier: Apache-2.0
/*
 * Copying ahead of the pause, while the target runs: pages that were written and are not expected to be written again
 * soon are protected and copied, and in the pause only those of them that were written meanwhile are copied again. Pays
 * as long as these are few, since each costs the target another fault. Pages that are new always are: who fills memory
 * goes on to the next page.
 *
 * The marks that are taken here are carried like those of the pause, so that nothing is forgotten if it fails.
 */
#include <errno.h>
#include <string.h>

#include "process.h"

#define TOO_MANY 0.3  /* this share of them written again is too dear */
#define TRY_AGAIN 32  /* captures after which it is tried again */
#define WEIGHT 0.25   /* of the newest in an average */
#define BURST 4.0     /* so many times the usual is one */
#define FEW 512       /* but not so few pages */
#define SLACK 8       /* pages for so many that are expected, one more */
#define FRESH_SLACK 8 /* and another for so many in new mappings, which are being filled */

static size_t count_of(const struct bs_vector *numbers) {
    return numbers->size / sizeof(uint64_t);
}

static bool is_worth_it(struct bs_ahead *a) {
    return a->returned < TOO_MANY || a->rounds++ % TRY_AGAIN == 0;
}

/* Far more than usual: who writes so much goes on to other pages. */
static bool is_burst(const struct bs_ahead *a, size_t found) {
    return found > FEW && (double) found > BURST * a->usual;
}

static int find(struct bs_process *p) {
    struct bs_ahead *a = &p->ahead;
    bool worth_it = is_worth_it(a);
    size_t found = 0, fresh = 0;
    int result = worth_it ? 0 : bs_scan_count(p, &found);
    if (result == 0 && (result = bs_scan_ahead(p, !worth_it && !is_burst(a, found), &a->ranges)) == 0) {
        result = bs_ranges_list(&a->pages, &a->ranges);
    }
    if (result == 0) {
        result = bs_ranges_intersect(&a->ranges, &p->predicted, &p->held_at_capture);
    }
    if (result == 0) {
        result = bs_scan_fresh(p, &fresh);
    }
    found = worth_it ? count_of(&a->pages) : found;
    a->usual += WEIGHT * ((double) found - a->usual);
    a->expected = found + fresh + bs_ranges_pages(&a->ranges);
    a->expected += a->expected / SLACK + fresh / FRESH_SLACK; /* it writes on */
    return result;
}

void bs_ahead_find(struct bs_process *p) {
    struct bs_ahead *a = &p->ahead;
    a->pages.size = a->expected = 0;
    if (p->cow || p->all_dirty || p->loose || p->held_at_capture.size == 0 || find(p) < 0) {
        a->pages.size = a->expected = 0;
    }
}

void bs_ahead_copy(struct bs_process *p, const struct bs_capture *c) {
    struct bs_ahead *a = &p->ahead;
    if (count_of(&a->pages) > c->frame_count ||
        bs_copy_in(p, (const uint64_t *) a->pages.data, (const uint64_t *) (uintptr_t) c->frames, count_of(&a->pages),
                   NULL) < 0) {
        a->pages.size = 0; /* too few frames, or some pages are gone: all is left to the pause */
    }
}

static bool push(struct bs_vector *numbers, uint64_t number) {
    uint64_t *place = bs_vector_extend(numbers, sizeof number);
    if (place) {
        *place = number;
    }
    return place != NULL;
}

/* Frames in the order of the pages; those that were copied to ahead of the pause stay with their pages. */
static bool arrange(struct bs_process *p, const uint64_t *frames, size_t frame_count) {
    struct bs_ahead *a = &p->ahead;
    const uint64_t *pages = (const uint64_t *) p->pages.data, *early = (const uint64_t *) a->pages.data;
    size_t count = count_of(&p->pages), early_count = count_of(&a->pages), k = 0, cursor = 0;
    size_t known = 0, returned = 0;
    a->used = 0;
    a->arranged.size = a->spare.size = a->late.size = a->late_frames.size = 0;
    for (size_t i = frame_count; i-- > early_count;) { /* they are taken from the end */
        if (!push(&a->spare, frames[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < early_count; i++) {
        if (!bs_ranges_have(&p->dirty, early[i], &cursor) && !push(&a->spare, frames[i])) {
            return false;
        }
    }
    size_t before = 0;
    cursor = 0;
    for (size_t i = 0; i < count; i++) {
        while (k < early_count && early[k] < pages[i]) {
            k++;
        }
        bool was_early = k < early_count && early[k] == pages[i];
        bool is_late = !was_early || bs_ranges_have(&p->touched, pages[i], &cursor);
        uint64_t frame = was_early ? frames[k] : ((const uint64_t *) a->spare.data)[count_of(&a->spare) - 1];
        a->spare.size -= was_early ? 0 : sizeof frame;
        if (was_early && bs_ranges_have(&p->held_at_capture, pages[i], &before)) {
            known++;
            returned += is_late;
        }
        a->used += !is_late;
        if (!push(&a->arranged, frame) || (is_late && (!push(&a->late, pages[i]) || !push(&a->late_frames, frame)))) {
            return false;
        }
    }
    if (known > 0) {
        a->returned += WEIGHT * ((double) returned / (double) known - a->returned);
    }
    return true;
}

int bs_ahead_finish(struct bs_process *p, struct bs_capture *c) {
    struct bs_ahead *a = &p->ahead;
    uint64_t *frames = (uint64_t *) (uintptr_t) c->frames;
    if (a->pages.size == 0 || p->all_dirty) {
        a->used = 0;
        return bs_copy_in_shared(p, (const uint64_t *) p->pages.data, frames, count_of(&p->pages));
    }
    if (!arrange(p, frames, c->frame_count)) {
        return -ENOMEM;
    }
    memcpy(frames, a->arranged.data, a->arranged.size);
    memcpy(frames + count_of(&a->arranged), a->spare.data, a->spare.size);
    return bs_copy_in_shared(p, (const uint64_t *) a->late.data, (const uint64_t *) a->late_frames.data,
                             count_of(&a->late));
}

void bs_ahead_fini(struct bs_process *p) {
    struct bs_vector *vectors[] = {&p->ahead.pages, &p->ahead.ranges, &p->ahead.arranged,
                                   &p->ahead.spare, &p->ahead.late,   &p->ahead.late_frames};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
}
