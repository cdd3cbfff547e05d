// SPDX-License-Identifier: Apache-2.0
/* Waiting for what a running target does: errors, its end, its replacement by another program. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>

#include "error.h"
#include "process.h"

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
int bs_await_new_program(struct bs_process *p) {
    while (!p->exited && !bs_all_stand(p)) {
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
        int result = bs_await_new_program(p);
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
    } else if (event->kind == BS_EVENT_NONE && (thread = bs_thread_in_error(p)) != NULL) {
        describe_error(event, thread);
    }
    return event->kind == BS_EVENT_NONE ? 0 : 1;
}

int bs_process_wait(bs_process *p, uint64_t deadline_ns, struct bs_event *event) {
    memset(event, 0, sizeof *event);
    int result = 0;
    bool armed = false;
    for (;;) {
        if ((result = event_at_hand(p, event)) != 0 || (result = bs_thaw(p)) < 0) {
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
