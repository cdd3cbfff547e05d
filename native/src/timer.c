// SPDX-License-Identifier: Apache-2.0
/*
 * waitpid is what tells us of a stop, and it has no time-out: a per-handle timer that signals the waiting thread makes
 * it return. The timer repeats, so a signal that comes just before waitpid blocks is not lost for long.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "process.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TIMER_SIGNAL (SIGRTMAX - 3)
#define TIMER_REPEAT_NS 1000000

static void on_timer(int signal) {
    (void) signal;
}

int bs_timer_open(struct bs_process *p) {
    struct sigaction action = {.sa_handler = on_timer};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, TIMER_SIGNAL);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TIMER_SIGNAL};
    event.sigev_notify_thread_id = gettid();
    if (sigaction(TIMER_SIGNAL, &action, NULL) < 0 || pthread_sigmask(SIG_UNBLOCK, &set, NULL) != 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &p->timer) < 0) {
        return bs_fail_errno("timer of the waiting thread");
    }
    p->timer_made = true;
    return 0;
}

void bs_timer_arm(struct bs_process *p, uint64_t deadline_ns) {
    struct itimerspec when = {.it_interval = {.tv_nsec = TIMER_REPEAT_NS}};
    when.it_value.tv_sec = (time_t) (deadline_ns / 1000000000ULL);
    when.it_value.tv_nsec = (long) (deadline_ns % 1000000000ULL);
    if (deadline_ns == 0) {
        when.it_value.tv_nsec = 1;
    }
    timer_settime(p->timer, TIMER_ABSTIME, &when, NULL);
}

void bs_timer_disarm(struct bs_process *p) {
    struct itimerspec never = {{0}, {0}};
    timer_settime(p->timer, 0, &never, NULL);
}

void bs_process_wake(bs_process *p) {
    __atomic_store_n(&p->wake, 1, __ATOMIC_SEQ_CST);
    bs_timer_arm(p, 0);
}
