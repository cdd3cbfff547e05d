// SPDX-License-Identifier: Apache-2.0
/*
 * Pages between the target and frames. process_vm_readv and writev move many runs at a time but respect the target's
 * own protections; /proc/PID/mem does not, and takes over for the pages that the fast way refuses.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "error.h"
#include "process.h"

#define BATCH 512
#define PIECE 64

struct batch {
    struct iovec ours[BATCH];
    struct iovec theirs[BATCH];
    unsigned long our_count;
    unsigned long their_count;
    size_t pages;
};

/* Takes pages from the front as far as they fit, runs joined on both sides. */
static void fill(struct batch *batch, const uint64_t *pages, const uint64_t *frames, size_t count) {
    batch->our_count = batch->their_count = 0;
    batch->pages = 0;
    for (size_t i = 0; i < count; i++) {
        bool our_run = i > 0 && frames[i] == frames[i - 1] + BS_PAGE_SIZE;
        bool their_run = i > 0 && pages[i] == pages[i - 1] + 1;
        if ((!our_run && batch->our_count == BATCH) || (!their_run && batch->their_count == BATCH)) {
            return;
        }
        if (our_run) {
            batch->ours[batch->our_count - 1].iov_len += BS_PAGE_SIZE;
        } else {
            batch->ours[batch->our_count++] = (struct iovec){(void *) (uintptr_t) frames[i], BS_PAGE_SIZE};
        }
        if (their_run) {
            batch->theirs[batch->their_count - 1].iov_len += BS_PAGE_SIZE;
        } else {
            batch->theirs[batch->their_count++] =
                (struct iovec){(void *) (uintptr_t) (pages[i] * BS_PAGE_SIZE), BS_PAGE_SIZE};
        }
        batch->pages++;
    }
}

static int slow_in(struct bs_process *p, uint64_t page, uint64_t frame) {
    if (pread(p->memory, (void *) (uintptr_t) frame, BS_PAGE_SIZE, (off_t) (page * BS_PAGE_SIZE)) != BS_PAGE_SIZE) {
        return bs_fail_errno("read page %llx of process %d", (unsigned long long) page, (int) p->pid);
    }
    return 0;
}

static int slow_out(struct bs_process *p, uint64_t page, uint64_t frame) {
    if (pwrite(p->memory, (const void *) (uintptr_t) frame, BS_PAGE_SIZE, (off_t) (page * BS_PAGE_SIZE)) !=
        BS_PAGE_SIZE) {
        return bs_fail_errno("write page %llx of process %d", (unsigned long long) page, (int) p->pid);
    }
    return 0;
}

/* missed, if not null, takes the pages that could not be read. */
static int copy(struct bs_process *p, const uint64_t *pages, const uint64_t *frames, size_t count, bool in,
                struct bs_vector *missed) {
    struct batch batch;
    size_t done = 0;
    while (done < count) {
        fill(&batch, pages + done, frames + done, count - done);
        ssize_t moved = in ? process_vm_readv(p->pid, batch.ours, batch.our_count, batch.theirs, batch.their_count, 0)
                           : process_vm_writev(p->pid, batch.ours, batch.our_count, batch.theirs, batch.their_count, 0);
        if (moved < 0 && errno != EFAULT && errno != EPERM) {
            return bs_fail_errno("%s memory of process %d", in ? "read" : "write", (int) p->pid);
        }
        size_t whole = moved > 0 ? (size_t) moved / BS_PAGE_SIZE : 0;
        done += whole;
        if (whole < batch.pages) {
            int result = in ? slow_in(p, pages[done], frames[done]) : slow_out(p, pages[done], frames[done]);
            if (result < 0 && missed) {
                memset((void *) (uintptr_t) frames[done], 0, BS_PAGE_SIZE);
                result = bs_ranges_add(missed, pages[done], pages[done] + 1);
            }
            if (result < 0) {
                return result;
            }
            done++;
        }
    }
    return 0;
}

/* Pages that two threads share. What a piece could not copy is tried again, for the text of its failure. */
struct shared_copy {
    struct bs_process *process;
    const uint64_t *pages;
    const uint64_t *frames;
    size_t count;
    bool failed;
};

static void copy_piece(void *work, size_t index) {
    struct shared_copy *all = work;
    size_t from = index * PIECE, count = all->count - from < PIECE ? all->count - from : PIECE;
    if (copy(all->process, all->pages + from, all->frames + from, count, true, NULL) < 0) {
        __atomic_store_n(&all->failed, true, __ATOMIC_RELAXED);
    }
}

int bs_copy_in_shared(struct bs_process *p, const uint64_t *pages, const uint64_t *frames, size_t count) {
    struct shared_copy all = {.process = p, .pages = pages, .frames = frames, .count = count};
    bool many = count >= 2 * PIECE, helped = many && bs_trial_helped(&p->copy_trial);
    uint64_t start = bs_now_ns();
    bs_helper_share(helped ? p->helper : NULL, copy_piece, &all, (count + PIECE - 1) / PIECE);
    if (many) {
        bs_trial_note(&p->copy_trial, helped, bs_now_ns() - start, count);
    }
    return all.failed ? copy(p, pages, frames, count, true, NULL) : 0;
}

int bs_copy_in(struct bs_process *p, const uint64_t *pages, const uint64_t *frames, size_t count,
               struct bs_vector *missed) {
    return copy(p, pages, frames, count, true, missed);
}

int bs_copy_out(struct bs_process *p, const uint64_t *pages, const uint64_t *frames, size_t count) {
    return copy(p, pages, frames, count, false, NULL);
}

static const char zeros[BS_PAGE_SIZE];

static int drop_run(struct bs_process *p, uint64_t first, uint64_t end) {
    int64_t value = 0;
    int result = bs_remote_call(
        p, SYS_madvise, (uint64_t[6]){first * BS_PAGE_SIZE, (end - first) * BS_PAGE_SIZE, MADV_DONTNEED}, &value);
    if (result < 0 || value == 0) {
        return result;
    }
    if (value != -EINVAL) {
        errno = (int) -value;
        return bs_fail_errno("drop pages from %llx of process %d", (unsigned long long) first, (int) p->pid);
    }
    for (uint64_t page = first; page < end; page++) { /* locked memory cannot be dropped, but it is anonymous */
        if ((result = slow_out(p, page, (uint64_t) (uintptr_t) zeros)) < 0) {
            return result;
        }
    }
    return 0;
}

int bs_drop(struct bs_process *p, const uint64_t *pages, size_t count) {
    uint64_t first = 0, end = 0;
    size_t cursor = 0;
    for (size_t i = 0; i < count; i++) {
        if (!bs_ranges_have(&p->held, pages[i], &cursor)) {
            continue; /* it has no content as it is, or is not even mapped */
        }
        if (pages[i] != end) {
            int result = first < end ? drop_run(p, first, end) : 0;
            if (result < 0) {
                return result;
            }
            first = pages[i];
        }
        end = pages[i] + 1;
    }
    return first < end ? drop_run(p, first, end) : 0;
}

int64_t bs_measure_copy(int32_t pid, uint64_t pages, uint64_t frames, uint64_t count, uint32_t write) {
    struct bs_process reader = {.pid = pid, .memory = -1};
    const uint64_t *numbers = (const uint64_t *) (uintptr_t) pages;
    const uint64_t *places = (const uint64_t *) (uintptr_t) frames;
    uint64_t start = bs_now_ns();
    int result =
        write ? bs_copy_out(&reader, numbers, places, count) : bs_copy_in(&reader, numbers, places, count, NULL);
    return result < 0 ? result : (int64_t) (bs_now_ns() - start);
}
