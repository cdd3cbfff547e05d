// SPDX-License-Identifier: Apache-2.0
/* A process handle from its opening to its close: starting a program or taking hold of a running one, and letting go.
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

#include "error.h"
#include "kernel.h"

#define TRACK_TRIES 10

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
        if (bs_timer_open(p) < 0) {
            free(p);
            return NULL;
        }
        p->helper = bs_helper_open();
    }
    return p;
}

/* Asks the kernel: the C library refuses its own two signals, which its posix_spawn leaves ignored. */
static int ignore(int number) {
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } action = {.handler = SIG_IGN};
    return (int) syscall(SYS_rt_sigaction, number, &action, NULL, sizeof action.mask);
}

/* What the program finds on its side of exec: no signal blocked, and those ignored that shall be. */
static int set_signals(uint64_t ignored) {
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number <= 64; number++) {
        if (ignored >> (number - 1) & 1) {
            ignore(number); /* what cannot be ignored was not */
        }
    }
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_descriptors(const struct bs_program *program) {
    const bs_output *output = (const bs_output *) (uintptr_t) program->output;
    const bs_output *error = (const bs_output *) (uintptr_t) program->error;
    const int64_t *inherited = (const int64_t *) (uintptr_t) program->inherited;
    if ((output && dup2(bs_output_pipe(output), STDOUT_FILENO) < 0) ||
        (error && dup2(bs_output_pipe(error), STDERR_FILENO) < 0) ||
        syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_ALL_CLOEXEC) < 0) {
        return -1;
    }
    for (uint64_t i = 0; i < program->inherited_count; i++) {
        fcntl((int) inherited[i], F_SETFD, 0); /* one that was closed meanwhile is none to be inherited */
    }
    return 0;
}

static void become_program(const struct bs_program *program, char **arguments, int gate, int report) {
    char byte;
    if (read(gate, &byte, 1) != 1 || set_signals(program->ignored_signals) < 0 || set_descriptors(program) < 0) {
        _exit(127);
    }
    execv((const char *) (uintptr_t) program->strings, arguments);
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
        return bs_await_new_program(p);
    }
    if (read(report, &reason, sizeof reason) != sizeof reason) {
        reason = ECHILD;
    }
    errno = reason;
    return bs_fail_errno("start %s", program);
}

int bs_process_spawn(const struct bs_program *program, bs_process **out) {
    int gate[2] = {-1, -1}, report[2] = {-1, -1};
    int result = 0;
    const char *file = (const char *) (uintptr_t) program->strings, *string = file;
    bs_process *p = process_new();
    char **arguments = calloc(program->argument_count + 1, sizeof *arguments);
    if (!p || !arguments || program->argument_count == 0) {
        result = bs_fail(-ENOMEM, "start a program: out of memory");
        goto done;
    }
    for (uint64_t i = 0; i < program->argument_count; i++) {
        string += strlen(string) + 1;
        arguments[i] = (char *) string;
    }
    p->outputs[0] = (bs_output *) (uintptr_t) program->output;
    p->outputs[1] = program->error == program->output ? NULL : (bs_output *) (uintptr_t) program->error;
    if ((p->outputs[0] || p->outputs[1]) && (result = bs_output_standby(p->outputs[0], p->outputs[1])) < 0) {
        goto done;
    }
    if (pipe2(gate, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0) {
        result = bs_fail_errno("pipe");
        goto done;
    }
    p->pid = fork();
    if (p->pid == 0) {
        close(gate[1]);
        become_program(program, arguments, gate[0], report[1]);
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
    if (ptrace(PTRACE_SEIZE, p->pid, 0, BS_TRACE_OPTIONS) < 0) {
        result = bs_fail_errno("trace process %d", (int) p->pid);
        goto kill;
    }
    bs_thread_add(p, p->pid);
    if ((result = open_proc(p)) < 0) {
        goto kill;
    }
    if (write(gate[1], "", 1) != 1) {
        result = bs_fail_errno("start %s", file);
        goto kill;
    }
    if ((result = await_exec(p, report[0], file)) < 0) {
        goto done;
    }
    if (p->exited) {
        result = bs_fail(BS_EGONE, "%s ended before its first instruction", file);
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
    free(arguments);
    if (p) {
        bs_process_close(p);
    }
    return result;
}

int bs_process_attach(int32_t pid, bs_process **out) {
    bs_process *p = process_new();
    if (!p) {
        return bs_fail(-ENOMEM, "attach to process %d: out of memory", pid);
    }
    p->pid = pid;
    int result = open_proc(p);
    if (result == 0 && (result = bs_seize(p)) > 0) {
        p->may_miss_threads = true;
        result = 0;
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

int bs_process_prepare_calls(struct bs_process *p) {
    int result = BS_EBUSY;
    for (int tries = 0; result == BS_EBUSY && tries < TRACK_TRIES; tries++) {
        result = bs_process_halt(p);
    }
    if (result < 0 || (result = bs_program_check(p)) < 0 || (result = bs_layout_open(p)) < 0) {
        return result;
    }
    return bs_remote_init(p);
}

int bs_process_track(bs_process *p, uint64_t *interrupted_ns) {
    bs_track_close(p);
    int result = bs_process_prepare_calls(p);
    return result < 0 ? result : bs_track_open(p, interrupted_ns);
}

/* ---- ending ------------------------------------------------------------------------------------------------ */

int bs_set_kill_on_exit(struct bs_process *p, bool on) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        if (ptrace(PTRACE_SETOPTIONS, bs_threads_at(p, i)->tid, 0, BS_TRACE_OPTIONS | (on ? PTRACE_O_EXITKILL : 0)) < 0) {
            return bs_fail_errno("set options of thread %d", (int) bs_threads_at(p, i)->tid);
        }
    }
    return 0;
}

int bs_process_signal(bs_process *p, int32_t signal) {
    return kill(p->pid, signal) < 0 && errno != ESRCH ? bs_fail_errno("signal %d to process %d", signal, (int) p->pid)
                                                      : 0;
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
    struct bs_vector *vectors[] = {
        &p->threads,    &p->special,         &p->mappings,     &p->fresh,        &p->mapped_files,   &p->held,
        &p->held_files, &p->held_at_capture, &p->written,      &p->predicted,    &p->touched,        &p->touched_before,
        &p->dirty,      &p->carried,         &p->unregistered, &p->scratch,      &p->pages,          &p->open_files,
        &p->left_files, &p->left_writable,   &p->lifting,      &p->closed_files, &p->state,
        &p->descriptor_states, &p->preparation.found, &p->preparation.all, &p->preparation.pages,
        &p->preparation.scratch};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    bs_scan_fini(p);
    bs_ahead_fini(&p->ahead);
    bs_huge_fini(&p->huge);
    bs_helper_close(p->helper);
    free(p);
}
