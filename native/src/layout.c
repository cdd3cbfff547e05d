// SPDX-License-Identifier: Apache-2.0
/* The target's mappings: read in the pause (one PROCMAP_QUERY each), and registered for tracking when they are new. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "error.h"
#include "kernel.h"
#include "process.h"
#include "uffd.h"

#define PAGE_UP(address) (((address) + BS_PAGE_SIZE - 1) & ~(uint64_t) (BS_PAGE_SIZE - 1))
#define FIELD_START_STACK 28
#define FIELD_START_BRK 47

/* ---- opening ----------------------------------------------------------------------------------------------- */

static int read_places(struct bs_process *p) {
    char text[2048];
    int file = openat(p->proc, "stat", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) {
        close(file);
    }
    text[length > 0 ? length : 0] = 0;
    char *field = strrchr(text, ')'); /* the end of field 2, which may hold anything */
    for (int number = 2; field && number < FIELD_START_BRK; number++) {
        if (number == FIELD_START_STACK) {
            p->room = strtoull(field, NULL, 10) & ~(uint64_t) (BS_PAGE_SIZE - 1);
        }
        field = strchr(field + 1, ' ');
    }
    if (!field) {
        return bs_fail_errno("read where stack and heap of process %d start", (int) p->pid);
    }
    p->heap_start = PAGE_UP(strtoull(field, NULL, 10));
    return 0;
}

static bool is_special(const char *name) {
    return strncmp(name, "[vdso]", 6) == 0 || strncmp(name, "[vvar", 5) == 0 || strncmp(name, "[vsyscall]", 10) == 0 ||
           strncmp(name, "[uprobes]", 9) == 0;
}

static int read_special(struct bs_process *p) {
    int file = openat(p->proc, "maps", O_RDONLY | O_CLOEXEC);
    FILE *maps = file < 0 ? NULL : fdopen(file, "r");
    if (!maps) {
        return bs_fail_errno("read the mappings of process %d", (int) p->pid);
    }
    char line[4608];
    p->special.size = 0;
    while (fgets(line, sizeof line, maps)) {
        unsigned long long start, end;
        const char *name = strchr(line, '[');
        if (name && is_special(name) && sscanf(line, "%llx-%llx", &start, &end) == 2 &&
            bs_ranges_add(&p->special, start / BS_PAGE_SIZE, end / BS_PAGE_SIZE) < 0) {
            fclose(maps);
            return -ENOMEM;
        }
    }
    fclose(maps);
    return 0;
}

static int reopen(struct bs_process *p, int *descriptor, const char *name, int flags) {
    if (*descriptor >= 0) {
        close(*descriptor);
    }
    *descriptor = openat(p->proc, name, flags | O_CLOEXEC);
    return *descriptor < 0 ? bs_fail_errno("open /proc/%d/%s", (int) p->pid, name) : 0;
}

