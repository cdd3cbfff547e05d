// SPDX-License-Identifier: Apache-2.0
/*
 * Held writes of a process: its private anonymous memory is tracked by the cow discipline, if that was chosen. The kernel
 * holds no writes to private mappings of files. They are tracked and copied as in the copy discipline, by a userfaultfd of
 * their own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include "cow.h"
#include "error.h"
#include "process.h"

int bs_process_hold_writes(bs_process *p, bs_cow *cow) {
    p->cow = cow;
    return 0;
}

int bs_held_make(struct bs_process *p, int *uffd, uint64_t *interrupted_ns) {
    int result = bs_track_make(p, O_CLOEXEC | O_NONBLOCK, uffd, interrupted_ns);
    return result != -EPERM
               ? result
               : bs_fail(BS_EUNFIT,
                         "process %d may not hold its own writes: cow needs CAP_SYS_PTRACE in the process, or "
                         "vm.unprivileged_userfaultfd=1; --capture copy needs neither",
                         (int) p->pid);
}

static void wake(void *process) {
    bs_process_wake(process);
}

int bs_held_open(struct bs_process *p, uint64_t *interrupted_ns) {
    int uffd = -1, result = bs_held_make(p, &uffd, interrupted_ns);
    const struct bs_cow_host host = {.pid = p->pid,
                                     .memory = p->memory,
                                     .pagemap = p->pagemap,
                                     .no_guard_category = p->no_guard_category,
                                     .wake = wake,
                                     .owner = p};
    return result < 0 ? result : bs_cow_begin(p->cow, uffd, &host);
}

int bs_held_register(struct bs_process *p, const struct bs_mapping *mapping) {
    return bs_cow_register(p->cow, mapping->start / BS_PAGE_SIZE, mapping->end / BS_PAGE_SIZE);
}

/* Neighbours are walked at once, from one mapping of others to the next. */
int bs_held_scan(struct bs_process *p) {
    size_t count;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    unsigned kind = 0;
    bs_cow_clear_areas(p->cow);
    for (size_t i = 0; i < count; i++) {
        if (!bs_held_tracks(p, mappings + i)) {
            kind = 0;
            continue;
        }
        if (bs_cow_add_area(p->cow, mappings[i].start / BS_PAGE_SIZE, mappings[i].end / BS_PAGE_SIZE, kind) < 0) {
            return -ENOMEM;
        }
        kind = BS_COW_JOINED;
    }
    return bs_cow_scan(p->cow);
}

/* Before anything is changed for a rollback: is all there that it needs? */
int bs_held_check(struct bs_process *p) {
    int result = bs_track_all(p, NULL);
    if (result == 0) {
        result = bs_cow_look_back(p->cow);
    }
    if (result == 0 && p->cow->lost > 0) {
        return bs_cow_refuse(p->cow);
    }
    return result;
}
