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
#include <sys/ptrace.h>
#include <unistd.h>

#include "error.h"
#include "process.h"

/* By the calling thread. A thread that was born of a seized one is seized with it; one that is just ending is not. */
static bool is_seized(const struct bs_process *p, pid_t tid) {
    char path[48], text[4096];
    snprintf(path, sizeof path, "task/%d/status", (int) tid);
    return atoi(bs_field_of(p, path, "\nTracerPid:", text, sizeof text)) == gettid();
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
        int error = ptrace(PTRACE_SEIZE, tid, 0, BS_TRACE_OPTIONS) == 0 ? 0 : errno;
        if (error == 0 || (error == EPERM && is_seized(p, tid))) {
            found += bs_thread_add(p, tid) != NULL;
        } else if (error != ESRCH && bs_threads_count(p) == 0) {
            errno = error;
            return bs_fail_errno("trace process %d", (int) p->pid);
        }
    }
    return found;
}

int bs_seize(struct bs_process *p) {
    int directory = openat(p->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = directory >= 0 ? fdopendir(directory) : NULL;
    if (!tasks) {
        int result = bs_fail_errno("list threads of process %d", (int) p->pid);
        if (directory >= 0) {
            close(directory);
        }
        return result;
    }
    int all = 0, found;
    while ((found = seize_listed(p, tasks)) > 0) {
        all += found;
    }
    closedir(tasks);
    return found < 0 ? found : all;
}
