// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of a virtual machine, which lies in a process that is not traced: it is stopped once, for the injected call
 * that makes its memory trackable, and from then on everything is done from outside.
 *
 * Shared memory that is discarded (a hole is made in its file, as a balloon does) keeps its marks as not written. To a
 * capture it is what it was, which is as good: its machine expects nothing of it. But a rollback must put it back, and
 * looks for holes that are new.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "guest.h"

#define MANY 256 /* pages that are worth waking another thread for */

/* ---- pages ------------------------------------------------------------------------------------------------------- */

static struct bs_process *reader(struct bs_tracked *t) {
    return &((struct bs_guest *) t)->reader; /* its first member */
}

static int copy_in(struct bs_tracked *t, const uint64_t *pages, const uint64_t *frames, size_t count, bool hurried) {
    struct bs_process *p = reader(t);
    if (!hurried) {
        return bs_copy_in(p, pages, frames, count, NULL);
    }
    if (count >= MANY) {
        bs_helper_alert(p->helper);
    }
    int result = bs_copy_in_shared(p, pages, frames, count);
    bs_helper_dismiss(p->helper);
    return result;
}

static int copy_out(struct bs_tracked *t, const uint64_t *pages, const uint64_t *frames, size_t count) {
    return bs_copy_out(reader(t), pages, frames, count);
}

