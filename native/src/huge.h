// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks of memory as huge pages: hot ones, whose first writes and copies take longer page by page than the copy of the
 * whole block, since a page in a huge one is copied in little more than half the time (the kernel looks one up for 512);
 * and quiet ones, which nobody writes, since walks pass them at one step. Tracking takes a huge page apart at the first
 * write to one that is protected, and most programs have none; so the kernel is asked to put blocks together when that has
 * cost as much as to do so takes. Hot ones are left writable as a whole.
 */
#ifndef BS_HUGE_H
#define BS_HUGE_H

#include <stdbool.h>

#include "vector.h"

struct bs_capture;
struct bs_process;

struct bs_huge {
    struct bs_vector blocks; /* struct block */
    struct bs_vector next;   /* struct block, being listed */
    struct bs_vector whole;  /* bs_range: blocks that are left writable as a whole */
    struct bs_vector scratch;
    void *mapped;           /* memory of ours, where a huge page is laid ready */
    double join_ns;         /* that it takes to put one together; 0: not known */
    uint64_t not_before_ns; /* is anything put together */
    bool joined;            /* after the last capture: the next is unusual */
    bool asked;             /* whether it is forbidden */
    bool forbidden;
};

/* While the target runs, before the pause: adds to what is predicted. What fails leaves it as it is. */
void bs_huge_widen(struct bs_process *p, const struct bs_capture *c);

/* While the target runs, after the pause: puts together what was wanted, if anything. For so long, in ns, who uses it
 * waited. */
uint64_t bs_huge_join(struct bs_process *p);

void bs_huge_forget(struct bs_huge *h); /* blocks were taken apart, or it is another program */
void bs_huge_fini(struct bs_huge *h);

#endif
