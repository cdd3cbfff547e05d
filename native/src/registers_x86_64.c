// SPDX-License-Identifier: Apache-2.0
/* Registers of an x86-64 thread: reading, saving, putting back, and making a system call with them. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "error.h"
#include "process.h"

#define RESUME_FLAG 0x10000 /* of the flags */

#define XSTATE_ROOM 16384 /* the largest that processors have today is 11 KiB */

/* Results by which the kernel asks itself to restart a system call; a user program never sees them. */
#define ERESTARTNOINTR 513
#define ERESTART_RESTARTBLOCK 516

int bs_registers_get(pid_t tid, struct user_regs_struct *registers) {
    struct iovec vector = {registers, sizeof *registers};
    if (ptrace(PTRACE_GETREGSET, tid, (void *) NT_PRSTATUS, &vector) < 0) {
        return bs_fail_errno("read registers of thread %d", (int) tid);
    }
    return 0;
}

int bs_registers_set(pid_t tid, const struct user_regs_struct *registers) {
    struct iovec vector = {(void *) registers, sizeof *registers};
    if (ptrace(PTRACE_SETREGSET, tid, (void *) NT_PRSTATUS, &vector) < 0) {
        return bs_fail_errno("write registers of thread %d", (int) tid);
    }
    return 0;
}

/*
 * A call that waits with a time-out (nanosleep, poll, a timed futex) is resumed by the kernel from notes that stay in
 * the kernel and belong to the thread's newest interruption, not to the checkpoint's. Such a call is begun anew with its
 * arguments, which all lie in the registers. Its number does not, once it has been resumed: so that is remembered.
 */
static bool waits(const struct user_regs_struct *registers) {
    return (int64_t) registers->orig_rax >= 0 && (int64_t) registers->rax == -ERESTART_RESTARTBLOCK;
}

void bs_registers_note_call(struct bs_thread *thread) {
    struct user_regs_struct registers;
    if (bs_registers_get(thread->tid, &registers) == 0 && waits(&registers) &&
        registers.orig_rax != SYS_restart_syscall) {
        thread->call = registers.orig_rax;
    }
}

/* The processor notes it in the flags that it saves for a fault, so that the instruction is tried again. */
bool bs_registers_in_fault(pid_t tid) {
    struct user_regs_struct registers;
    return bs_registers_get(tid, &registers) < 0 || (registers.eflags & RESUME_FLAG) != 0;
}

/*
 * A thread that goes on from such a stop is made to call for the resumption by the kernel; stopped again before it has,
 * it stands at that call in user mode. Nobody else makes it.
 */
static void take_back_resumption(pid_t tid, struct user_regs_struct *registers) {
    unsigned char code[BS_GADGET_SIZE];
    struct iovec here = {code, sizeof code}, there = {(void *) (uintptr_t) registers->rip, sizeof code};
    if (registers->rax == SYS_restart_syscall && process_vm_readv(tid, &here, 1, &there, 1, 0) == sizeof code &&
        bs_registers_at_gadget(code)) {
        registers->rip += sizeof code;
        registers->rax = (unsigned long long) -ERESTART_RESTARTBLOCK;
        registers->orig_rax = (int64_t) registers->orig_rax < 0 ? SYS_restart_syscall : registers->orig_rax;
    }
}

static void begin_call_anew(struct user_regs_struct *registers, uint64_t call) {
    if (!waits(registers)) {
        return;
    }
    if (registers->orig_rax != SYS_restart_syscall) {
        call = registers->orig_rax;
    }
    registers->orig_rax = call ? call : (unsigned long long) -1;
    registers->rax = (unsigned long long) (int64_t) (call ? -ERESTARTNOINTR : -EINTR); /* nobody knows: interrupted */
}

