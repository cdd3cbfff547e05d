// SPDX-License-Identifier: Apache-2.0
/*
 * The threads of a process under ptrace: following them, stopping all of them and letting them go.
 *
 * Every thread is seized, so a stop can be asked for (PTRACE_INTERRUPT) without a signal that the program could see. A
 * thread that was asked to stop reports an event stop on its way back to user mode, where its registers may be read and
 * set and where the kernel, when the thread goes on, restarts the system call it was in. Stops inside a system call
 * (clone, exec) are left at once; no registers are touched there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cow.h"
#include "error.h"
#include "process.h"

/*
 * How long a freeze waits. A thread in an uninterruptible sleep may stay there for ever and is waited for once; one
 * that only waits for a processor will come, and is waited for again and again.
 */
#define FREEZE_LIMIT_NS 200000000ULL
#define FREEZE_LIMITS 25
#define SOON_NS 50000 /* until then it waits busily */

struct bs_thread *bs_thread_by_tid(const struct bs_process *p, pid_t tid) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        if (bs_threads_at(p, i)->tid == tid) {
            return bs_threads_at(p, i);
        }
    }
    return NULL;
}

struct bs_thread *bs_thread_add(struct bs_process *p, pid_t tid) {
    struct bs_thread *thread = bs_vector_extend(&p->threads, sizeof *thread);
    if (thread) {
        *thread = (struct bs_thread){.tid = tid, .state = THREAD_RUNNING, .serial = ++p->next_serial};
    }
    return thread;
}

static void thread_remove(struct bs_process *p, struct bs_thread *thread) {
    struct bs_thread *last = bs_threads_at(p, bs_threads_count(p) - 1);
    *thread = *last;
    p->threads.size -= sizeof *last;
}

static bool is_thread_of(const struct bs_process *p, pid_t tid) {
    char path[32];
    snprintf(path, sizeof path, "task/%d", (int) tid);
    return faccessat(p->proc, path, F_OK, 0) == 0;
}