int bs_layout_open(struct bs_process *p) {
    int result;
    if ((result = reopen(p, &p->maps, "maps", O_RDONLY)) < 0 ||
        (result = reopen(p, &p->pagemap, "pagemap", O_RDONLY)) < 0 ||
        (result = reopen(p, &p->memory, "mem", O_RDWR)) < 0 ||
        (result = reopen(p, &p->descriptors, "fd", O_RDONLY | O_DIRECTORY)) < 0) {
        return result;
    }
    if (p->pidfd < 0) {
        p->pidfd = (int) syscall(SYS_pidfd_open, p->pid, 0);
        if (p->pidfd < 0) {
            return bs_fail_errno("open process %d", (int) p->pid);
        }
    }
    if ((result = read_places(p)) < 0 || (result = read_special(p)) < 0) {
        return result;
    }
    return bs_layout_read(p, &p->fresh);
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

static bool lies_in_special(const struct bs_process *p, uint64_t start) {
    for (size_t i = 0; i < bs_ranges_count(&p->special); i++) {
        const struct bs_range *range = bs_ranges_at(&p->special, i);
        if (start / BS_PAGE_SIZE >= range->first && start / BS_PAGE_SIZE < range->end) {
            return true;
        }
    }
    return false;
}

/* For kernels before PROCMAP_QUERY: the same from the text. */
static int read_text(struct bs_process *p, struct bs_vector *into) {
    int file = openat(p->proc, "maps", O_RDONLY | O_CLOEXEC);
    FILE *maps = file < 0 ? NULL : fdopen(file, "r");
    if (!maps) {
        return bs_fail_errno("read the mappings of process %d", (int) p->pid);
    }
    char line[4608];
    while (fgets(line, sizeof line, maps)) {
        unsigned long long start, end, offset, inode;
        unsigned int major, minor;
        char protection[8];
        if (sscanf(line, "%llx-%llx %7s %llx %x:%x %llu", &start, &end, protection, &offset, &major, &minor, &inode) !=
                7 ||
            lies_in_special(p, start)) {
            continue;
        }
        struct bs_mapping *mapping = bs_vector_extend(into, sizeof *mapping);
        if (!mapping) {
            fclose(maps);
            return -ENOMEM;
        }
        *mapping = (struct bs_mapping){
            .start = start,
            .end = end,
            .flags = (protection[0] == 'r' ? MAPPING_READ : 0) | (protection[1] == 'w' ? MAPPING_WRITE : 0) |
                     (protection[2] == 'x' ? MAPPING_EXECUTE : 0) | (protection[3] == 's' ? MAPPING_SHARED : 0),
            .offset = inode ? offset : 0,
            .device = inode ? makedev(major, minor) : 0,
            .inode = inode};
    }
    fclose(maps);
    return 0;
}

int bs_layout_read(struct bs_process *p, struct bs_vector *into) {
    into->size = 0;
    struct procmap_query query = {.size = sizeof query, .query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA};
    while (ioctl(p->maps, PROCMAP_QUERY, &query) == 0) {
        if (!lies_in_special(p, query.vma_start)) {
            struct bs_mapping *mapping = bs_vector_extend(into, sizeof *mapping);
            if (!mapping) {
                return -ENOMEM;
            }
            *mapping = (struct bs_mapping){.start = query.vma_start,
                                           .end = query.vma_end,
                                           .flags = query.vma_flags & 0xf,
                                           .offset = query.inode ? query.vma_offset : 0,
                                           .device = query.inode ? makedev(query.dev_major, query.dev_minor) : 0,
                                           .inode = query.inode};
        }
        query.query_addr = query.vma_end;
        query.query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA;
        query.vma_name_size = query.build_id_size = 0;
    }
    if (errno == ENOENT) {
        return 0;
    }
    if (errno == ENOTTY) {
        into->size = 0;
        return read_text(p, into);
    }
    return bs_fail_errno("read the mappings of process %d", (int) p->pid);
}

/* Where brk stands, to the page: the end of the anonymous mappings that follow the heap's start without a gap. */
uint64_t bs_layout_heap_end(const struct bs_process *p, const struct bs_vector *mappings) {
    uint64_t end = p->heap_start;
    const struct bs_mapping *mapping = (const struct bs_mapping *) mappings->data;
    for (size_t i = 0; i < mappings->size / sizeof *mapping; i++, mapping++) {
        if (mapping->start == end && bs_is_anonymous(mapping)) {
            end = mapping->end;
        }
    }
    return end;
}

/* ---- registering ------------------------------------------------------------------------------------------- */

static bool is_remembered(const struct bs_process *p, const struct bs_mapping *mapping) {
    const struct bs_mapped_file *file = (const struct bs_mapped_file *) p->mapped_files.data;
    for (size_t i = 0; i < p->mapped_files.size / sizeof *file; i++, file++) {
        if (file->device == mapping->device && file->inode == mapping->inode) {
            return true;
        }
    }
    return false;
}

static int remember_file(struct bs_process *p, const struct bs_mapping *mapping) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "map_files/%llx-%llx", (unsigned long long) mapping->start,
             (unsigned long long) mapping->end);
    ssize_t length = is_remembered(p, mapping) ? 0 : readlinkat(p->proc, link, path, sizeof path - 1);
    if (length <= 0) {
        return 0; /* a rollback that needs it will say so */
    }
    path[length] = 0;
    char *copy = strdup(path);
    struct bs_mapped_file *file = copy ? bs_vector_extend(&p->mapped_files, sizeof *file) : NULL;
    if (!file) {
        free(copy);
        return -ENOMEM;
    }
    *file = (struct bs_mapped_file){.device = mapping->device, .inode = mapping->inode, .path = copy};
    return 0;
}

/*
 * A page that mremap moves next to others, so that they become one mapping, takes the registration of all of them away
 * but leaves their marks. Pages with such a mark can be written without a fault: they would count as not written for
 * ever. So marks are cleared in all that is registered anew, and what is there counts as written.
 */
