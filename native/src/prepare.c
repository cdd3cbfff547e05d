// SPDX-License-Identifier: Apache-2.0
/*
 * What is done for the pause of a process before it, while the process runs: how many frames it will want is estimated,
 * and pages that were written and are not expected to be written again soon are copied. Pages that are new are even
 * if that did not pay lately: who fills memory goes on to the next page. What is written while many pages are copied is
 * copied in another round.
 *
 * The marks that are taken here are carried like those of the pause, so that nothing is forgotten if it fails.
 */
#include <errno.h>

#include "process.h"

#define WEIGHT 0.25 /* of the newest in an average */
#define BURST 4.0   /* so many times the usual is one */
#define FEW 512     /* but not so few pages */
#define SLACK 8     /* pages for so many that are expected, one more */
#define MANY 1024   /* pages that take so long to copy that another round is worth it */
#define ROUNDS 4    /* at most */

/* Far more than usual: who writes so much goes on to other pages. */
static bool is_burst(const struct bs_preparation *r, size_t found) {
    return found > FEW && (double) found > BURST * r->usual;
}

/* Protects what is worth to be copied now, and carries it; then found are those pages, and pages all of all rounds. */
static int find(struct bs_process *p, size_t *expected) {
    struct bs_preparation *r = &p->preparation;
    size_t written = 0;
    int result = bs_scan_count(p, &written);
    if (result == 0 && r->rounds == 0) {
        r->only_new = !bs_ahead_pays(&p->ahead) && !is_burst(r, written);
        r->usual += p->ahead.unusual ? 0 : WEIGHT * ((double) written - r->usual);
    }
    if (result == 0) {
        result = bs_scan_ahead(p, r->only_new, &r->found);
    }
    if (result == 0) {
        result = bs_ranges_add_all(&r->all, &r->found, &r->scratch);
    }
    if (result == 0) {
        result = bs_ranges_list(&r->pages, &r->all);
    }
    if (result == 0) {
        result = bs_ranges_intersect(&r->scratch, &p->predicted, &p->held_at_capture);
    }
    *expected = bs_numbers_count(&r->pages) + written - bs_ranges_pages(&r->found) + bs_ranges_pages(&r->scratch);
    *expected += *expected / SLACK; /* it writes on */
    return result;
}

void bs_prepare_begin(struct bs_process *p) {
    p->ahead.unusual = p->huge.joined; /* all of what was put together counts as written */
    p->preparation.rounds = p->preparation.all.size = p->ahead.pages.size = 0;
}

size_t bs_prepare_find(struct bs_process *p) {
    size_t expected = 0;
    if (p->cow || p->all_dirty || p->loose || p->held_at_capture.size == 0 || find(p, &expected) < 0) {
        p->preparation.pages.size = expected = 0;
    }
    return expected;
}

static int copy(struct bs_process *p, const struct bs_capture *c, size_t *count) {
    struct bs_preparation *r = &p->preparation;
    struct bs_left left = {0};
    if (bs_numbers_count(&r->pages) > c->frame_count) {
        return -ENOBUFS;
    }
    int result = bs_ahead_arrange(&p->ahead, &r->pages, &r->found, &p->held_at_capture,
                                  (uint64_t *) (uintptr_t) c->frames, c->frame_count, &left);
    uint64_t start = bs_now_ns();
    if (result == 0) {
        result = bs_copy_in(p, left.pages, left.frames, left.count, NULL);
    }
    bs_ahead_note_copied(&p->ahead, bs_now_ns() - start, left.count);
    *count = left.count;
    bs_vector_swap(&p->ahead.pages, &r->pages);
    return result;
}

/* If frames are too few, or pages are gone, all is left to the pause: what was copied before could be out of date. */
bool bs_prepare_copy(struct bs_process *p, const struct bs_capture *c) {
    size_t count = 0;
    bool copied = p->preparation.pages.size > 0 && copy(p, c, &count) == 0;
    if (!copied) {
        p->ahead.pages.size = 0;
    }
    return copied && count > MANY && ++p->preparation.rounds < ROUNDS;
}

int bs_prepare_finish(struct bs_process *p, struct bs_capture *c) {
    struct bs_left left;
    int result = bs_ahead_arrange(&p->ahead, &p->pages, p->all_dirty ? NULL : &p->touched, &p->held_at_capture,
                                  (uint64_t *) (uintptr_t) c->frames, c->frame_count, &left);
    return result < 0 ? result : bs_copy_in_shared(p, left.pages, left.frames, left.count);
}
