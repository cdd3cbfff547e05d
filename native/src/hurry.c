// SPDX-License-Identifier: Apache-2.0
#include "hurry.h"

#include <sched.h>

static _Thread_local bool in_hurry;
static bool refused;

/* A thread that is of another class than usual is so by somebody's choice. */
static bool go_first(void) {
    struct sched_param lowest = {.sched_priority = 1};
    return sched_getscheduler(0) == SCHED_OTHER && sched_setscheduler(0, SCHED_FIFO, &lowest) == 0;
}

bool bs_hurry(void) {
    if (!in_hurry && !__atomic_load_n(&refused, __ATOMIC_RELAXED)) {
        in_hurry = go_first();
        __atomic_store_n(&refused, !in_hurry, __ATOMIC_RELAXED);
    }
    return in_hurry;
}

void bs_hurry_end(void) {
    struct sched_param none = {0};
    if (in_hurry) {
        sched_setscheduler(0, SCHED_OTHER, &none);
        in_hurry = false;
    }
}
