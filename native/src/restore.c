// SPDX-License-Identifier: Apache-2.0
/*
 * Rollback in two halves, between which the caller decides what each written page must become.
 *
 * All that could make a rollback impossible is looked at before anything is changed. After that the target is bound to
 * this process's life: it must not run on half restored.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>
#include <string.h>

#include "cow.h"
#include "error.h"
#include "process.h"

static const struct bs_thread_state *saved_thread(const struct bs_state_parts *parts, uint64_t serial) {
    const struct bs_thread_state *thread = (const struct bs_thread_state *) parts->threads;
    for (uint64_t i = 0; i < parts->head->thread_count; i++, thread = bs_state_next_thread(thread)) {
        if (thread->serial == serial) {
            return thread;
        }
    }
    return NULL;
}

static bool lives(const struct bs_process *p, uint64_t serial) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        if (bs_threads_at(p, i)->serial == serial) {
            return true;
        }
    }
    return false;
}

typedef int (*thread_visitor)(struct bs_process *p, const struct bs_thread_state *thread);

static int for_each_thread(struct bs_process *p, const struct bs_state_parts *parts, thread_visitor visit) {
    const struct bs_thread_state *thread = (const struct bs_thread_state *) parts->threads;
    for (uint64_t i = 0; i < parts->head->thread_count; i++, thread = bs_state_next_thread(thread)) {
        int result = visit(p, thread);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int check_thread(struct bs_process *p, const struct bs_thread_state *thread) {
    if (lives(p, thread->serial)) {
        return 0;
    }
    return bs_fail(BS_EREFUSED, "thread %llu of process %d has ended since that checkpoint and cannot be brought back",
                   (unsigned long long) thread->tid, (int) p->pid);
}

static int restore_thread(struct bs_process *p, const struct bs_thread_state *thread) {
    (void) p;
    return bs_registers_restore(thread);
}

static int end_newer_threads(struct bs_process *p, const struct bs_state_parts *parts) {
    for (size_t i = 0; i < bs_threads_count(p);) {
        struct bs_thread *thread = bs_threads_at(p, i);
        if (saved_thread(parts, thread->serial)) {
            i++;
            continue;
        }
        int result = bs_remote_end_thread(p, thread);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int broken(const struct bs_process *p, int result) {
    if (result == BS_EGONE || p->exited) {
        return bs_fail(BS_EGONE, "process %d ended during its rollback", (int) p->pid);
    }
    return BS_EBROKEN; /* the text is that of the failure */
}

/* What was written by what the marks say, and what is held. */
static int find_dirty(struct bs_process *p) {
    const struct bs_vector *all = p->cow ? &p->held_files : &p->held;
    int result = bs_ranges_intersect(&p->dirty, p->all_dirty ? all : &p->carried, &p->held);
    return result < 0 || !p->cow ? result : bs_cow_find_open(p->cow, &p->dirty);
}

static void tell(const struct bs_process *p, struct bs_restore *restore) {
    restore->written = (uint64_t) (uintptr_t) p->dirty.data;
    restore->written_count = bs_ranges_count(&p->dirty);
    restore->held = (uint64_t) (uintptr_t) p->held.data;
    restore->held_count = bs_ranges_count(&p->held);
    restore->left = restore->left_size = 0;
}

int bs_process_look_back(bs_process *p, struct bs_restore *restore) {
    int result = bs_process_halt(p);
    if (result == 0 && p->cow) {
        bs_cow_settle(p->cow);
    }
    if (result < 0 || (result = bs_track_all(p, NULL)) < 0 || (result = find_dirty(p)) < 0) {
        return result;
    }
    tell(p, restore);
    return 0;
}