static int clear_marks(struct bs_process *p, uint64_t start, uint64_t end) {
    struct uffdio_writeprotect clear = {.range = {.start = start, .len = end - start}};
    while (ioctl(p->uffd, UFFDIO_WRITEPROTECT, &clear) < 0) {
        if (errno == ENOENT && end - start > BS_PAGE_SIZE) { /* a part is gone, or mapped anew: the rest all the same */
            uint64_t middle = start + (end - start) / BS_PAGE_SIZE / 2 * BS_PAGE_SIZE;
            int first = clear_marks(p, start, middle), second = clear_marks(p, middle, end);
            return first < 0 ? first : second;
        }
        if (errno != EAGAIN) {
            return bs_fail_errno("clear marks from %llx to %llx of process %d", (unsigned long long) start,
                                 (unsigned long long) end, (int) p->pid);
        }
    }
    return 0;
}

static int register_anew(struct bs_process *p, uint64_t start, uint64_t end) {
    int result = bs_uffd_register(p->uffd, p->pid, start, end);
    return result < 0 ? result : clear_marks(p, start, end);
}

/*
 * Memory outside of files may have valid marks in a part that was known, which is left alone: it could lose its
 * registration at any time while the target runs. In a new mapping of a file all is registered anew, since marks could
 * have been set for what the target had there a moment ago, and of a file's pages nothing else would be looked at. But
 * where no mapping is known, after a rollback changed them, none is new in this sense.
 */
int bs_layout_register_one(struct bs_process *p, const struct bs_mapping *mapping) {
    if (bs_held_tracks(p, mapping)) {
        return bs_held_register(p, mapping);
    }
    if (mapping->inode && p->mappings.size > 0) {
        return register_anew(p, mapping->start, mapping->end);
    }
    int result = bs_scan_unregistered(p, mapping->start, mapping->end);
    for (size_t i = 0; i < bs_ranges_count(&p->unregistered) && result == 0; i++) {
        const struct bs_range *range = bs_ranges_at(&p->unregistered, i);
        result = register_anew(p, range->first * BS_PAGE_SIZE, range->end * BS_PAGE_SIZE);
    }
    return result;
}

static int register_private(struct bs_process *p, const struct bs_mapping *mapping) {
    return mapping->flags & MAPPING_SHARED ? 0 : bs_layout_register_one(p, mapping);
}

struct known {
    const struct bs_mapping *at;
    const struct bs_mapping *end;
};

static struct known known_mappings(const struct bs_process *p) {
    size_t count;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    return (struct known){mappings, mappings + count};
}

/* To be asked in ascending order. */
static bool is_known(struct known *known, const struct bs_mapping *mapping) {
    while (known->at < known->end && known->at->start < mapping->start) {
        known->at++;
    }
    return known->at < known->end && memcmp(known->at, mapping, sizeof *mapping) == 0;
}

/* What the target takes away meanwhile is left to the pause, and what is mapped of files that were not yet seen. */
bool bs_layout_adopt_ahead(struct bs_process *p) {
    struct known known = known_mappings(p);
    struct bs_mapping *mappings = (struct bs_mapping *) p->fresh.data;
    size_t count = p->fresh.size / sizeof *mappings, kept = 0;
    bool any_new = false;
    for (size_t i = 0; i < count; i++) {
        bool was_known = is_known(&known, mappings + i);
        bool in_time = mappings[i].inode == 0 || is_remembered(p, mappings + i);
        if (was_known || (in_time && register_private(p, mappings + i) == 0)) {
            any_new = any_new || !was_known;
            mappings[kept++] = mappings[i];
        }
    }
    p->fresh.size = kept * sizeof *mappings;
    bs_vector_swap(&p->mappings, &p->fresh);
    return any_new;
}

/* A target that runs may take away what was read; what it has in its place is seen in the pause. */
static bool has_gone(const struct bs_process *p, int result) {
    return !bs_all_stand(p) && (result == -EINVAL || result == -ENOMEM || result == -ENOENT);
}

int bs_layout_adopt(struct bs_process *p) {
    int result = 0;
    p->layout_changed =
        p->fresh.size != p->mappings.size || memcmp(p->fresh.data, p->mappings.data, p->fresh.size) != 0;
    if (!p->layout_changed) {
        return 0;
    }
    struct known known = known_mappings(p);
    const struct bs_mapping *mapping = (const struct bs_mapping *) p->fresh.data;
    for (size_t i = 0; i < p->fresh.size / sizeof *mapping; i++, mapping++) {
        if (is_known(&known, mapping)) {
            continue;
        }
        if (mapping->inode && (result = remember_file(p, mapping)) < 0) {
            return result;
        }
        if ((result = register_private(p, mapping)) < 0 && !has_gone(p, result)) {
            return result;
        }
    }
    bs_vector_swap(&p->mappings, &p->fresh);
    return 0;
}
