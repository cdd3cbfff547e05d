// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "hurry.h"

#include <sched.h>
#include <stdbool.h>

static _Thread_local bool in_hurry;
static bool refused;

/* A thread that is of another class than usual is somebody's choice. */
void bs_hurry(void) {
    struct sched_param first = {.sched_priority = 1};
    if (!in_hurry && !__atomic_load_n(&refused, __ATOMIC_RELAXED)) {
        in_hurry = sched_getscheduler(0) == SCHED_OTHER && sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) == 0;
        __atomic_store_n(&refused, !in_hurry, __ATOMIC_RELAXED);
    }
}

void bs_hurry_end(void) {
    struct sched_param none = {0};
    if (in_hurry) {
        sched_setscheduler(0, SCHED_OTHER, &none);
        in_hurry = false;
    }
}
