// SPDX-License-Identifier: Apache-2.0
/*
 * A second thread for the work of a pause, in which the target's processor has nothing to do. Work is cut into pieces
 * that both threads take one by one, so nobody ever waits for a helper that has not woken up yet.
 */
#ifndef BS_HELPER_H
#define BS_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bs_helper;

typedef void (*bs_piece)(void *work, size_t index);

/* Null if there is but one processor, or no memory: then all is done by the caller. */
struct bs_helper *bs_helper_open(void);

/* Work is about to come: the helper waits for it awake, for a short time. Does nothing without a helper. */
void bs_helper_alert(struct bs_helper *helper);

/* No more work comes soon: it leaves its processor to others. */
void bs_helper_dismiss(struct bs_helper *helper);

/* Does pieces 0 to count - 1 (less than a million), each once, on this thread from the first on and on the helper's from
 * the last on; returns when all are done. Pieces that are far apart share few locks. */
void bs_helper_share(struct bs_helper *helper, bs_piece piece, void *work, size_t count);

void bs_helper_close(struct bs_helper *helper);

/* Does help pay? Tried both ways from time to time, and answered by what it cost. */
struct bs_trial {
    double cost[2]; /* of a unit of work: alone, helped */
    unsigned rounds;
};

bool bs_trial_helped(struct bs_trial *trial);
void bs_trial_note(struct bs_trial *trial, bool helped, uint64_t ns, uint64_t units);

#endif
