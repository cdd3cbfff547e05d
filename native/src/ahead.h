// SPDX-License-Identifier: Apache-2.0
/*
 * Copies that were made ahead of a pause, while the memory was being written: pages that had been written were protected
 * and copied to the first frames. In the pause only those of them that were written meanwhile are copied again. Pays as
 * long as these are few, since each costs whoever writes another fault.
 */
#ifndef BS_AHEAD_H
#define BS_AHEAD_H

#include "vector.h"

struct bs_ahead {
    struct bs_vector pages; /* uint64_t: copied to the first frames, ascending */
    struct bs_vector arranged;
    struct bs_vector spare;
    struct bs_vector late; /* uint64_t: pages left to copy in the pause, and their frames */
    struct bs_vector late_frames;
    size_t used;     /* how many of the copies were good in the last pause */
    double returned; /* the share of pages with content before that were written again before the pause */
    unsigned rounds;
};

/* Whether to copy ahead this time: if it pays, or once in a while to see whether it does again. */
bool bs_ahead_pays(struct bs_ahead *a);

/*
 * In the pause: brings the frames into the order of the pages, while those that were copied to keep their pages, and lists
 * what is late: what was not copied, or was touched since. before: what had content at the last capture, and is judged by.
 * null: everything. 0 or -ENOMEM, and then nothing was changed.
 */
int bs_ahead_arrange(struct bs_ahead *a, const struct bs_vector *pages, const struct bs_vector *touched,
                     const struct bs_vector *before, uint64_t *frames, size_t frame_count);

void bs_ahead_fini(struct bs_ahead *a);

#endif
