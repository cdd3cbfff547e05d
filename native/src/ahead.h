// SPDX-License-Identifier: Apache-2.0
/*
 * Copies that are made ahead of a pause, while the memory is being written: pages that have been written are protected and
 * copied to the first frames. In the pause only those of them that were written meanwhile are copied again. Pays as long
 * as these are few, since each costs whoever writes another fault.
 *
 * To protect pages interrupts the processors on which their owner runs, once for each page table, whatever it has of them:
 * on a virtual machine's processors that takes longer than to copy dozens of pages. So only tables that have many are
 * gone through; what a table costs is learnt from how long it takes here.
 */
#ifndef BS_AHEAD_H
#define BS_AHEAD_H

#include "vector.h"

struct bs_ahead {
    struct bs_vector areas; /* bs_range: what is mapped by the tables that are gone through */
    struct bs_vector pages; /* uint64_t: copied to the first frames, ascending */
    struct bs_vector arranged;
    struct bs_vector spare;
    struct bs_vector late; /* uint64_t: pages to copy again in the pause, and their frames */
    struct bs_vector late_frames;
    size_t used;     /* how many of the copies were good in the last pause */
    double table_ns; /* what their owner loses when the pages of one are protected; 0: not known yet */
    double copy_ns;  /* to copy one page; 0: not known yet */
    double returned; /* the share of pages with content before that were written again before the pause */
    unsigned rounds;
    bool unusual; /* in this capture pages count as written that nobody wrote: nothing is learnt */
};

bool bs_ahead_is_worth(const struct bs_ahead *a); /* as far as is known */

/* Whether to copy ahead this time: if it pays, or once in a while to see whether it does again. */
bool bs_ahead_pays(struct bs_ahead *a);

/* Fills areas: what those tables map that have enough of these pages. 0 or -ENOMEM. */
int bs_ahead_choose(struct bs_ahead *a, const struct bs_vector *written);

/* It took so long to protect what was chosen, or to copy so many pages. */
void bs_ahead_note_protected(struct bs_ahead *a, uint64_t ns);
void bs_ahead_note_copied(struct bs_ahead *a, uint64_t ns, size_t count);

/* What is left to copy in the pause. */
struct bs_left {
    const uint64_t *pages; /* ascending */
    const uint64_t *frames;
    size_t count;
};

/*
 * In the pause: brings the frames into the order of the pages, while those that were copied to keep their pages, and lists
 * what is left: what was not copied, or was touched since. touched null: everything. before: what had content at the last
 * capture, and is judged by. null: everything. 0 or -ENOMEM, and then nothing was changed.
 */
int bs_ahead_arrange(struct bs_ahead *a, const struct bs_vector *pages, const struct bs_vector *touched,
                     const struct bs_vector *before, uint64_t *frames, size_t frame_count, struct bs_left *left);

void bs_ahead_fini(struct bs_ahead *a);

#endif
