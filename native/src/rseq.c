// SPDX-License-Identifier: Apache-2.0
/*
 * Restartable sequences: a thread may have told the kernel an address to write to on every return to user mode. A
 * rollback past that moment would leave the kernel writing into memory that is gone, so the registration follows the
 * checkpoint.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "error.h"
#include "kernel.h"
#include "process.h"

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif
#ifndef SYS_rseq
#define SYS_rseq 334
#endif
#define UNREGISTER 1

struct configuration {
    uint64_t address;
    uint32_t size;
    uint32_t signature;
    uint32_t flags;
    uint32_t padding;
};

int bs_rseq_save(pid_t tid, struct bs_thread_state *state) {
    struct configuration now = {0};
    if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, (void *) sizeof now, &now) < 0 && errno != EIO) {
        return bs_fail_errno("read the restartable sequence of thread %d", (int) tid);
    }
    state->rseq_address = now.address;
    state->rseq_size = now.size;
    state->rseq_signature = now.signature;
    return 0;
}

static int tell(struct bs_process *p, const struct bs_thread_state *state, uint64_t flags) {
    int64_t value = 0;
    int result =
        bs_remote_call_in(p, (pid_t) state->tid, SYS_rseq,
                          (uint64_t[6]){state->rseq_address, state->rseq_size, flags, state->rseq_signature}, &value);
    if (result == 0 && value < 0) {
        errno = (int) -value;
        result = bs_fail_errno("restartable sequence of thread %d", (int) state->tid);
    }
    return result;
}

int bs_rseq_withdraw(struct bs_process *p, const struct bs_thread_state *state) {
    struct bs_thread_state now = {.tid = state->tid};
    int result = bs_rseq_save((pid_t) state->tid, &now);
    if (result < 0 || now.rseq_address == 0 || now.rseq_address == state->rseq_address) {
        return result;
    }
    return tell(p, &now, UNREGISTER);
}

int bs_rseq_restore(struct bs_process *p, const struct bs_thread_state *state) {
    struct bs_thread_state now = {.tid = state->tid};
    int result = bs_rseq_save((pid_t) state->tid, &now);
    if (result < 0 || now.rseq_address == state->rseq_address) {
        return result;
    }
    return tell(p, state, 0);
}

#define MOST_BYTES 256

struct area {
    uint64_t address, size;
    unsigned char bytes[MOST_BYTES];
};

/* What the kernel writes to at each injected call, as it is now. */
int bs_rseq_note(struct bs_process *p, struct bs_vector *areas) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        struct bs_thread_state now = {0};
        int result = bs_rseq_save(bs_threads_at(p, i)->tid, &now);
        struct area *area = result < 0 || now.rseq_address == 0 ? NULL : bs_vector_extend(areas, sizeof *area);
        if (area) {
            area->address = now.rseq_address;
            area->size = now.rseq_size < MOST_BYTES ? now.rseq_size : MOST_BYTES;
            ssize_t got = pread(p->memory, area->bytes, area->size, (off_t) area->address);
            area->size = got > 0 ? (uint64_t) got : 0;
        } else if (result < 0 || now.rseq_address != 0) {
            return result < 0 ? result : -ENOMEM;
        }
    }
    return 0;
}

/* Takes back what injected calls left there: the pages need not be among those that are restored. */
int bs_rseq_take_back(struct bs_process *p, const struct bs_vector *areas) {
    const struct area *area = (const struct area *) areas->data;
    for (size_t i = 0; i < areas->size / sizeof *area; i++, area++) {
        unsigned char now[MOST_BYTES];
        ssize_t size = (ssize_t) area->size;
        if (pread(p->memory, now, area->size, (off_t) area->address) == size &&
            memcmp(now, area->bytes, area->size) != 0 &&
            pwrite(p->memory, area->bytes, area->size, (off_t) area->address) != size) {
            return bs_fail_errno("restartable sequence of process %d", (int) p->pid);
        }
    }
    return 0;
}
