// SPDX-License-Identifier: Apache-2.0
/* What this kernel lets this user do, found out by doing it: on memory of our own, and on a child made for it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "hurry.h"
#include "kernel.h"
#include "process.h"

static int64_t outcome(long result) {
    return result < 0 ? -(int64_t) errno : 0;
}

static int open_uffd(struct bs_host *host) {
    int uffd = (int) syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    host->uffd_syscall = outcome(uffd);
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    host->uffd_device = outcome(device);
    if (device >= 0) {
        if (uffd < 0) {
            uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
        }
        close(device);
    }
    return uffd;
}

static int64_t scan(int pagemap, const char *page) {
    struct page_region region;
    struct pm_scan_arg look = {.size = sizeof look,
                               .flags = PM_SCAN_WP_MATCHING,
                               .start = (uint64_t) (uintptr_t) page,
                               .end = (uint64_t) (uintptr_t) page + BS_PAGE_SIZE,
                               .vec = (uint64_t) (uintptr_t) &region,
                               .vec_len = 1,
                               .category_mask = PAGE_IS_WRITTEN,
                               .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                               .return_mask = PAGE_IS_WRITTEN};
    int found = ioctl(pagemap, PAGEMAP_SCAN, &look);
    return found < 0 ? -(int64_t) errno : found;
}

/* A page is written, found, protected, not found, written again, found again. */
static void probe_tracking(struct bs_host *host) {
    host->wp_async = host->pagemap_scan = -ENOSYS;
    int uffd = open_uffd(host);
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    volatile char *page = mmap(NULL, BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED};
    struct uffdio_register range = {.range = {.start = (uint64_t) (uintptr_t) page, .len = BS_PAGE_SIZE},
                                    .mode = UFFDIO_REGISTER_MODE_WP};
    if (uffd >= 0) {
        host->wp_async = outcome(ioctl(uffd, UFFDIO_API, &api));
        host->uffd_features = api.features;
        if (host->wp_async == 0 && !(api.features & UFFD_FEATURE_WP_ASYNC)) {
            host->wp_async = -ENOTSUP; /* old kernels ignore bits that they do not know */
        }
        if (host->wp_async == 0) {
            host->wp_async = outcome(ioctl(uffd, UFFDIO_REGISTER, &range));
        }
    } else {
        host->wp_async = host->uffd_syscall;
    }
    if (pagemap < 0) {
        host->pagemap_scan = -errno;
    } else if (host->wp_async == 0 && page != MAP_FAILED) {
        page[0] = 1;
        int64_t first = scan(pagemap, (const char *) page), second = scan(pagemap, (const char *) page);
        page[0] = 2;
        int64_t third = scan(pagemap, (const char *) page);
        host->pagemap_scan = first < 0 ? first : first == 1 && second == 0 && third == 1 ? 0 : -ENOTSUP;
    } else {
        host->pagemap_scan = host->wp_async;
    }
    int descriptors[] = {uffd, pagemap};
    for (int i = 0; i < 2; i++) {
        if (descriptors[i] >= 0) {
            close(descriptors[i]);
        }
    }
    munmap((void *) page, BS_PAGE_SIZE);
}

static void probe_layout(struct bs_host *host) {
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    struct procmap_query query = {.size = sizeof query, .query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA};
    host->procmap_query = maps < 0 ? -errno : outcome(ioctl(maps, PROCMAP_QUERY, &query));
    if (maps >= 0) {
        close(maps);
    }
}

static int64_t try_ptrace(pid_t child) {
    int status;
    if (ptrace(PTRACE_SEIZE, child, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, child, 0, 0) < 0) {
        return -errno;
    }
    struct user_regs_struct registers;
    if (waitpid(child, &status, __WALL) < 0 || bs_registers_get(child, &registers) < 0) {
        return -errno;
    }
    return 0;
}

static void probe_child(struct bs_host *host) {
    char mine = 1, theirs = 2;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            pause();
        }
    }
    if (child < 0) {
        host->ptrace = host->process_vm = host->pidfd_getfd = host->kcmp = -errno;
        return;
    }
    host->ptrace = try_ptrace(child);
    struct iovec ours = {&mine, 1}, remote = {&theirs, 1};
    host->process_vm = process_vm_readv(child, &ours, 1, &remote, 1, 0) == 1 && mine == 2 &&
                               process_vm_writev(child, &ours, 1, &remote, 1, 0) == 1
                           ? 0
                           : -errno;
    int pidfd = (int) syscall(SYS_pidfd_open, child, 0);
    int fetched = pidfd < 0 ? -1 : (int) syscall(SYS_pidfd_getfd, pidfd, STDERR_FILENO, 0);
    host->pidfd_getfd = fetched < 0 && errno != EBADF ? -errno : 0;
    host->kcmp = outcome(syscall(SYS_kcmp, getpid(), child, KCMP_FILE_TYPE, STDERR_FILENO, STDERR_FILENO));
    if (host->kcmp == -EBADF) {
        host->kcmp = 0;
    }
    if (fetched >= 0) {
        close(fetched);
    }
    if (pidfd >= 0) {
        close(pidfd);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, __WALL);
}

static void probe_priority(struct bs_host *host) {
    host->real_time = bs_hurry() ? 0 : -EPERM;
    bs_hurry_end();
}

int bs_host_probe(struct bs_host *host) {
    memset(host, 0, sizeof *host);
    probe_tracking(host);
    probe_layout(host);
    probe_child(host);
    probe_priority(host);
    return 0;
}