static bool is_job_control(int signal) {
    return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

const char *bs_field_of(const struct bs_process *p, const char *path, const char *name, char *text, size_t room) {
    int file = openat(p->proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, room - 1);
    if (file >= 0) {
        close(file);
    }
    text[length > 0 ? length : 0] = 0;
    const char *line = strstr(text, name);
    return line ? line + strlen(name) : "";
}

static const char *status_field(const struct bs_process *p, const char *name, char *text, size_t room) {
    return bs_field_of(p, "status", name, text, room);
}

/* Does the program have a handler of its own for this signal? */
static bool handles(const struct bs_process *p, int signal) {
    char text[4096];
    return strtoull(status_field(p, "\nSigCgt:", text, sizeof text), NULL, 16) >> (signal - 1) & 1;
}

bool bs_filters_calls(const struct bs_process *p) {
    char text[4096];
    return atoi(status_field(p, "\nSeccomp:", text, sizeof text)) != 0;
}

/* Has the main thread ended while others go on? Most of /proc/PID is empty then. */
static bool has_lost_leader(const struct bs_process *p) {
    char text[4096];
    return bs_threads_count(p) > 1 && *status_field(p, "\nState:\t", text, sizeof text) == 'Z';
}

static bool is_caught(const struct bs_process *p, int signal) {
    return signal >= 1 && signal <= 64 && (p->caught_signals >> (signal - 1) & 1) &&
           (p->catch_handled || !handles(p, signal));
}

static int go_on(struct bs_process *p, struct bs_thread *thread, int signal) {
    thread->state = THREAD_RUNNING;
    p->let_go_ns = bs_now_ns();
    if (ptrace(PTRACE_CONT, thread->tid, 0, (long) signal) < 0 && errno != ESRCH) {
        return bs_fail_errno("continue thread %d of process %d", (int) thread->tid, (int) p->pid);
    }
    return 0;
}

static void program_replaced(struct bs_process *p) {
    p->execed = true;
    p->threads.size = 0;
    struct bs_thread *thread = bs_thread_add(p, p->pid);
    /* The stop of exec lies inside the system call: ask for one on the way out. */
    if (thread) {
        ptrace(PTRACE_INTERRUPT, p->pid, 0, 0);
        thread->trap_pending = true;
        go_on(p, thread, 0);
    }
}

/*
 * A thread that was just made will stop before its first instruction. It counts from now on, so that a freeze waits for
 * it. It may have come and gone already.
 */
static void expect_newborn(struct bs_process *p, pid_t parent) {
    unsigned long tid = 0;
    if (ptrace(PTRACE_GETEVENTMSG, parent, 0, &tid) == 0 && !bs_thread_by_tid(p, (pid_t) tid) &&
        is_thread_of(p, (pid_t) tid)) {
        struct bs_thread *newborn = bs_thread_add(p, (pid_t) tid);
        if (newborn) {
            newborn->trap_pending = true;
        }
    }
}

static void took_stop(struct bs_process *p, pid_t tid, int status) {
    int signal = WSTOPSIG(status);
    int event = status >> 16;
    struct bs_thread *thread = bs_thread_by_tid(p, tid);
    if (event == PTRACE_EVENT_EXEC) {
        program_replaced(p);
        return;
    }
    if (!thread) {
        if (!is_thread_of(p, tid)) {
            ptrace(PTRACE_DETACH, tid, 0, 0); /* a clone that is no thread of ours */
            return;
        }
        thread = bs_thread_add(p, tid);
        if (!thread) {
            return;
        }
    }
    thread->trap_pending = false; /* any stop takes the place of one that was asked for */
    if (event == PTRACE_EVENT_CLONE) {
        expect_newborn(p, tid);
        go_on(p, bs_thread_by_tid(p, tid), 0);
        return;
    }
    bs_registers_note_call(thread);
    if (event == PTRACE_EVENT_STOP) {
        thread->group_stopped = is_job_control(signal);
        thread->state = THREAD_STOPPED;
    } else if (is_caught(p, signal)) {
        thread->state = THREAD_ERROR;
        thread->signal = signal;
    } else {
        go_on(p, thread, signal);
    }
}

static void took_end(struct bs_process *p, pid_t tid, int status) {
    struct bs_thread *thread = bs_thread_by_tid(p, tid);
    if (thread) {
        thread_remove(p, thread);
    }
    if (tid == p->pid) { /* the leader's end is reported last */
        p->exited = true;
        p->halted = false;
        p->exit_status = status;
        p->threads.size = 0;
    }
}

int bs_collect(struct bs_process *p, pid_t tid, bool block) {
    int status;
    pid_t got = waitpid(tid, &status, __WALL | __WNOTHREAD | (block ? 0 : WNOHANG));
    if (got < 0) {
        if (errno == EINTR) {
            return 0;
        }
        if (errno == ECHILD && tid > 0 &&
            tid != p->pid) { /* a thread that ended together with its program's replacement */
            took_end(p, tid, 0);
            return 1;
        }
        if (errno == ECHILD) {
            p->exited = true;
            p->exit_status = 0;
            p->threads.size = 0;
            return 1;
        }
        return bs_fail_errno("wait for process %d", (int) p->pid);
    }
    if (got == 0) {
        return 0;
    }
    if (WIFSTOPPED(status)) {
        took_stop(p, got, status);
    } else {
        took_end(p, got, status);
    }
    return 1;
}

struct bs_thread *bs_thread_in_error(const struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        if (bs_threads_at(p, i)->state == THREAD_ERROR) {
            return bs_threads_at(p, i);
        }
    }
    return NULL;
}

/* Threads that reported a stop nobody asked for, or asked for too late, go on. */
int bs_thaw(struct bs_process *p) {
    p->ran = true;
    bs_cow_urgent(p->cow, false);
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        struct bs_thread *thread = bs_threads_at(p, i);
        if (thread->state != THREAD_STOPPED) {
            continue;
        }
        if (thread->group_stopped && ptrace(PTRACE_LISTEN, thread->tid, 0, 0) == 0) {
            thread->state = THREAD_LISTENING;
            continue;
        }
        int result = go_on(p, thread, 0); /* one that made a call for us no longer stands at its job control stop */
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* ---- freezing and thawing ---------------------------------------------------------------------------------- */

bool bs_all_stand(const struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        enum thread_state state = bs_threads_at(p, i)->state;
        if (state != THREAD_STOPPED && state != THREAD_ERROR) {
            return false;
        }
    }
    return true;
}

static int interrupt_all(struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        struct bs_thread *thread = bs_threads_at(p, i);
        if ((thread->state != THREAD_RUNNING && thread->state != THREAD_LISTENING) || thread->trap_pending) {
            continue;
        }
        thread->trap_pending = true;
        if (ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0) < 0 && errno != ESRCH) {
            return bs_fail_errno("interrupt thread %d of process %d", (int) thread->tid, (int) p->pid);
        }
    }
    return 0;
}

