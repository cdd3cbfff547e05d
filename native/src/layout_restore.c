// SPDX-License-Identifier: Apache-2.0
/*
 * The target's mappings are put back by a rollback with as few remote calls as the difference needs.
 *
 * Registering splits and joins mappings in the kernel, so two lists are never compared entry by entry but at each
 * address: what lies here now, and what lay here then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "process.h"

struct cursor {
    const struct bs_mapping *at;
    const struct bs_mapping *end;
};

/* The mapping that covers the address, or null; next is where this answer may change. */
static const struct bs_mapping *covering(struct cursor *cursor, uint64_t address, uint64_t *next) {
    while (cursor->at < cursor->end && cursor->at->end <= address) {
        cursor->at++;
    }
    if (cursor->at == cursor->end) {
        return NULL;
    }
    uint64_t change = cursor->at->start <= address ? cursor->at->end : cursor->at->start;
    if (change < *next) {
        *next = change;
    }
    return cursor->at->start <= address ? cursor->at : NULL;
}

static bool same_backing(const struct bs_mapping *a, const struct bs_mapping *b, uint64_t address) {
    return a->inode == b->inode && a->device == b->device &&
           (a->flags & MAPPING_SHARED) == (b->flags & MAPPING_SHARED) &&
           (a->inode == 0 || a->offset + (address - a->start) == b->offset + (address - b->start));
}

typedef int (*difference_visitor)(struct bs_process *p, uint64_t start, uint64_t end, const struct bs_mapping *now,
                                  const struct bs_mapping *wanted);

/* Visits each stretch of addresses in which the two lists differ; neighbouring gaps and equal stretches are passed
 * over. */
static int visit_differences(struct bs_process *p, const struct bs_vector *now, const struct bs_mapping *wanted,
                             size_t count, difference_visitor visit) {
    struct cursor current = {(const struct bs_mapping *) now->data,
                             (const struct bs_mapping *) (now->data + now->size)};
    struct cursor target = {wanted, wanted + count};
    uint64_t address = 0;
    while (current.at < current.end || target.at < target.end) {
        uint64_t next = UINT64_MAX;
        const struct bs_mapping *here = covering(&current, address, &next);
        const struct bs_mapping *then = covering(&target, address, &next);
        if (next == UINT64_MAX) {
            break;
        }
        bool differs =
            (here || then) && !(here && then && here->flags == then->flags && same_backing(here, then, address));
        int result = differs ? visit(p, address, next, here, then) : 0;
        if (result < 0) {
            return result;
        }
        address = next;
    }
    return 0;
}

static int protection(const struct bs_mapping *mapping) {
    return (mapping->flags & MAPPING_READ ? PROT_READ : 0) | (mapping->flags & MAPPING_WRITE ? PROT_WRITE : 0) |
           (mapping->flags & MAPPING_EXECUTE ? PROT_EXEC : 0);
}

