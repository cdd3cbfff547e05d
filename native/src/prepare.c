// SPDX-License-Identifier: Apache-2.0
/*
 * What is done for the pause of a process before it, while the process runs: how many frames it will want is estimated,
 * and pages that were written and are not expected to be written again soon are copied. Pages that are new are even
 * if that did not pay lately: who fills memory goes on to the next page.
 *
 * The marks that are taken here are carried like those of the pause, so that nothing is forgotten if it fails.
 */
#include "process.h"

#define WEIGHT 0.25   /* of the newest in an average */
#define BURST 4.0     /* so many times the usual is one */
#define FEW 512       /* but not so few pages */
#define SLACK 8       /* pages for so many that are expected, one more */
#define FRESH_SLACK 8 /* and another for so many in new mappings, which are being filled */

static size_t count_of(const struct bs_vector *numbers) {
    return numbers->size / sizeof(uint64_t);
}

/* Far more than usual: who writes so much goes on to other pages. */
static bool is_burst(const struct bs_preparation *r, size_t found) {
    return found > FEW && (double) found > BURST * r->usual;
}

static int find(struct bs_process *p, size_t *expected) {
    struct bs_preparation *r = &p->preparation;
    size_t found = 0, fresh = 0;
    int result = bs_scan_count(p, &found);
    if (result == 0) {
        result = bs_scan_ahead(p, !bs_ahead_pays(&p->ahead) && !is_burst(r, found), &r->ranges);
    }
    if (result == 0) {
        result = bs_ranges_list(&p->ahead.pages, &r->ranges);
    }
    if (result == 0) {
        result = bs_ranges_intersect(&r->ranges, &p->predicted, &p->held_at_capture);
    }
    if (result == 0) {
        result = bs_scan_fresh(p, &fresh);
    }
    r->usual += WEIGHT * ((double) found - r->usual);
    *expected = found + fresh + bs_ranges_pages(&r->ranges);
    *expected += *expected / SLACK + fresh / FRESH_SLACK; /* it writes on */
    return result;
}

size_t bs_prepare_find(struct bs_process *p) {
    size_t expected = 0;
    p->ahead.pages.size = 0;
    if (p->cow || p->all_dirty || p->loose || p->held_at_capture.size == 0 || find(p, &expected) < 0) {
        p->ahead.pages.size = expected = 0;
    }
    return expected;
}

void bs_prepare_copy(struct bs_process *p, const struct bs_capture *c) {
    struct bs_vector *pages = &p->ahead.pages;
    uint64_t start = bs_now_ns();
    if (count_of(pages) > c->frame_count ||
        bs_copy_in(p, (const uint64_t *) pages->data, (const uint64_t *) (uintptr_t) c->frames, count_of(pages), NULL) <
            0) {
        pages->size = 0; /* too few frames, or some pages are gone: all is left to the pause */
    }
    bs_ahead_note_copied(&p->ahead, bs_now_ns() - start);
}

int bs_prepare_finish(struct bs_process *p, struct bs_capture *c) {
    struct bs_ahead *a = &p->ahead;
    uint64_t *frames = (uint64_t *) (uintptr_t) c->frames;
    if (a->pages.size == 0 || p->all_dirty) {
        a->used = 0;
        return bs_copy_in_shared(p, (const uint64_t *) p->pages.data, frames, count_of(&p->pages));
    }
    int result = bs_ahead_arrange(a, &p->pages, &p->touched, &p->held_at_capture, frames, c->frame_count);
    return result < 0 ? result
                      : bs_copy_in_shared(p, (const uint64_t *) a->late.data, (const uint64_t *) a->late_frames.data,
                                          count_of(&a->late));
}
