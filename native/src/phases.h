// SPDX-License-Identifier: Apache-2.0
/* How long each phase of a capture took, one after the other. */
#ifndef BS_PHASES_H
#define BS_PHASES_H

#include <string.h>

#include "backstep.h"
#include "clock.h"

struct bs_phases {
    uint64_t began_ns;
    uint64_t last_ns; /* the end of the last phase */
    uint64_t ns[BS_PHASES];
};

static inline void bs_phases_begin(struct bs_phases *phases) {
    memset(phases->ns, 0, sizeof phases->ns);
    phases->began_ns = phases->last_ns = bs_now_ns();
}

/* A phase can come more than once. */
static inline void bs_phases_end_at(struct bs_phases *phases, int phase, uint64_t now) {
    phases->ns[phase] += now - phases->last_ns;
    phases->last_ns = now;
}

static inline void bs_phases_end(struct bs_phases *phases, int phase) {
    bs_phases_end_at(phases, phase, bs_now_ns());
}

#endif