static int open_same(int directory, const char *path, const struct bs_mapping *mapping) {
    struct stat status;
    bool shared_write = (mapping->flags & MAPPING_SHARED) && (mapping->flags & MAPPING_WRITE);
    int descriptor = openat(directory, path, (shared_write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (descriptor >= 0 && (fstat(descriptor, &status) < 0 || status.st_ino != mapping->inode)) {
        close(descriptor);
        descriptor = -1;
    }
    return descriptor;
}

/* Opens the file of a mapping and makes sure that it is still that file. */
static int open_mapped(const struct bs_process *p, const struct bs_mapping *mapping) {
    const struct bs_mapped_file *file = (const struct bs_mapped_file *) p->mapped_files.data;
    for (size_t i = 0; i < p->mapped_files.size / sizeof *file; i++, file++) {
        if (file->device != mapping->device || file->inode != mapping->inode) {
            continue;
        }
        char as_theirs[4096 + 8];
        snprintf(as_theirs, sizeof as_theirs, "root%s", file->path); /* in another mount namespace */
        int descriptor = open_same(AT_FDCWD, file->path, mapping);
        if (descriptor < 0) {
            descriptor = open_same(p->proc, as_theirs, mapping);
        }
        if (descriptor >= 0) {
            return descriptor;
        }
        return bs_fail(BS_EREFUSED, "process %d unmapped %s%s, which is no longer there to be mapped again",
                       (int) p->pid, mapping->flags & MAPPING_SHARED ? "shared memory, " : "", file->path);
    }
    return bs_fail(BS_EREFUSED, "process %d unmapped a file (inode %llu) that cannot be mapped again", (int) p->pid,
                   (unsigned long long) mapping->inode);
}

static bool must_map(const struct bs_mapping *now, const struct bs_mapping *wanted, uint64_t start) {
    return wanted && !(now && same_backing(now, wanted, start));
}

static int check_difference(struct bs_process *p, uint64_t start, uint64_t end, const struct bs_mapping *now,
                            const struct bs_mapping *wanted) {
    (void) end;
    if (!must_map(now, wanted, start)) {
        return 0;
    }
    if (wanted->inode) {
        int descriptor = open_mapped(p, wanted);
        if (descriptor < 0) {
            return descriptor;
        }
        close(descriptor);
    }
    return 0;
}

int bs_layout_check(struct bs_process *p, const struct bs_mapping *wanted, size_t count) {
    int result = bs_layout_read(p, &p->fresh);
    return result < 0 ? result : visit_differences(p, &p->fresh, wanted, count, check_difference);
}

static int remote(struct bs_process *p, const char *what, long number, const uint64_t arguments[6]) {
    int64_t value = 0;
    int result = bs_remote_call(p, number, arguments, &value);
    if (result < 0) {
        return result;
    }
    if (value < 0 && value > -4096) {
        errno = (int) -value;
        return bs_fail_errno("%s at %llx in process %d", what, (unsigned long long) arguments[0], (int) p->pid);
    }
    return 0;
}

static int unmap_difference(struct bs_process *p, uint64_t start, uint64_t end, const struct bs_mapping *now,
                            const struct bs_mapping *wanted) {
    return now && !wanted ? remote(p, "munmap", SYS_munmap, (uint64_t[6]){start, end - start}) : 0;
}

static int map_difference(struct bs_process *p, uint64_t start, uint64_t end, const struct bs_mapping *now,
                          const struct bs_mapping *wanted) {
    if (!wanted) {
        return 0;
    }
    if (!must_map(now, wanted, start)) {
        return remote(p, "mprotect", SYS_mprotect, (uint64_t[6]){start, end - start, (uint64_t) protection(wanted)});
    }
    uint64_t flags = MAP_FIXED | (wanted->flags & MAPPING_SHARED ? MAP_SHARED : MAP_PRIVATE);
    if (!wanted->inode) {
        return remote(
            p, "mmap", SYS_mmap,
            (uint64_t[6]){start, end - start, (uint64_t) protection(wanted), flags | MAP_ANONYMOUS, (uint64_t) -1, 0});
    }
    int ours = open_mapped(p, wanted), theirs = -1;
    if (ours < 0) {
        return ours;
    }
    int result = bs_remote_borrow(p, ours, &theirs);
    close(ours);
    if (result < 0) {
        return result;
    }
    result = remote(p, "mmap", SYS_mmap,
                    (uint64_t[6]){start, end - start, (uint64_t) protection(wanted), flags, (uint64_t) theirs,
                                  wanted->offset + (start - wanted->start)});
    int closed = bs_remote_close(p, theirs);
    return result < 0 ? result : closed;
}

static int report_difference(struct bs_process *p, uint64_t start, uint64_t end, const struct bs_mapping *now,
                             const struct bs_mapping *wanted) {
    return bs_fail(BS_EBROKEN, "mappings of process %d differ at %llx-%llx (%s) after they were put back", (int) p->pid,
                   (unsigned long long) start, (unsigned long long) end,
                   !now      ? "missing"
                   : !wanted ? "in excess"
                             : "of another kind");
}

static int restore_heap(struct bs_process *p, uint64_t heap_end) {
    int64_t value = 0;
    int result = bs_remote_call(p, SYS_brk, (uint64_t[6]){heap_end}, &value);
    return result < 0 ? result : bs_layout_read(p, &p->fresh);
}

int bs_layout_restore(struct bs_process *p, const struct bs_mapping *wanted, size_t count, uint64_t heap_end) {
    int result = bs_layout_read(p, &p->fresh);
    /* The heap shrinks by brk, before anything of it is unmapped, and grows by brk once nothing lies in its way. */
    if (result == 0 && bs_layout_heap_end(p, &p->fresh) > heap_end) {
        result = restore_heap(p, heap_end);
    }
    if (result == 0) {
        result = visit_differences(p, &p->fresh, wanted, count, unmap_difference);
    }
    if (result == 0 && bs_layout_heap_end(p, &p->fresh) < heap_end) {
        result = restore_heap(p, heap_end);
    }
    if (result == 0) {
        result = bs_layout_read(p, &p->fresh);
    }
    if (result == 0) {
        result = visit_differences(p, &p->fresh, wanted, count, map_difference);
    }
    if (result == 0) {
        result = bs_layout_read(p, &p->fresh);
    }
    p->mappings.size = 0; /* what was mapped anew looks like what was there before, but is not registered */
    return result < 0 ? result : visit_differences(p, &p->fresh, wanted, count, report_difference);
}
