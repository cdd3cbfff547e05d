// SPDX-License-Identifier: Apache-2.0
/*
 * Loaded into a program: a checkpoint is a copy of its process that waits. The kernel copies what is written later. The
 * program's own wait(2) does not see these children, since their end is not told by SIGCHLD.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

static pid_t snapshot;
static uint64_t snapshots_ns;

/* Forgets those that have ended, or waits until all have. */
static void reap(int options) {
    struct rusage usage;
    while (wait4(-1, NULL, __WCLONE | options, &usage) > 0) {
        snapshots_ns += used_ns(&usage);
    }
}

void begin(void) {
}

int64_t checkpoint(const ucontext_t *context) {
    (void) context;
    pid_t older = snapshot;
    pid_t pid = (pid_t) syscall(SYS_clone, 0, NULL, NULL, NULL, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            pause();
        }
    }
    if (pid < 0) {
        fail("clone: %m");
    }
    snapshot = pid;
    if (older > 0) {
        kill(older, SIGKILL);
    }
    reap(WNOHANG);
    return 0;
}

uint64_t end(void) {
    if (snapshot > 0) {
        kill(snapshot, SIGKILL);
    }
    reap(0);
    return snapshots_ns;
}