int bs_registers_save(const struct bs_thread *thread, struct bs_vector *blob) {
    pid_t tid = thread->tid;
    size_t start = blob->size;
    if (!bs_vector_extend(blob, sizeof(struct bs_thread_state) + XSTATE_ROOM)) {
        return -ENOMEM;
    }
    struct bs_thread_state *state = (struct bs_thread_state *) (blob->data + start);
    struct iovec vector = {state + 1, XSTATE_ROOM};
    memset(state, 0, sizeof *state);
    state->tid = (uint64_t) tid;
    state->serial = thread->serial;
    int result = bs_registers_get(tid, &state->registers);
    if (result < 0) {
        return result;
    }
    if (ptrace(PTRACE_GETREGSET, tid, (void *) NT_X86_XSTATE, &vector) < 0 ||
        ptrace(PTRACE_GETSIGMASK, tid, (void *) sizeof state->signal_mask, &state->signal_mask) < 0) {
        return bs_fail_errno("read extended registers of thread %d", (int) tid);
    }
    if ((result = bs_rseq_save(tid, state)) < 0) {
        return result;
    }
    take_back_resumption(tid, &state->registers);
    begin_call_anew(&state->registers, thread->call);
    state->xstate_size = (vector.iov_len + 7) & ~7ULL;
    blob->size = start + sizeof *state + state->xstate_size;
    return 0;
}

int bs_registers_restore(const struct bs_thread_state *state) {
    pid_t tid = (pid_t) state->tid;
    struct iovec vector = {(void *) (state + 1), state->xstate_size};
    int result = bs_registers_set(tid, &state->registers);
    if (result < 0) {
        return result;
    }
    if (ptrace(PTRACE_SETREGSET, tid, (void *) NT_X86_XSTATE, &vector) < 0 ||
        ptrace(PTRACE_SETSIGMASK, tid, (void *) sizeof state->signal_mask, &state->signal_mask) < 0) {
        return bs_fail_errno("write extended registers of thread %d", (int) tid);
    }
    return 0;
}

void bs_registers_prepare_call(struct user_regs_struct *registers, uint64_t gadget, long number,
                               const uint64_t arguments[6]) {
    registers->rip = gadget;
    registers->rax = (unsigned long long) number;
    registers->orig_rax = (unsigned long long) -1; /* not in a system call: nothing for the kernel to restart */
    registers->rdi = arguments[0];
    registers->rsi = arguments[1];
    registers->rdx = arguments[2];
    registers->r10 = arguments[3];
    registers->r8 = arguments[4];
    registers->r9 = arguments[5];
}

int64_t bs_registers_result(const struct user_regs_struct *registers) {
    return (int64_t) registers->rax;
}

bool bs_registers_at_gadget(const unsigned char *code) {
    return code[0] == 0x0f && code[1] == 0x05; /* syscall */
}

int bs_program_check(struct bs_process *p) {
    unsigned char head[EI_NIDENT + 4];
    int file = openat(p->proc, "exe", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return bs_fail_errno("open the program of process %d", (int) p->pid);
    }
    ssize_t length = read(file, head, sizeof head);
    close(file);
    uint16_t machine = 0;
    memcpy(&machine, head + EI_NIDENT + 2, sizeof machine);
    if (length != sizeof head || memcmp(head, ELFMAG, SELFMAG) != 0 || head[EI_CLASS] != ELFCLASS64 ||
        machine != EM_X86_64) {
        return bs_fail(BS_EUNFIT, "process %d does not run a 64-bit x86-64 program", (int) p->pid);
    }
    return 0;
}

/* ---- registers by name, for fault injection ---------------------------------------------------------------------- */

#define NAMED(name)                                                                                                    \
    { #name, offsetof(struct user_regs_struct, name) }

static const struct {
    const char *name;
    size_t offset;
} named[] = {NAMED(rip), NAMED(rsp), NAMED(rbp), NAMED(rax), NAMED(rbx), NAMED(rcx), NAMED(rdx), NAMED(rsi), NAMED(rdi),
             NAMED(r8),  NAMED(r9),  NAMED(r10), NAMED(r11), NAMED(r12), NAMED(r13), NAMED(r14), NAMED(r15)};

int bs_register_count(void) {
    return sizeof named / sizeof *named;
}

const char *bs_register_name(uint32_t index) {
    return index < sizeof named / sizeof *named ? named[index].name : "";
}

int bs_process_flip_register(bs_process *p, uint32_t thread, uint32_t index, uint64_t mask) {
    struct user_regs_struct registers;
    if (!p->halted || thread >= bs_threads_count(p) || index >= sizeof named / sizeof *named) {
        return bs_fail(-EINVAL, "no register %u of thread %u in a halted process %d", index, thread, (int) p->pid);
    }
    pid_t tid = bs_threads_at(p, thread)->tid;
    int result = bs_registers_get(tid, &registers);
    if (result < 0) {
        return result;
    }
    unsigned long long *value = (unsigned long long *) ((char *) &registers + named[index].offset);
    *value ^= mask;
    return bs_registers_set(tid, &registers);
}