int bs_guest_drop(bs_guest *g, const uint64_t *pages, size_t count) {
    static const char zeros[BS_PAGE_SIZE];
    size_t cursor = 0;
    uint64_t frame = (uint64_t) (uintptr_t) zeros;
    for (size_t i = 0; i < count; i++) {
        bool is_hole = bs_ranges_have(&g->discarded, pages[i], &cursor);
        int result = is_hole ? 0 : bs_copy_out(&g->reader, pages + i, &frame, 1);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int drop(struct bs_tracked *t, const uint64_t *pages, size_t count) {
    return bs_guest_drop((struct bs_guest *) t, pages, count);
}

static const struct bs_movers movers = {copy_in, copy_out, drop};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int make_trackable(int32_t pid, bool hold, int *uffd, uint64_t *interrupted_ns) {
    bs_process *p;
    int result = bs_process_attach(pid, &p);
    if (result < 0) {
        return result;
    }
    *interrupted_ns = 0;
    if ((result = bs_process_prepare_calls(p)) == 0) {
        result = hold ? bs_held_make(p, uffd, interrupted_ns)
                      : bs_track_make(p, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY, uffd, interrupted_ns);
    }
    bs_process_close(p);
    return result;
}

static int open_proc(int32_t pid, const char *name, int flags, int *descriptor) {
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/%s", (int) pid, name);
    *descriptor = open(path, flags | O_CLOEXEC);
    return *descriptor < 0 ? bs_fail_errno("open %s", path) : 0;
}

/* The descriptor is one of two kinds, and belongs to what deals with it. */
static int begin(bs_guest *g, int uffd) {
    if (g->cow) {
        return bs_guest_hold_writes(g, uffd);
    }
    g->tracked.uffd = uffd;
    return bs_tracked_open(&g->tracked);
}

int bs_guest_open(int32_t pid, bs_cow *cow, uint64_t *interrupted_ns, bs_guest **out) {
    bs_guest *g = calloc(1, sizeof *g);
    if (!g) {
        return bs_fail(-ENOMEM, "track process %d: out of memory", (int) pid);
    }
    g->cow = cow;
    g->tracked.movers = &movers;
    g->tracked.uffd = g->tracked.pagemap = g->reader.memory = g->reader.maps = -1;
    g->reader.pid = pid;
    int uffd, result;
    if ((result = open_proc(pid, "pagemap", O_RDONLY, &g->tracked.pagemap)) < 0 ||
        (result = open_proc(pid, "mem", O_RDWR, &g->reader.memory)) < 0 ||
        (result = make_trackable(pid, cow != NULL, &uffd, interrupted_ns)) < 0 || (result = begin(g, uffd)) < 0) {
        bs_guest_close(g);
        return result;
    }
    g->reader.helper = bs_helper_open();
    *out = g;
    return 0;
}

/* ---- content ----------------------------------------------------------------------------------------------------- */

static int add_pages(const struct bs_shown *part, off_t from, off_t to, struct bs_vector *pages) {
    uint64_t start = part->address + (uint64_t) from - part->offset, end = part->address + (uint64_t) to - part->offset;
    return from < to ? bs_ranges_add(pages, start / BS_PAGE_SIZE, (end + BS_PAGE_SIZE - 1) / BS_PAGE_SIZE) : 0;
}

/* Where a file has data, which its process may not have looked at yet, and where holes. Each may be null. */
static int look(const struct bs_shown *part, struct bs_vector *content, struct bs_vector *holes) {
    off_t end = (off_t) (part->offset + part->length);
    int result = 0;
    for (off_t at = (off_t) part->offset; at < end && result == 0;) {
        off_t data = lseek(part->file, at, SEEK_DATA);
        data = (data < 0 && errno == ENXIO) || data > end ? end : data;
        off_t hole = data < 0 || data == end ? data : lseek(part->file, data, SEEK_HOLE);
        if (hole < 0) {
            return bs_fail_errno("look for data of a guest's memory");
        }
        hole = hole < end ? hole : end;
        result = holes ? add_pages(part, at, data, holes) : 0;
        if (result == 0 && content) {
            result = add_pages(part, data, hole, content);
        }
        at = hole;
    }
    return result;
}

/* name: of the mapping among /proc/PID/map_files. Shared ones are remembered. */
static int add_mapping(bs_guest *g, const char *name, bool is_shared, struct bs_shown part, struct bs_vector *content) {
    char entry[64];
    snprintf(entry, sizeof entry, "map_files/%s", name);
    if (open_proc(g->reader.pid, entry, O_RDONLY, &part.file) < 0) { /* not for everybody: then all of it counts */
        return is_shared ? bs_fail(BS_EUNFIT, "%s (shared memory of a machine needs CAP_SYS_ADMIN)", bs_last_error())
                         : bs_ranges_add(content, part.address / BS_PAGE_SIZE,
                                         (part.address + part.length) / BS_PAGE_SIZE);
    }
    struct bs_shown *kept = is_shared ? bs_vector_extend(&g->shared, sizeof *kept) : NULL;
    if (kept) {
        *kept = part;
    }
    int result = is_shared && !kept ? -ENOMEM : look(&part, content, is_shared ? &g->holes : NULL);
    if (!kept) {
        close(part.file);
    }
    return result;
}

/* Finds the content of files behind a range, which must be memory that can be read and written; or begins to hold writes
 * there. */
static int go_through(bs_guest *g, uint64_t address, uint64_t length, struct bs_vector *content) {
    int32_t pid = g->reader.pid;
    int descriptor, result = open_proc(pid, "maps", O_RDONLY, &descriptor);
    FILE *maps = result < 0 ? NULL : fdopen(descriptor, "r");
    if (!maps) {
        return result < 0 ? result : bs_fail_errno("read the mappings of process %d", (int) pid);
    }
    char line[4608];
    uint64_t reached = address, range_end = address + length;
    while (result == 0 && reached < range_end && fgets(line, sizeof line, maps)) {
        unsigned long long start, end, offset, inode;
        char name[40], protection[8];
        if (sscanf(line, "%39s %7s %llx %*s %llu", name, protection, &offset, &inode) == 4 &&
            sscanf(name, "%llx-%llx", &start, &end) == 2 && start <= reached && end > reached) {
            uint64_t part_end = end < range_end ? end : range_end;
            struct bs_shown part = {-1, offset + (reached - start), reached, part_end - reached};
            if (g->cow) {
                result = bs_guest_hold(g, &part, inode != 0);
            } else if (inode != 0) {
                result = add_mapping(g, name, protection[3] == 's', part, content);
            }
            reached = part_end;
        }
    }
    fclose(maps);
    return result < 0 || reached >= range_end
               ? result
               : bs_fail(BS_EUNFIT, "process %d has nothing at %llx, where memory of its machine should be", (int) pid,
                         (unsigned long long) reached);
}

int bs_guest_add(bs_guest *g, uint64_t address, uint64_t length) {
    struct bs_vector content = {0};
    int result = go_through(g, address, length, &content);
    if (result == 0 && !g->cow) {
        result = bs_tracked_add(&g->tracked, address, length, PAGE_IS_PFNZERO, &content);
    }
    bs_vector_fini(&content);
    return result;
}

/* ---- captures and rollbacks -------------------------------------------------------------------------------------- */

/* What was written is no hole any more. */
static int note_content(bs_guest *g) {
    if (g->holes.size == 0) {
        return 0;
    }
    int result = bs_ranges_subtract(&g->holes_now, &g->holes, &g->tracked.found);
    bs_vector_swap(&g->holes, &g->holes_now);
    return result;
}

void bs_guest_copy_ahead(bs_guest *g, const struct bs_capture *capture) {
    if (!g->cow) {
        bs_tracked_copy_ahead(&g->tracked, capture);
        (void) note_content(g); /* if it fails, fewer holes are known, and more is put back by a rollback */
    }
}

int bs_guest_capture(bs_guest *g, struct bs_capture *capture) {
    if (g->cow) {
        return bs_guest_capture_held(g, capture);
    }
    int result = bs_tracked_capture(&g->tracked, capture);
    bool scanned = !(capture->flags & BS_CAPTURE_CONTINUE);
    int noted = result >= 0 && scanned ? note_content(g) : 0;
    return noted < 0 ? noted : result;
}

void bs_guest_capture_abandon(bs_guest *g) {
    if (g->cow) {
        bs_guest_abandon_held(g);
    } else {
        bs_tracked_abandon(&g->tracked);
    }
}

struct holes_of {
    struct bs_vector *holes;
    const struct bs_shown *part;
};

static int look_behind(void *context, const struct page_region *absent) {
    const struct holes_of *of = context;
    const struct bs_shown *part = of->part;
    struct bs_shown behind = {part->file, part->offset + (absent->start - part->address), absent->start,
                              absent->end - absent->start};
    return look(&behind, NULL, of->holes);
}

/*
 * What was discarded since holes were last looked for. A page that is mapped is no hole, and to ask page tables first takes
 * less than half of the time.
 */
static int find_discarded(bs_guest *g) {
    g->holes_now.size = 0;
    for (size_t i = 0; i < g->shared.size / sizeof(struct bs_shown); i++) {
        const struct bs_shown *part = (const struct bs_shown *) g->shared.data + i;
        struct holes_of of = {&g->holes_now, part};
        struct bs_walk absent = {.start = part->address,
                                 .end = part->address + part->length,
                                 .inverted = PAGE_IS_PRESENT,
                                 .all_of = PAGE_IS_PRESENT,
                                 .tell = PAGE_IS_PRESENT};
        int result =
            bs_pagemap_walk(g->tracked.pagemap, &absent, g->tracked.room, BS_REGIONS_AT_ONCE, look_behind, &of);
        if (result < 0) {
            return result;
        }
    }
    return bs_ranges_subtract(&g->discarded, &g->holes_now, &g->holes);
}

int bs_guest_restore_begin(bs_guest *g, struct bs_restore *restore) {
    if (g->cow) {
        return bs_guest_look_back_held(g, restore);
    }
    struct bs_tracked *t = &g->tracked;
    int result = find_discarded(g);
    if (result < 0 || (result = bs_ranges_add_all(&t->carried, &g->discarded, &t->scratch)) < 0) {
        return result;
    }
    return bs_tracked_restore_begin(t, restore);
}

int bs_guest_restore_finish(bs_guest *g, const struct bs_restore_pages *pages) {
    if (g->cow) {
        return bs_guest_restore_held(g, pages);
    }
    int result = bs_tracked_restore_finish(&g->tracked, pages);
    if (result == 0 && g->shared.size > 0 && (result = find_discarded(g)) == 0) {
        bs_vector_swap(&g->holes, &g->holes_now);
    }
    return result;
}

void bs_guest_close(bs_guest *g) {
    if (!g) {
        return;
    }
    bs_cow_end(g->cow);
    bs_tracked_close(&g->tracked);
    if (g->reader.memory >= 0) {
        close(g->reader.memory);
    }
    for (size_t i = 0; i < g->shared.size / sizeof(struct bs_shown); i++) {
        close(((struct bs_shown *) g->shared.data + i)->file);
    }
    struct bs_vector *vectors[] = {&g->shared, &g->holes, &g->holes_now, &g->discarded, &g->chosen, &g->pages, &g->frames};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    bs_helper_close(g->reader.helper);
    free(g);
}
