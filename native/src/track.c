// SPDX-License-Identifier: Apache-2.0
/*
 * Tracking: a userfaultfd made inside the target write-protects its private memory in asynchronous mode (the kernel
 * lifts the protection of a page at its first write and lets the target go on). What was written is found by scan.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cow.h"
#include "error.h"
#include "pagemap.h"
#include "process.h"
#include "uffd.h"

#define STEADY 0.2    /* mappings that change before a smaller share of scans are expected to stay as they are */
#define WEIGHT 0.0625 /* of the newest in that share */
#define MORE_SCANS 2  /* one that registers what was overlooked, and one that sees it */

/* Adds to interrupted_ns. */
int bs_track_make(struct bs_process *p, uint64_t flags, int *uffd, uint64_t *interrupted_ns) {
    int64_t theirs = 0;
    uint64_t start = bs_now_ns();
    int result = bs_remote_call(p, SYS_userfaultfd, (uint64_t[6]){flags}, &theirs);
    *interrupted_ns += bs_now_ns() - start;
    if (result < 0) {
        return result;
    }
    if (theirs < 0) {
        errno = (int) -theirs;
        return bs_fail_errno("userfaultfd in process %d", (int) p->pid);
    }
    *uffd = (int) syscall(SYS_pidfd_getfd, p->pidfd, (int) theirs, 0);
    int fetched = *uffd < 0 ? bs_fail_errno("fetch the userfaultfd of process %d", (int) p->pid) : 0;
    start = bs_now_ns();
    result = bs_remote_close(p, (int) theirs);
    if (result == 0) {
        result = bs_remote_settle(p);
    }
    *interrupted_ns += bs_now_ns() - start;
    return fetched < 0 ? fetched : result;
}

int bs_track_open(struct bs_process *p, uint64_t *interrupted_ns) {
    if (bs_filters_calls(p)) {
        return bs_fail(BS_EUNFIT, "process %d filters its system calls (seccomp) and could be killed by ours",
                       (int) p->pid);
    }
    *interrupted_ns = 0;
    int result = bs_track_make(p, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY, &p->uffd, interrupted_ns);
    if (result < 0) {
        return result;
    }
    struct uffdio_api api = {.api = UFFD_API,
                             .features =
                                 UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_PAGEFAULT_FLAG_WP};
    if (ioctl(p->uffd, UFFDIO_API, &api) < 0 || !(api.features & UFFD_FEATURE_WP_ASYNC)) {
        return bs_fail_errno("asynchronous write-protection for process %d", (int) p->pid);
    }
    p->no_guard_category = !bs_pagemap_knows(p->pagemap, PAGE_IS_GUARD);
    p->mappings.size = 0; /* nothing is registered yet */
    return p->cow ? bs_held_open(p, interrupted_ns) : 0;
}

void bs_track_close(struct bs_process *p) {
    if (p->uffd >= 0) {
        close(p->uffd);
        p->uffd = -1;
    }
    bs_cow_end(p->cow);
    p->held.size = p->held_files.size = p->held_at_capture.size = p->written.size = p->carried.size = p->dirty.size = 0;
    p->all_dirty = false;
    bs_huge_forget(&p->huge);
}

int bs_track_carry(struct bs_process *p, int result, const struct bs_vector *found) {
    if (result == 0) {
        result = bs_ranges_add_all(&p->carried, found, &p->scratch);
    }
    p->all_dirty = p->all_dirty || result < 0; /* marks may be gone that we do not know of */
    return result;
}

static int scan_and_carry(struct bs_process *p, bool with_layout, bs_scan_part beside, bool *overlooked) {
    int result = bs_scan(p, with_layout, beside, overlooked);
    return bs_track_carry(p, result, &p->written);
}

/*
 * Mappings that come just before a pause are few, so most of them are registered while the target runs. What is
 * registered becomes one with its neighbours: the mappings are then others again. What fails here is left to the pause.
 */
void bs_track_ahead(struct bs_process *p) {
    int result = bs_layout_read(p, &p->fresh);
    if (result == 0 && !p->cow && bs_layout_adopt_ahead(p) && bs_layout_read(p, &p->fresh) == 0) {
        bs_layout_adopt_ahead(p);
    }
}

/* As long as the mappings stay as they are, they are read at the same time as the pages. Of held writes they must be
 * known before. */
static int track_as_before(struct bs_process *p, bs_scan_part beside, bool *again) {
    int result = scan_and_carry(p, true, beside, again);
    if (result == 0) {
        result = bs_layout_adopt(p);
    }
    if (result == 0 && p->layout_changed) {
        p->loose = *again = true;
    }
    return result;
}

int bs_track_all(struct bs_process *p, bs_scan_part beside) {
    bool again = false;
    int result;
    if (bs_all_stand(p) && !p->cow && p->mappings.size > 0 && p->changing < STEADY) {
        result = track_as_before(p, beside, &again);
    } else if ((result = bs_layout_read(p, &p->fresh)) == 0 && (result = bs_layout_adopt(p)) == 0) {
        result = scan_and_carry(p, false, beside, &again);
    }
    bool changed = p->layout_changed || again;
    for (int more = MORE_SCANS; result == 0 && again && more > 0; more--) {
        bs_vector_swap(&p->touched, &p->touched_before);
        result = scan_and_carry(p, false, NULL, &again);
        if (result == 0) {
            result = bs_ranges_add_all(&p->touched, &p->touched_before, &p->scratch);
        }
    }
    p->changing += WEIGHT * ((double) changed - p->changing);
    return result;
}

int bs_track_complete(struct bs_process *p) {
    p->carried.size = 0;
    p->all_dirty = false;
    return bs_vector_copy(&p->held_at_capture, &p->held);
}

void bs_process_untrack(bs_process *p) {
    bs_track_close(p);
}
