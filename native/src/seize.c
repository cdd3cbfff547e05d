// SPDX-License-Identifier: Apache-2.0
/*
 * Taking hold of the threads of a process that runs. One that was seized within clone has a child that is not: the kernel
 * looked before whether there is a tracer. So all are there only when none is found while all that were found stand.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "error.h"
#include "process.h"

static bool is_seized(const struct bs_process *p, pid_t tid) {
    char name[48], text[4096];
    snprintf(name, sizeof name, "task/%d/status", (int) tid);
    int file = openat(p->proc, name, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) {
        close(file);
    }
    text[length > 0 ? length : 0] = 0;
    const char *tracer = strstr(text, "TracerPid:");
    return tracer && atoi(tracer + strlen("TracerPid:")) == gettid();
}

/* Those of the directory that are not known yet: how many, or a failure. */
static int seize_listed(struct bs_process *p, DIR *tasks) {
    int found = 0;
    rewinddir(tasks);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        pid_t tid = (pid_t) atoi(entry->d_name);
        if (tid <= 0 || bs_thread_by_tid(p, tid)) {
            continue;
        }
        bool seized = ptrace(PTRACE_SEIZE, tid, 0, BS_TRACE_OPTIONS) == 0;
        if (seized || (errno == EPERM && is_seized(p, tid))) { /* born of a seized thread, and seized with it */
            found += bs_thread_add(p, tid) != NULL;
        } else if (errno != ESRCH && bs_threads_count(p) == 0) {
            return bs_fail_errno("trace process %d", (int) p->pid);
        }
    }
    return found;
}

int bs_seize(struct bs_process *p) {
    int directory = openat(p->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = directory >= 0 ? fdopendir(directory) : NULL;
    if (!tasks) {
        return bs_fail_errno("list threads of process %d", (int) p->pid);
    }
    int all = 0, found;
    while ((found = seize_listed(p, tasks)) > 0) {
        all += found;
    }
    closedir(tasks);
    return found < 0 ? found : all;
}
