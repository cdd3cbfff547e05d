// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

static int gate[2];

pid_t start_child(char **command) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || pipe2(gate, O_CLOEXEC) < 0) {
        fail("preparing to start a program: %m");
    }
    pid_t pid = fork();
    if (pid < 0) {
        fail("fork: %m");
    }
    if (pid == 0) {
        char byte;
        sigprocmask(SIG_UNBLOCK, &signals, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid();
        close(gate[1]);
        if (read(gate[0], &byte, 1) == 0) {
            execvp(command[0], command);
        }
        fail("%s: %m", command[0]);
    }
    return pid;
}

void release_child(void) {
    close(gate[0]);
    close(gate[1]);
}

int wait_child(pid_t pid, uint64_t deadline_ns, int *status, struct rusage *usage) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (;;) {
        pid_t changed = wait4(pid, status, WNOHANG | __WALL, usage);
        if (changed == pid) {
            return 1;
        }
        if (changed < 0) {
            fail("wait4: %m");
        }
        uint64_t now = now_ns();
        if (now >= deadline_ns) {
            return 0;
        }
        struct timespec left = {.tv_sec = (time_t) ((deadline_ns - now) / 1000000000),
                                .tv_nsec = (long) ((deadline_ns - now) % 1000000000)};
        if (sigtimedwait(&signals, NULL, &left) < 0 && errno != EAGAIN && errno != EINTR) {
            fail("sigtimedwait: %m");
        }
    }
}
