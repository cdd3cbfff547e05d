// SPDX-License-Identifier: Apache-2.0
/*
 * Holding a process by ptrace: start or seize it, follow its threads, stop all of them and let them go.
 *
 * Every thread is seized, so a stop can be asked for (PTRACE_INTERRUPT) without a signal that the program could see. A
 * thread that was asked to stop reports an event stop on its way back to user mode, where its registers may be read and
 * set and where the kernel, when the thread goes on, restarts the system call it was in. Stops inside a system call
 * (clone, exec) are left at once; no registers are touched there.
 *
 * waitpid is what tells us of a stop, and it has no time-out: a per-handle timer that signals this very thread makes it
 * return. The timer repeats, so a signal that comes just before waitpid blocks is not lost for long.
 */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dirent.h>

#include "error.h"
#include "kernel.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TIMER_SIGNAL (SIGRTMAX - 3)
#define TIMER_REPEAT_NS 1000000
#define FREEZE_LIMIT_NS 200000000ULL
#define TRACE_OPTIONS (PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)

uint64_t bs_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000ULL + (uint64_t) now.tv_nsec;
}

/* ---- the timer that ends a waitpid ------------------------------------------------------------------------- */

static void on_timer(int signal) {
    (void) signal;
}

static int timer_open(struct bs_process *p) {
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

/* ---- threads ----------------------------------------------------------------------------------------------- */

struct bs_thread *bs_thread_by_tid(const struct bs_process *p, pid_t tid) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        if (bs_threads_at(p, i)->tid == tid) {
            return bs_threads_at(p, i);
        }
    }
    return NULL;
}

