// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "helper.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "hurry.h"

#define AWAKE_NS 5000000 /* how long an alerted helper waits for work before it sleeps again */
#define LATE_NS 2000000  /* how long its last piece may take before its caller is of usual priority again */
#define TRIAL_EVERY 256  /* so seldom that the 99th percentile of pauses is none of them */
#define WEIGHT 0.25      /* of the newest in an average */

/*
 * `job` is one word, so that a helper that comes late takes no piece of a job that it does not know: the number of the
 * job, the end of the pieces that are left, and the first of them. What else a job consists of changes only when all its
 * pieces are taken.
 */
struct bs_helper {
    pthread_t thread;
    uint32_t alerts;    /* futex: counts them */
    uint32_t dismissed; /* the last alert that is over */
    uint32_t closing;
    int caller;           /* its processor when it last alerted */
    cpu_set_t processors; /* that we may use */
    uint64_t job;
    uint64_t done; /* pieces of the current job */
    bs_piece piece;
    void *work;
};

#define PIECES_BITS 20
#define PIECES ((1ULL << PIECES_BITS) - 1)

static uint64_t number_of(uint64_t job) {
    return job >> 2 * PIECES_BITS;
}

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static uint64_t first_of(uint64_t job) {
    return job & PIECES;
}

static uint64_t end_of(uint64_t job) {
    return job >> PIECES_BITS & PIECES;
}

/* Takes pieces of a job, from its beginning or from its end, as long as it is the current one and has any. */
static void take_pieces(struct bs_helper *h, uint64_t number, bool from_end) {
    for (;;) {
        uint64_t seen = __atomic_load_n(&h->job, __ATOMIC_ACQUIRE);
        if (number_of(seen) != number || first_of(seen) == end_of(seen)) {
            return;
        }
        bs_piece piece = __atomic_load_n(&h->piece, __ATOMIC_RELAXED);
        void *work = __atomic_load_n(&h->work, __ATOMIC_RELAXED);
        uint64_t left = from_end ? seen - (1ULL << PIECES_BITS) : seen + 1;
        if (__atomic_compare_exchange_n(&h->job, &seen, left, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            piece(work, from_end ? end_of(left) : first_of(seen));
            __atomic_fetch_add(&h->done, 1, __ATOMIC_RELEASE);
        }
    }
}

/* Is there still reason to stay awake? On the caller's own processor there never is. */
static bool is_wanted(const struct bs_helper *h, uint32_t alert, uint64_t until) {
    return __atomic_load_n(&h->dismissed, __ATOMIC_ACQUIRE) != alert && bs_now_ns() < until &&
           sched_getcpu() != __atomic_load_n(&h->caller, __ATOMIC_RELAXED);
}

static void *help(void *argument) {
    struct bs_helper *h = argument;
    uint64_t known = 0;
    struct sched_param none = {0};
    sched_setscheduler(0, SCHED_BATCH, &none); /* it shall not push aside who woke it */
    for (;;) {
        uint32_t alert = __atomic_load_n(&h->alerts, __ATOMIC_ACQUIRE);
        if (__atomic_load_n(&h->closing, __ATOMIC_ACQUIRE)) {
            return NULL;
        }
        uint64_t until = bs_now_ns() + AWAKE_NS;
        while (is_wanted(h, alert, until)) {
            uint64_t number = number_of(__atomic_load_n(&h->job, __ATOMIC_ACQUIRE));
            if (number != known) {
                known = number;
                take_pieces(h, number, true);
                until = bs_now_ns() + AWAKE_NS;
            }
            sched_yield(); /* whom the caller wants to stop may wait for this processor */
        }
        syscall(SYS_futex, &h->alerts, FUTEX_WAIT_PRIVATE, alert, NULL, NULL, 0);
    }
}

struct bs_helper *bs_helper_open(void) {
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof processors, &processors) < 0 || CPU_COUNT(&processors) < 2) {
        return NULL;
    }
    struct bs_helper *h = calloc(1, sizeof *h);
    if (!h) {
        return NULL;
    }
    h->caller = -1;
    h->processors = processors;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for others */
    int failed = pthread_create(&h->thread, NULL, help, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(h);
        return NULL;
    }
    pthread_setname_np(h->thread, "backstep-helper");
    return h;
}

/* The helper may run on any processor but the caller's. */
static void keep_apart(struct bs_helper *h, int caller) {
    if (caller != h->caller) {
        cpu_set_t others = h->processors;
        CPU_CLR(caller, &others);
        pthread_setaffinity_np(h->thread, sizeof others, &others);
        __atomic_store_n(&h->caller, caller, __ATOMIC_RELAXED);
    }
}

void bs_helper_alert(struct bs_helper *h) {
    if (h) {
        keep_apart(h, sched_getcpu());
        __atomic_fetch_add(&h->alerts, 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &h->alerts, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

void bs_helper_dismiss(struct bs_helper *h) {
    if (h) {
        __atomic_store_n(&h->dismissed, __atomic_load_n(&h->alerts, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
    }
}

void bs_helper_share(struct bs_helper *h, bs_piece piece, void *work, size_t count) {
    if (!h) {
        for (size_t i = 0; i < count; i++) {
            piece(work, i);
        }
        return;
    }
    __atomic_store_n(&h->piece, piece, __ATOMIC_RELAXED);
    __atomic_store_n(&h->work, work, __ATOMIC_RELAXED);
    __atomic_store_n(&h->done, 0, __ATOMIC_RELAXED);
    uint64_t job = (number_of(h->job) + 1) << 2 * PIECES_BITS | (uint64_t) count << PIECES_BITS;
    __atomic_store_n(&h->job, job, __ATOMIC_RELEASE);
    take_pieces(h, number_of(job), false);
    uint64_t late = bs_now_ns() + LATE_NS;
    while (__atomic_load_n(&h->done, __ATOMIC_ACQUIRE) < count) {
        pause_briefly();
        if (bs_now_ns() > late) {
            bs_hurry_end(); /* whoever put us on another processor may have put the helper off it */
        }
    }
}

void bs_helper_close(struct bs_helper *h) {
    if (!h) {
        return;
    }
    __atomic_store_n(&h->closing, 1, __ATOMIC_RELEASE);
    bs_helper_alert(h);
    pthread_join(h->thread, NULL);
    free(h);
}

/* ---- does it pay? ------------------------------------------------------------------------------------------------ */

bool bs_trial_helped(struct bs_trial *trial) {
    bool better = trial->cost[1] <= trial->cost[0];
    return trial->rounds++ % TRIAL_EVERY == 1 ? !better : better;
}

void bs_trial_note(struct bs_trial *trial, bool helped, uint64_t ns, uint64_t units) {
    double cost = (double) ns / (double) (units ? units : 1);
    double *average = &trial->cost[helped];
    *average = *average == 0 ? cost : *average + WEIGHT * (cost - *average);
}
