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
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
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

/* ---- handing over a descriptor ---------------------------------------------------------------------------------- */

/*
 * What the pointers of a call lead to. It lies in a page of the target's first stack, whose own bytes come back
 * afterwards; nobody sees it, since all of the target stands.
 */
struct room {
    int sockets[2];
    char byte;
    struct iovec piece;
    struct msghdr message;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
};

#define IN_ROOM(p, member) ((p)->room + offsetof(struct room, member))

static int read_room(const struct bs_process *p, struct room *into) {
    if (pread(p->memory, into, sizeof *into, (off_t) p->room) != sizeof *into) {
        return bs_fail_errno("read the stack of process %d", (int) p->pid);
    }
    return 0;
}

static int write_room(const struct bs_process *p, const struct room *from) {
    if (pwrite(p->memory, from, sizeof *from, (off_t) p->room) != sizeof *from) {
        return bs_fail_errno("write the stack of process %d", (int) p->pid);
    }
    return 0;
}

static int call_or_fail(struct bs_process *p, const char *what, long number, const uint64_t arguments[6]) {
    int64_t value = 0;
    int result = bs_remote_call(p, number, arguments, &value);
    if (result == 0 && value < 0) {
        errno = (int) -value;
        result = bs_fail_errno("%s in process %d", what, (int) p->pid);
    }
    return result;
}

static struct msghdr message_of(void *piece, void *control) {
    return (struct msghdr){
        .msg_iov = piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int))};
}

/* Puts our descriptor into the socket that this number means in the target. */
static int send_descriptor(const struct bs_process *p, int their_socket, int ours) {
    int socket = (int) syscall(SYS_pidfd_getfd, p->pidfd, their_socket, 0);
    if (socket < 0) {
        return bs_fail_errno("fetch a socket of process %d", (int) p->pid);
    }
    struct room room = {.piece = {&room.byte, 1}, .message = message_of(&room.piece, &room.control)};
    room.control.head =
        (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof ours), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&room.control.head), &ours, sizeof ours);
    int result = sendmsg(socket, &room.message, MSG_NOSIGNAL) == 1
                     ? 0
                     : bs_fail_errno("send a descriptor to process %d", (int) p->pid);
    close(socket);
    return result;
}

static int receive_descriptor(struct bs_process *p, int their_socket, int *theirs) {
    struct room room = {.piece = {(void *) IN_ROOM(p, byte), 1},
                        .message = message_of((void *) IN_ROOM(p, piece), (void *) IN_ROOM(p, control))};
    int result = write_room(p, &room);
    if (result == 0) {
        result = call_or_fail(p, "recvmsg", SYS_recvmsg,
                              (uint64_t[6]){(uint64_t) their_socket, IN_ROOM(p, message), MSG_CMSG_CLOEXEC});
    }
    if (result < 0 || (result = read_room(p, &room)) < 0) {
        return result;
    }
    if (room.message.msg_controllen < CMSG_LEN(sizeof *theirs)) {
        errno = EMFILE;
        return bs_fail_errno("receive a descriptor in process %d", (int) p->pid);
    }
    memcpy(theirs, CMSG_DATA(&room.control.head), sizeof *theirs);
    return 0;
}

static int hand_over(struct bs_process *p, int ours, int *theirs) {
    struct room room;
    int result = call_or_fail(p, "socketpair", SYS_socketpair,
                              (uint64_t[6]){AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, IN_ROOM(p, sockets)});
    if (result < 0 || (result = read_room(p, &room)) < 0) {
        return result;
    }
    if ((result = send_descriptor(p, room.sockets[0], ours)) == 0) {
        result = receive_descriptor(p, room.sockets[1], theirs);
    }
    for (int i = 0; i < 2; i++) {
        int closed = bs_remote_close(p, room.sockets[i]);
        result = result < 0 ? result : closed;
    }
    return result;
}

/* By a socket pair of the target's: it need not be allowed to look into this process, nor have a number for it. */
int bs_remote_borrow(struct bs_process *p, int ours, int *theirs) {
    struct room own;
    int result = read_room(p, &own);
    if (result < 0) {
        return result;
    }
    result = hand_over(p, ours, theirs);
    int restored = result == BS_EGONE ? 0 : write_room(p, &own);
    return result < 0 ? result : restored;
}

/* ---- ending a thread -------------------------------------------------------------------------------------------- */

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