static struct bs_thread *thread_add(struct bs_process *p, pid_t tid) {
    struct bs_thread *thread = bs_vector_extend(&p->threads, sizeof *thread);
    if (thread) {
        *thread = (struct bs_thread) {.tid = tid, .state = THREAD_RUNNING, .serial = ++p->next_serial};
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

/* Does the program have a handler of its own for this signal? */
static bool handles(const struct bs_process *p, int signal) {
    char text[4096];
    int file = openat(p->proc, "status", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    const char *line = strstr(text, "SigCgt:");
    return line && (strtoull(line + 7, NULL, 16) >> (signal - 1) & 1);
}

static bool is_caught(const struct bs_process *p, int signal) {
    return signal >= 1 && signal <= 64 && (p->caught_signals >> (signal - 1) & 1) && (p->catch_handled || !handles(p, signal));
}

static int go_on(struct bs_process *p, struct bs_thread *thread, int signal) {
    thread->state = THREAD_RUNNING;
    if (ptrace(PTRACE_CONT, thread->tid, 0, (long) signal) < 0 && errno != ESRCH) {
        return bs_fail_errno("continue thread %d of process %d", (int) thread->tid, (int) p->pid);
    }
    return 0;
}

static void program_replaced(struct bs_process *p) {
    p->execed = true;
    p->threads.size = 0;
    struct bs_thread *thread = thread_add(p, p->pid);
    /* The stop of exec lies inside the system call: ask for one on the way out. */
    if (thread) {
        ptrace(PTRACE_INTERRUPT, p->pid, 0, 0);
        thread->trap_pending = true;
        go_on(p, thread, 0);
    }
}

/*
 * A thread that was just made will stop before its first instruction. It counts from now on, so that a freeze waits for it.
 * It may have come and gone already.
 */
static void expect_newborn(struct bs_process *p, pid_t parent) {
    unsigned long tid = 0;
    if (ptrace(PTRACE_GETEVENTMSG, parent, 0, &tid) == 0 && !bs_thread_by_tid(p, (pid_t) tid) && is_thread_of(p, (pid_t) tid)) {
        struct bs_thread *newborn = thread_add(p, (pid_t) tid);
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
        thread = thread_add(p, tid);
        if (!thread) {
            return;
        }
    }
    thread->trap_pending = false; /* any stop takes the place of one that was asked for */
    if (event == PTRACE_EVENT_CLONE) {
        expect_newborn(p, tid);
        go_on(p, bs_thread_by_tid(p, tid), 0);
    } else if (event == PTRACE_EVENT_STOP) {
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
        if (errno == ECHILD && tid > 0 && tid != p->pid) { /* a thread that ended together with its program's replacement */
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

static struct bs_thread *thread_in_error(const struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        if (bs_threads_at(p, i)->state == THREAD_ERROR) {
            return bs_threads_at(p, i);
        }
    }
    return NULL;
}

/* Threads that reported a stop nobody asked for, or asked for too late, go on. */
static int release_strays(struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        struct bs_thread *thread = bs_threads_at(p, i);
        if (thread->state != THREAD_STOPPED) {
            continue;
        }
        if (thread->group_stopped) {
            thread->state = THREAD_LISTENING;
            if (ptrace(PTRACE_LISTEN, thread->tid, 0, 0) < 0 && errno != ESRCH) {
                return bs_fail_errno("listen to thread %d of process %d", (int) thread->tid, (int) p->pid);
            }
        } else {
            int result = go_on(p, thread, 0);
            if (result < 0) {
                return result;
            }
        }
    }
    return 0;
}

/* ---- freezing and thawing ---------------------------------------------------------------------------------- */

static bool all_stand(const struct bs_process *p) {
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

/* Stops every thread. Threads may be born meanwhile; those are stopped too. */
int bs_freeze(struct bs_process *p) {
    uint64_t limit = bs_now_ns() + FREEZE_LIMIT_NS;
    bool armed = false;
    int result = 0;
    for (;;) {
        if (p->exited) {
            result = bs_fail(BS_EGONE, "process %d has exited", (int) p->pid);
            break;
        }
        if (p->execed) {
            result = bs_fail(BS_EEXECED, "process %d replaced its program", (int) p->pid);
            break;
        }
        if ((result = interrupt_all(p)) < 0 || all_stand(p)) {
            break;
        }
        if (!armed) {
            bs_timer_arm(p, limit);
            armed = true;
        } else if (bs_now_ns() >= limit) {
            result = bs_fail(BS_EBUSY, "a thread of process %d did not stop within %llu ms", (int) p->pid,
                             FREEZE_LIMIT_NS / 1000000ULL);
            break;
        }
        if ((result = bs_collect(p, -1, true)) < 0) {
            break;
        }
    }
    if (armed) {
        bs_timer_disarm(p);
        if (__atomic_load_n(&p->wake, __ATOMIC_SEQ_CST)) {
            bs_timer_arm(p, 0);
        }
    }
    if (result < 0) {
        if (!p->exited && !p->execed) {
            release_strays(p);
        }
        return result;
    }
    return 0;
}

int bs_thaw(struct bs_process *p) {
    return release_strays(p);
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

/* ---- waiting ----------------------------------------------------------------------------------------------- */

static void describe_error(struct bs_event *event, const struct bs_thread *thread) {
    siginfo_t info;
    event->kind = BS_EVENT_ERROR;
    event->tid = (uint64_t) thread->tid;
    event->signal = (uint64_t) thread->signal;
    if (ptrace(PTRACE_GETSIGINFO, thread->tid, 0, &info) == 0) {
        event->code = info.si_code;
        event->address = info.si_code > 0 ? (uint64_t) (uintptr_t) info.si_addr : 0;
    }
}

/* After exec: the one thread reaches its stop on the way out of the system call. */
static int await_new_program(struct bs_process *p) {
    while (!p->exited && !all_stand(p)) {
        int result = bs_collect(p, p->pid, true);
        if (result < 0) {
            return result;
        }
    }
    p->execed = false;
    p->halted = !p->exited;
    return 0;
}

/* Fills in what is already known; 1 if something is. */
static int event_at_hand(struct bs_process *p, struct bs_event *event) {
    struct bs_thread *thread;
    if (p->execed) {
        int result = await_new_program(p);
        if (result < 0) {
            return result;
        }
        if (!p->exited) {
            event->kind = BS_EVENT_EXECED;
        }
    }
    if (p->exited) {
        event->kind = BS_EVENT_EXITED;
        event->status = (uint64_t) p->exit_status;
    } else if (event->kind == BS_EVENT_NONE && (thread = thread_in_error(p)) != NULL) {
        describe_error(event, thread);
    }
    if (event->kind == BS_EVENT_NONE) {
        return 0;
    }
    event->at_ns = bs_now_ns();
    return 1;
}

int bs_process_wait(bs_process *p, uint64_t deadline_ns, struct bs_event *event) {
    memset(event, 0, sizeof *event);
    int result = 0;
    bool armed = false;
    for (;;) {
        if ((result = event_at_hand(p, event)) != 0 || (result = release_strays(p)) < 0) {
            break;
        }
        if (!armed) {
            bs_timer_arm(p, deadline_ns);
            armed = true;
        }
        if (__atomic_exchange_n(&p->wake, 0, __ATOMIC_SEQ_CST) || bs_now_ns() >= deadline_ns) {
            break;
        }
        if ((result = bs_collect(p, -1, true)) < 0) {
            break;
        }
    }
    if (armed) {
        bs_timer_disarm(p);
    }
    return result < 0 ? result : 0;
}

/* ---- opening ----------------------------------------------------------------------------------------------- */

static int open_proc(struct bs_process *p) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", (int) p->pid);
    p->proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->proc < 0) {
        return bs_fail_errno("open %s", path);
    }
    return 0;
}

static bs_process *process_new(void) {
    bs_process *p = calloc(1, sizeof *p);
    if (p) {
        p->proc = p->maps = p->pagemap = p->memory = p->descriptors = p->pidfd = p->uffd = -1;
        if (timer_open(p) < 0) {
            free(p);
            return NULL;
        }
    }
    return p;
}

static int reset_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become_program(char **arguments, const int gate[2], int report, int output, int error) {
    char byte;
    close(gate[1]);
    if (read(gate[0], &byte, 1) != 1 || reset_signals() < 0 ||
        (output >= 0 && dup2(output, STDOUT_FILENO) < 0) || (error >= 0 && dup2(error, STDERR_FILENO) < 0) ||
        syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_ALL_CLOEXEC) < 0) {
        _exit(127);
    }
    execvp(arguments[0], arguments);
    int reason = errno;
    ssize_t ignored = write(report, &reason, sizeof reason);
    (void) ignored;
    _exit(127);
}

/* Waits for exec to succeed or fail. */
static int await_exec(struct bs_process *p, int report, const char *program) {
    while (!p->execed && !p->exited) {
        int result = bs_collect(p, p->pid, true);
        if (result < 0) {
            return result;
        }
    }
    int reason = 0;
    if (p->execed) {
        return await_new_program(p);
    }
    if (read(report, &reason, sizeof reason) != sizeof reason) {
        reason = ECHILD;
    }
    errno = reason;
    return bs_fail_errno("start %s", program);
}

int bs_process_spawn(const char *arguments, uint32_t argc, bs_output *output, bs_output *error, bs_process **out) {
    int gate[2] = {-1, -1}, report[2] = {-1, -1};
    int result = 0;
    bs_process *p = process_new();
    char **vector = calloc(argc + 1, sizeof *vector);
    if (!p || !vector || argc == 0) {
        result = bs_fail(-ENOMEM, "start a program: out of memory");
        goto done;
    }
    for (uint32_t i = 0; i < argc; i++) {
        vector[i] = (char *) arguments;
        arguments += strlen(arguments) + 1;
    }
    p->outputs[0] = output;
    p->outputs[1] = error == output ? NULL : error;
    if ((output || error) && (result = bs_output_standby(output, p->outputs[1])) < 0) {
        goto done;
    }
    if (pipe2(gate, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0) {
        result = bs_fail_errno("pipe");
        goto done;
    }
    p->pid = fork();
    if (p->pid == 0) {
        become_program(vector, gate, report[1], output ? bs_output_pipe(output) : -1, error ? bs_output_pipe(error) : -1);
    }
    if (p->pid < 0) {
        result = bs_fail_errno("fork");
        goto done;
    }
    for (int i = 0; i < 2; i++) {
        if (p->outputs[i]) {
            bs_output_given(p->outputs[i]);
        }
    }
    close(report[1]);
    report[1] = -1;
    if (ptrace(PTRACE_SEIZE, p->pid, 0, TRACE_OPTIONS) < 0) {
        result = bs_fail_errno("trace process %d", (int) p->pid);
        goto kill;
    }
    thread_add(p, p->pid);
    if ((result = open_proc(p)) < 0) {
        goto kill;
    }
    if (write(gate[1], "", 1) != 1) {
        result = bs_fail_errno("start %s", vector[0]);
        goto kill;
    }
    if ((result = await_exec(p, report[0], vector[0])) < 0) {
        goto done;
    }
    if (p->exited) {
        result = bs_fail(BS_EGONE, "%s ended before its first instruction", vector[0]);
        goto done;
    }
    *out = p;
    p = NULL;
    goto done;
kill:
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, __WALL);
done:
    for (int i = 0; i < 2; i++) {
        if (gate[i] >= 0) {
            close(gate[i]);
        }
        if (report[i] >= 0) {
            close(report[i]);
        }
    }
    free(vector);
    if (p) {
        bs_process_close(p);
    }
    return result;
}

/* Seizes the threads that are there, again and again until no new one is found. */
static int seize_all(struct bs_process *p) {
    int directory = openat(p->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = directory >= 0 ? fdopendir(directory) : NULL;
    if (!tasks) {
        return bs_fail_errno("list threads of process %d", (int) p->pid);
    }
    int result = 0;
    bool found = true;
    while (found && result == 0) {
        found = false;
        rewinddir(tasks);
        for (struct dirent *entry; result == 0 && (entry = readdir(tasks)) != NULL;) {
            pid_t tid = (pid_t) atoi(entry->d_name);
            if (tid <= 0 || bs_thread_by_tid(p, tid)) {
                continue;
            }
            if (ptrace(PTRACE_SEIZE, tid, 0, TRACE_OPTIONS) == 0) {
                found = thread_add(p, tid) != NULL;
            } else if (errno == EPERM && bs_threads_count(p) > 0) {
                found = true; /* born of a traced thread and seized with it: it reports itself */
                if (!thread_add(p, tid)) {
                    result = -ENOMEM;
                }
            } else if (errno != ESRCH) {
                result = bs_fail_errno("trace process %d", (int) p->pid);
            }
        }
    }
    closedir(tasks);
    return result;
}

int bs_process_attach(int32_t pid, bs_process **out) {
    bs_process *p = process_new();
    if (!p) {
        return bs_fail(-ENOMEM, "attach to process %d: out of memory", pid);
    }
    p->pid = pid;
    int result = open_proc(p);
    if (result == 0) {
        result = seize_all(p);
    }
    if (result == 0 && bs_threads_count(p) == 0) {
        errno = ESRCH;
        result = bs_fail_errno("attach to process %d", pid);
    }
    if (result < 0) {
        bs_process_close(p);
        return result;
    }
    *out = p;
    return 0;
}

int32_t bs_process_pid(const bs_process *p) {
    return p->pid;
}

int bs_process_thread_count(const bs_process *p) {
    return (int) bs_threads_count(p);
}

void bs_process_catch(bs_process *p, uint64_t signals, uint64_t handled_too) {
    p->caught_signals = signals;
    p->catch_handled = handled_too != 0;
}

int bs_process_track(bs_process *p, uint64_t *interrupted_ns) {
    int result = bs_process_halt(p);
    if (result < 0) {
        return result;
    }
    bs_track_close(p);
    if ((result = bs_program_check(p)) < 0 || (result = bs_layout_open(p)) < 0 || (result = bs_remote_init(p)) < 0) {
        return result;
    }
    return bs_track_open(p, interrupted_ns);
}

/* ---- ending ------------------------------------------------------------------------------------------------ */

int bs_set_kill_on_exit(struct bs_process *p, bool on) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        if (ptrace(PTRACE_SETOPTIONS, bs_threads_at(p, i)->tid, 0, TRACE_OPTIONS | (on ? PTRACE_O_EXITKILL : 0)) < 0) {
            return bs_fail_errno("set options of thread %d", (int) bs_threads_at(p, i)->tid);
        }
    }
    return 0;
}

int bs_process_signal(bs_process *p, int32_t signal) {
    return kill(p->pid, signal) < 0 ? bs_fail_errno("signal %d to process %d", signal, (int) p->pid) : 0;
}

int bs_process_kill(bs_process *p) {
    if (p->exited) {
        return 0;
    }
    if (kill(p->pid, SIGKILL) < 0) {
        return bs_fail_errno("kill process %d", (int) p->pid);
    }
    while (!p->exited) {
        int result = bs_collect(p, -1, true);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static void close_descriptor(int *descriptor) {
    if (*descriptor >= 0) {
        close(*descriptor);
        *descriptor = -1;
    }
}

static void detach_all(struct bs_process *p) {
    if (p->exited || p->proc < 0 || bs_freeze(p) < 0) {
        return; /* what could not be stopped is let go by the kernel when this thread ends */
    }
    bs_set_kill_on_exit(p, false);
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        const struct bs_thread *thread = bs_threads_at(p, i);
        ptrace(PTRACE_DETACH, thread->tid, 0, (long) (thread->state == THREAD_ERROR ? thread->signal : 0));
    }
}

void bs_process_close(bs_process *p) {
    if (!p) {
        return;
    }
    bs_track_close(p);
    detach_all(p);
    bs_files_fini(p);
    int *descriptors[] = {&p->maps, &p->pagemap, &p->memory, &p->descriptors, &p->pidfd, &p->proc};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        close_descriptor(descriptors[i]);
    }
    if (p->timer_made) {
        timer_delete(p->timer);
    }
    for (size_t i = 0; i < p->mapped_files.size / sizeof(struct bs_mapped_file); i++) {
        free(((struct bs_mapped_file *) p->mapped_files.data + i)->path);
    }
    struct bs_vector *vectors[] = {&p->threads, &p->special, &p->mappings, &p->fresh,   &p->mapped_files, &p->held, &p->held_files, &p->held_at_capture,
                                   &p->written, &p->dirty,   &p->carried,  &p->scratch, &p->pages, &p->open_files, &p->state};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    bs_scan_fini(p);
    free(p);
}
