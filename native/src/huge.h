// SPDX-License-Identifier: Apache-2.0
/*
 * Predicted pages in huge ones. A page that lies in a huge page is copied in little more than half the time: the kernel
 * looks one up for 512. But tracking takes huge pages apart at the first write, and programs have them seldom. So where
 * most of a block of 512 pages is expected to be written the whole block is left writable, and once it stays so the
 * kernel is asked to put it together.
 */
#ifndef BS_HUGE_H
#define BS_HUGE_H

#include <stdbool.h>

#include "vector.h"

struct bs_process;

struct bs_huge {
    struct bs_vector blocks; /* struct block, of which many pages are predicted or were lately */
    struct bs_vector found;  /* struct block, of the coming capture */
    struct bs_vector next;
    struct bs_vector whole;  /* bs_range: blocks that are left writable as a whole */
    struct bs_vector scratch;
    void *mapped;           /* memory of ours, where a huge page is laid ready */
    double join_ns;         /* that it takes to put one together; 0: not known */
    uint64_t not_before_ns; /* is anything put together */
    bool asked;             /* whether it is forbidden */
    bool forbidden;
};

/* While the target runs, before the pause: adds to what is predicted. What fails leaves it as it is. */
void bs_huge_widen(struct bs_process *p);

/* While the target runs, after the pause: puts together what was wanted, if anything. For so long, in ns, who uses it
 * waited. */
uint64_t bs_huge_join(struct bs_process *p);

void bs_huge_fini(struct bs_huge *h);

#endif