int bs_process_restore_begin(bs_process *p, uint64_t state, struct bs_restore *restore) {
    struct bs_state_parts parts;
    bs_state_split(state, &parts);
    int result = bs_process_halt(p);
    if (result == 0 && bs_filters_calls(p)) {
        return bs_fail(BS_EREFUSED, "process %d filters its system calls (seccomp) and could be killed by a rollback's",
                       (int) p->pid);
    }
    if (result < 0 || (result = for_each_thread(p, &parts, check_thread)) < 0 ||
        (result = bs_files_check(p, parts.descriptors, parts.head->descriptor_count)) < 0 ||
        (result = bs_layout_check(p, parts.mappings, parts.head->mapping_count)) < 0 ||
        (p->cow && (result = bs_held_check(p)) < 0)) {
        return result;
    }
    if ((result = bs_set_kill_on_exit(p, true)) < 0 || (result = end_newer_threads(p, &parts)) < 0 ||
        (result = for_each_thread(p, &parts, bs_rseq_withdraw)) < 0 ||
        (result = bs_layout_restore(p, parts.mappings, parts.head->mapping_count, parts.head->heap_end)) < 0 ||
        (result = bs_track_all(p, NULL)) < 0 || (result = find_dirty(p)) < 0) {
        return broken(p, result);
    }
    if (p->cow) {
        p->cow->lost = 0; /* what is gone since the check was taken away by this rollback itself */
    }
    bs_huge_forget(&p->huge);
    tell(p, restore);
    return 0;
}

static int restore_output(const struct bs_process *p, const struct bs_state *head) {
    for (int i = 0; i < 2; i++) {
        int result = p->outputs[i] ? bs_output_truncate(p->outputs[i], head->marks[i]) : 0;
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* A thread that stood before a signal now stands before another past: the signal is gone with the other. */
static void forget_errors(const struct bs_process *p) {
    for (size_t i = 0; i < bs_threads_count(p); i++) {
        bs_threads_at(p, i)->signal = 0;
    }
}

static const uint64_t *words(uint64_t address) {
    return (const uint64_t *) (uintptr_t) address;
}

/* Calls made by the target come before its pages are written: the kernel leaves traces of them in its restartable
 * sequence. */
int bs_process_restore_finish(bs_process *p, uint64_t state, const struct bs_restore_pages *pages,
                              struct bs_restore *restore) {
    struct bs_state_parts parts;
    bs_state_split(state, &parts);
    struct bs_vector areas = {0};
    int result = bs_rseq_note(p, &areas);
    if (result == 0 && (result = bs_files_restore(p, parts.descriptors, parts.head->descriptor_count)) >= 0 &&
        (result = bs_drop(p, words(pages->dropped), pages->dropped_count)) >= 0) {
        result = bs_rseq_take_back(p, &areas);
    }
    bs_vector_fini(&areas);
    if (result < 0 ||
        (p->cow && (result = bs_cow_open_pages(p->cow, &(struct bs_restore_pages){pages->pages, pages->frames, pages->count, 0, 0})) < 0) ||
        (result = bs_copy_out(p, words(pages->pages), words(pages->frames), pages->count)) < 0 ||
        (result = for_each_thread(p, &parts, bs_rseq_restore)) < 0 || (result = restore_output(p, parts.head)) < 0 ||
        (result = bs_track_all(p, NULL)) < 0 || (result = for_each_thread(p, &parts, restore_thread)) < 0 ||
        (p->cow && (result = bs_cow_restore_end(p->cow, false)) < 0) || (result = bs_track_complete(p)) < 0 ||
        (result = bs_remote_settle(p)) < 0 ||
        (result = bs_set_kill_on_exit(p, false)) < 0) {
        return broken(p, result);
    }
    forget_errors(p);
    restore->held = (uint64_t) (uintptr_t) p->held.data;
    restore->held_count = bs_ranges_count(&p->held);
    restore->written = 0;
    restore->written_count = 0;
    restore->left = (uint64_t) (uintptr_t) p->left_files.data;
    restore->left_size = p->left_files.size;
    return 0;
}

int bs_process_flip_memory(bs_process *p, uint64_t address, uint64_t mask) {
    uint64_t value;
    if (!p->halted || pread(p->memory, &value, sizeof value, (off_t) address) != sizeof value) {
        return bs_fail_errno("read %llx of process %d", (unsigned long long) address, (int) p->pid);
    }
    value ^= mask;
    if (pwrite(p->memory, &value, sizeof value, (off_t) address) != sizeof value) {
        return bs_fail_errno("write %llx of process %d", (unsigned long long) address, (int) p->pid);
    }
    return 0;
}
