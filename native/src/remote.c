// SPDX-License-Identifier: Apache-2.0
/*
 * System calls that the target makes on our behalf: a standing thread is given the registers of a call and the address
 * of a syscall instruction, steps over that one instruction, and gets its own registers back. Should this process be
 * killed in between, the thread goes on with the wrong registers: so few calls are made this way, and only
 * at the start and in a rollback.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "kernel.h"
#include "process.h"

#define CODE_ROOM 65536

static bool find_gadget(struct bs_process *p, uint64_t start, uint64_t end) {
    unsigned char code[4096 + BS_GADGET_SIZE];
    if (end - start > CODE_ROOM) {
        end = start + CODE_ROOM;
    }
    for (uint64_t at = start; at < end; at += 4096) {
        ssize_t length = pread(p->memory, code, sizeof code, (off_t) at);
        for (ssize_t i = 0; i + BS_GADGET_SIZE <= length; i++) {
            if (bs_registers_at_gadget(code + i)) {
                p->gadget = at + (uint64_t) i;
                return true;
            }
        }
    }
    return false;
}

int bs_remote_init(struct bs_process *p) {
    /* The special mappings hold the vdso, which is never unmapped by us; then whatever can be executed. */
    for (size_t i = 0; i < bs_ranges_count(&p->special); i++) {
        const struct bs_range *range = bs_ranges_at(&p->special, i);
        if (find_gadget(p, range->first * BS_PAGE_SIZE, range->end * BS_PAGE_SIZE)) {
            return 0;
        }
    }
    for (size_t i = 0; i < p->fresh.size / sizeof(struct bs_mapping); i++) {
        const struct bs_mapping *mapping = (struct bs_mapping *) p->fresh.data + i;
        if ((mapping->flags & MAPPING_EXECUTE) && find_gadget(p, mapping->start, mapping->end)) {
            return 0;
        }
    }
    return bs_fail(BS_EUNFIT, "no system call instruction found in process %d", (int) p->pid);
}

/* Steps over one instruction; stops for other reasons are stepped again. */
static int step(struct bs_process *p, pid_t tid) {
    for (int tries = 0; tries < 64; tries++) {
        int status;
        if (ptrace(PTRACE_SINGLESTEP, tid, 0, 0) < 0) {
            return bs_fail_errno("step thread %d of process %d", (int) tid, (int) p->pid);
        }
        while (waitpid(tid, &status, __WALL) < 0) {
            if (errno != EINTR) {
                return bs_fail_errno("wait for thread %d of process %d", (int) tid, (int) p->pid);
            }
        }
        if (!WIFSTOPPED(status)) {
            p->exited = tid == p->pid;
            p->exit_status = status;
            return bs_fail(BS_EGONE, "process %d ended in an injected call", (int) p->pid);
        }
        if (status >> 16 == 0 && WSTOPSIG(status) == SIGTRAP) {
            return 0;
        }
    }
    return bs_fail(-EIO, "thread %d of process %d does not step", (int) tid, (int) p->pid);
}

static struct bs_thread *standing_thread(const struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        if (bs_threads_at(p, i)->state == THREAD_STOPPED) {
            return bs_threads_at(p, i);
        }
    }
    return bs_threads_count(p) > 0 ? bs_threads_at(p, 0) : NULL;
}

int bs_remote_call_in(struct bs_process *p, pid_t tid, long number, const uint64_t arguments[6], int64_t *value) {
    struct user_regs_struct own, call;
    uint64_t mask, blocked = ~(1ULL << (SIGTRAP - 1));
    int result = bs_registers_get(tid, &own);
    if (result < 0) {
        return result;
    }
    if (ptrace(PTRACE_GETSIGMASK, tid, (void *) sizeof mask, &mask) < 0 ||
        ptrace(PTRACE_SETSIGMASK, tid, (void *) sizeof blocked, &blocked) < 0) {
        return bs_fail_errno("signal mask of thread %d", (int) tid);
    }
    call = own;
    bs_registers_prepare_call(&call, p->gadget, number, arguments);
    result = bs_registers_set(tid, &call);
    if (result == 0) {
        result = step(p, tid);
    }
    if (result == 0) {
        result = bs_registers_get(tid, &call);
        *value = bs_registers_result(&call);
    }
    if (result == BS_EGONE) {
        return result;
    }
    struct bs_thread *thread = bs_thread_by_tid(p, tid);
    if (thread) {
        thread->stepped = true;
    }
    int restored = bs_registers_set(tid, &own);
    if (ptrace(PTRACE_SETSIGMASK, tid, (void *) sizeof mask, &mask) < 0 && result == 0) {
        result = bs_fail_errno("signal mask of thread %d", (int) tid);
    }
    return result < 0 ? result : restored;
}

