// SPDX-License-Identifier: Apache-2.0
/*
 * stop-copy INTERVAL_MS REPORT COMMAND...: stops a program of one thread and copies its registers and everything that
 * it has in writable private memory, to memory that lies ready. Of two copies the older one is overwritten. What has
 * never been written is not copied.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "kernel.h"
#include "peer.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define COPY_BYTES (1UL << 36)
#define AT_START_BYTES (32UL << 20)
#define BATCH 512

/* A copy of the program; what lies before ready is backed with frames. */
struct copy {
    uint8_t *memory;
    uint64_t used;
    uint64_t ready;
    uint8_t registers[512];
    uint8_t extended[16384];
};

static struct copy copies[2];
static int maps;
static int pagemap;

static void make_ready(struct copy *copy, uint64_t length) {
    length = (length + PAGE - 1) & -PAGE;
    if (length > copy->ready) {
        madvise(copy->memory + copy->ready, length - copy->ready, MADV_POPULATE_WRITE);
        copy->ready = length;
    }
}

static void copy_ranges(pid_t pid, struct copy *copy, const struct iovec *ranges, unsigned long count) {
    uint64_t length = 0;
    for (unsigned long i = 0; i < count; i++) {
        length += ranges[i].iov_len;
    }
    struct iovec to = {copy->memory + copy->used, length};
    if (copy->used + length > COPY_BYTES || process_vm_readv(pid, &to, 1, ranges, count, 0) != (ssize_t) length) {
        fail("copying %llu bytes: %m", (unsigned long long) length);
    }
    copy->used += length;
}

static void copy_mapping(pid_t pid, struct copy *copy, struct range mapping, int is_of_file) {
    static struct page_region regions[BATCH];
    static struct iovec ranges[BATCH];
    uint64_t without = PAGE_IS_PFNZERO | (is_of_file ? PAGE_IS_FILE : 0);
    struct pm_scan_arg scan = {.size = sizeof scan,
                               .start = mapping.start,
                               .end = mapping.end,
                               .vec = (uint64_t) (uintptr_t) regions,
                               .vec_len = BATCH,
                               .category_inverted = without,
                               .category_mask = without,
                               .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                               .return_mask = PAGE_IS_PRESENT};
    while (scan.start < mapping.end) {
        int count = ioctl(pagemap, PAGEMAP_SCAN, &scan);
        if (count < 0) {
            fail("PAGEMAP_SCAN: %m");
        }
        for (int i = 0; i < count; i++) {
            ranges[i].iov_base = (void *) (uintptr_t) regions[i].start;
            ranges[i].iov_len = regions[i].end - regions[i].start;
        }
        if (count > 0) {
            copy_ranges(pid, copy, ranges, (unsigned long) count);
        }
        scan.start = scan.walk_end;
    }
}

static void copy_all(pid_t pid, struct copy *copy) {
    struct iovec registers = {copy->registers, sizeof copy->registers};
    struct iovec extended = {copy->extended, sizeof copy->extended};
    if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &registers) < 0 ||
        ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &extended) < 0) {
        fail("PTRACE_GETREGSET: %m");
    }
    copy->used = 0;
    struct range mapping = {0};
    for (int is_of_file; next_writable(maps, mapping.end, &mapping, &is_of_file);) {
        copy_mapping(pid, copy, mapping, is_of_file);
    }
    if (copy->used == 0) {
        fail("PROCMAP_QUERY: not on this kernel");
    }
}

static int is_our_stop(int status) {
    return WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_STOP;
}

/* Lets the program go on after a stop, with the signal that it was stopped for. */
static void go_on(pid_t pid, int status) {
    long signal = is_our_stop(status) ? 0 : WSTOPSIG(status);
    if (ptrace(PTRACE_CONT, pid, 0, signal) < 0) {
        fail("PTRACE_CONT: %m");
    }
}

static int open_file(pid_t pid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        fail("%s: %m", path);
    }
    return descriptor;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fail("usage: stop-copy INTERVAL_MS REPORT COMMAND...");
    }
    uint64_t interval_ns = strtoull(argv[1], NULL, 10) * 1000000;
    for (int i = 0; i < 2; i++) {
        copies[i].memory = reserve(COPY_BYTES);
        make_ready(&copies[i], AT_START_BYTES);
    }
    pid_t pid = start_child(argv + 3);
    if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL) < 0) {
        fail("PTRACE_SEIZE: %m");
    }
    release_child();

    int status;
    struct rusage usage;
    uint64_t next_ns = now_ns() + interval_ns;
    for (unsigned turn = 0;;) {
        if (wait_child(pid, next_ns, &status, &usage)) {
            if (!WIFSTOPPED(status)) {
                break;
            }
            go_on(pid, status);
            continue;
        }
        if (turn == 0) { // an exec has new memory
            maps = open_file(pid, "maps");
            pagemap = open_file(pid, "pagemap");
        }
        struct copy *copy = &copies[turn++ % 2];
        uint64_t began_ns = now_ns();
        ptrace(PTRACE_INTERRUPT, pid, 0, 0);
        while (wait_child(pid, UINT64_MAX, &status, &usage) && WIFSTOPPED(status) && !is_our_stop(status)) {
            go_on(pid, status);
        }
        if (!WIFSTOPPED(status)) {
            break;
        }
        copy_all(pid, copy);
        go_on(pid, status);
        uint64_t ended_ns = now_ns();
        add_pause(ended_ns - began_ns, copy->used / PAGE);
        make_ready(&copies[turn % 2], copy->used + copy->used / 4);
        next_ns = ended_ns + interval_ns;
    }
    if (WIFSIGNALED(status)) {
        fail("the program ended by signal %d", WTERMSIG(status));
    }
    write_report(argv[2], "processor", used_ns(&usage));
    return WEXITSTATUS(status);
}