/* A thread that no stop can reach, or null: it sleeps in the kernel and will not be woken, also not to be traced. */
static const struct bs_thread *unreachable_thread(const struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        const struct bs_thread *thread = bs_threads_at(p, i);
        char path[48], text[4096];
        snprintf(path, sizeof path, "task/%d/status", (int) thread->tid);
        if (thread->state == THREAD_RUNNING && *bs_field_of(p, path, "\nState:\t", text, sizeof text) == 'D') {
            return thread;
        }
    }
    return NULL;
}

/* The time is up, for the limits-th time: is it worth to wait on? */
static int judge_delay(const struct bs_process *p, int limits) {
    if (has_lost_leader(p)) {
        return bs_fail(BS_EUNFIT, "the main thread of process %d has ended", (int) p->pid);
    }
    const struct bs_thread *thread = unreachable_thread(p);
    if (thread) {
        return bs_fail(BS_EBUSY, "thread %d of process %d did not stop within %llu ms: it sleeps uninterruptibly",
                       (int) thread->tid, (int) p->pid, limits * FREEZE_LIMIT_NS / 1000000ULL);
    }
    if (limits == FREEZE_LIMITS) {
        return bs_fail(BS_EBUSY, "a thread of process %d did not stop within %llu ms", (int) p->pid,
                       limits * FREEZE_LIMIT_NS / 1000000ULL);
    }
    return 0;
}

/*
 * Takes in what has been reported; only when there is nothing, the time counts. Threads may be born meanwhile. At first
 * it waits busily: who runs stops soon, and a processor that went to sleep takes as long again to wake up. But not on the
 * only processor, nor where who is to stop may wait for its writes to be served.
 */
static int await_stops(struct bs_process *p) {
    uint64_t began = bs_now_ns(), limit = began + FREEZE_LIMIT_NS;
    bool armed = false, may_stay = p->helper && !p->cow;
    int limits = 0, result = 0, news = 1;
    while (result == 0) {
        if (p->exited) {
            result = bs_fail(BS_EGONE, "process %d has exited", (int) p->pid);
        } else if (p->execed) {
            result = bs_fail(BS_EEXECED, "process %d replaced its program", (int) p->pid);
        } else if ((result = interrupt_all(p)) < 0 || bs_all_stand(p)) {
            break;
        } else if (news == 0 && bs_now_ns() >= limit) {
            result = judge_delay(p, ++limits);
            limit = bs_now_ns() + FREEZE_LIMIT_NS;
        }
        bool is_soon = may_stay && bs_now_ns() < began + SOON_NS;
        if (result == 0 && !armed && !is_soon) {
            bs_timer_arm(p, limit);
            armed = true;
        }
        if (result == 0 && (news = bs_collect(p, -1, !is_soon)) < 0) {
            result = news;
        }
    }
    if (armed) {
        bs_timer_disarm(p);
        if (__atomic_load_n(&p->wake, __ATOMIC_SEQ_CST)) {
            bs_timer_arm(p, 0);
        }
    }
    return result;
}

static int await_all(struct bs_process *p) {
    int result = await_stops(p);
    while (result == 0 && p->may_miss_threads) {
        int found = bs_seize(p);
        p->may_miss_threads = found != 0;
        result = found > 0 ? await_stops(p) : found;
    }
    return result;
}

/* Stops every thread. */
int bs_freeze(struct bs_process *p) {
    bs_cow_urgent(p->cow, true);
    int result = await_all(p);
    if (result < 0 && !p->exited && !p->execed) {
        for (size_t i = 0; i < bs_threads_count(p); i++) {
            bs_threads_at(p, i)->trap_pending = false; /* the next freeze asks again */
        }
        int thawed = bs_thaw(p);
        return thawed < 0 ? thawed : result;
    }
    return result;
}

int bs_process_halt(bs_process *p) {
    if (p->halted) {
        return 0;
    }
    int result = bs_freeze(p);
    if (result == 0) {
        p->halted = true;
    }
    return result;
}

int bs_process_resume(bs_process *p, uint32_t deliver) {
    p->halted = false;
    p->capturing = false;
    bs_cow_release(p->cow);
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        struct bs_thread *thread = bs_threads_at(p, i);
        if (thread->state == THREAD_ERROR) {
            int result = go_on(p, thread, deliver ? thread->signal : 0);
            if (result < 0) {
                return result;
            }
        }
    }
    return bs_thaw(p);
}