int bs_remote_call(struct bs_process *p, long number, const uint64_t arguments[6], int64_t *value) {
    struct bs_thread *thread = standing_thread(p);
    if (!thread) {
        return bs_fail(BS_EGONE, "process %d has no thread", (int) p->pid);
    }
    return bs_remote_call_in(p, thread->tid, number, arguments, value);
}

/* From a stop before a signal to one of its own kind, without an instruction in between. */
static int settle(struct bs_process *p, struct bs_thread *thread) {
    int status = 0;
    if (ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0) < 0 || ptrace(PTRACE_CONT, thread->tid, 0, 0) < 0) {
        return bs_fail_errno("settle thread %d of process %d", (int) thread->tid, (int) p->pid);
    }
    while (waitpid(thread->tid, &status, __WALL) < 0) {
        if (errno != EINTR) {
            return bs_fail_errno("wait for thread %d of process %d", (int) thread->tid, (int) p->pid);
        }
    }
    if (!WIFSTOPPED(status)) {
        p->exited = thread->tid == p->pid;
        p->exit_status = status;
        return bs_fail(BS_EGONE, "process %d ended after an injected call", (int) p->pid);
    }
    if (status >> 16 != PTRACE_EVENT_STOP) {
        return bs_fail(-EIO, "thread %d of process %d does not settle", (int) thread->tid, (int) p->pid);
    }
    thread->state = THREAD_STOPPED;
    thread->stepped = false;
    return 0;
}

/*
 * A thread that stands before a signal is given that signal should this process be killed. So after injected calls, and
 * after a rollback took an error back, threads are moved on to where the kernel would just let them go.
 */
int bs_remote_settle(struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        struct bs_thread *thread = bs_threads_at(p, i);
        if (thread->stepped || thread->state == THREAD_ERROR) {
            int result = settle(p, thread);
            if (result < 0) {
                return result;
            }
        }
    }
    return 0;
}

int bs_remote_close(struct bs_process *p, int theirs) {
    int64_t value = 0;
    return bs_remote_call(p, SYS_close, (uint64_t[6]){(uint64_t) theirs}, &value);
}

static int borrow(struct bs_process *p, int ours, int *theirs) {
    int64_t handle = 0, value = 0;
    int result = bs_remote_call(p, SYS_pidfd_open, (uint64_t[6]){(uint64_t) getpid(), 0}, &handle);
    if (result == 0 && handle < 0) {
        errno = (int) -handle;
        result = bs_fail_errno("process %d opening this process", (int) p->pid);
    }
    if (result < 0) {
        return result;
    }
    result = bs_remote_call(p, SYS_pidfd_getfd, (uint64_t[6]){(uint64_t) handle, (uint64_t) ours, 0}, &value);
    if (result == 0 && value < 0) {
        errno = (int) -value;
        result = bs_fail_errno("process %d taking a descriptor of this process", (int) p->pid);
    }
    int closed = bs_remote_close(p, (int) handle);
    *theirs = (int) value;
    return result < 0 ? result : closed;
}

/* Where yama restricts who may look into whom, the target is let in for as long as it takes. */
int bs_remote_borrow(struct bs_process *p, int ours, int *theirs) {
    prctl(PR_SET_PTRACER, (unsigned long) p->pid, 0, 0, 0);
    int result = borrow(p, ours, theirs);
    prctl(PR_SET_PTRACER, 0UL, 0, 0, 0);
    return result;
}

int bs_remote_end_thread(struct bs_process *p, struct bs_thread *thread) {
    struct user_regs_struct registers;
    pid_t tid = thread->tid;
    uint64_t all = ~0ULL;
    int result = bs_registers_get(tid, &registers);
    if (result < 0) {
        return result;
    }
    bs_registers_prepare_call(&registers, p->gadget, SYS_exit, (uint64_t[6]){0});
    if ((result = bs_registers_set(tid, &registers)) < 0) {
        return result;
    }
    ptrace(PTRACE_SETSIGMASK, tid, (void *) sizeof all, &all);
    while ((thread = bs_thread_by_tid(p, tid)) != NULL && !p->exited) {
        thread->state = THREAD_RUNNING;
        if (ptrace(PTRACE_CONT, tid, 0, 0) < 0 && errno != ESRCH) {
            return bs_fail_errno("end thread %d of process %d", (int) tid, (int) p->pid);
        }
        if ((result = bs_collect(p, tid, true)) < 0) {
            return result;
        }
    }
    return 0;
}
