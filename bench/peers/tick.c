// SPDX-License-Identifier: Apache-2.0
/* The half of a loaded library that is the same for all: a timer whose signal asks for a checkpoint, and the report. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

#define SHORTLY_NS 100000

static pid_t program;
static timer_t timer;
static uint64_t interval_ns;
static const char *report;

static void set_timer(uint64_t ns) {
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t) (ns / 1000000000), .tv_nsec = (long) (ns % 1000000000)}};
    timer_settime(timer, 0, &when, NULL);
}

static void on_tick(int signal, siginfo_t *info, void *context) {
    (void) signal;
    (void) info;
    int error = errno;
    uint64_t began_ns = now_ns();
    int64_t pages = checkpoint(context);
    if (pages >= 0) {
        add_pause(now_ns() - began_ns, (uint64_t) pages);
    }
    set_timer(pages < 0 ? SHORTLY_NS : interval_ns);
    errno = error;
}

__attribute__((constructor)) static void start(void) {
    const char *interval_ms = getenv("PEER_INTERVAL_MS");
    report = getenv("PEER_REPORT");
    if (!interval_ms || !report) {
        return;
    }
    interval_ns = strtoull(interval_ms, NULL, 10) * 1000000;
    program = getpid();
    begin();
    struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMAX};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGRTMAX, &action, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) < 0) {
        fail("a timer: %m");
    }
    set_timer(interval_ns);
}

__attribute__((destructor)) static void stop(void) {
    if (program != getpid()) {
        return; // a child of the program's own
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGRTMAX);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    write_report(report, "snapshots", end());
}
