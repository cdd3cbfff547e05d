// SPDX-License-Identifier: Apache-2.0
/*
 * The pause. What has to be registered is registered before the last scan, so that it sees all. A scan takes the marks of
 * written pages; they stay in `carried` until the capture is complete, so that a capture that fails forgets none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "cow.h"
#include "error.h"
#include "hurry.h"
#include "process.h"
#include "uffd.h"

static int take_predicted(struct bs_process *p, const struct bs_capture *c) {
    const struct bs_vector predicted = bs_ranges_view(c->predicted, c->predicted_count);
    p->predicted.size = 0;
    return bs_vector_copy(&p->predicted, &predicted);
}

/* What is predicted and was not written stays protected; of that, what is to be writable is made so. */
static int leave_writable(struct bs_process *p, const struct bs_capture *c) {
    const struct bs_vector wanted = bs_ranges_view(c->lifted, c->lifted_count);
    int result = bs_ranges_intersect(&p->left_writable, &p->predicted, p->all_dirty ? &p->held : &p->carried);
    if (result == 0 && p->cow) {
        return bs_ranges_add_all(&p->left_writable, &p->cow->next_writable, &p->scratch);
    }
    if (result == 0 && (result = bs_ranges_subtract(&p->scratch, &wanted, &p->carried)) == 0 &&
        (result = bs_ranges_intersect(&p->lifting, &p->scratch, &p->held)) == 0) {
        result = bs_uffd_lift_all(p->uffd, &p->lifting, &p->scratch);
    }
    return result < 0 ? result : bs_ranges_add_all(&p->left_writable, &p->scratch, &p->lifting);
}

static int find_dirty(struct bs_process *p, const struct bs_capture *c, bool live) {
    int result = bs_track_all(p, live ? NULL : bs_state_save_files);
    if (result == 0) {
        const struct bs_vector *all = p->cow ? &p->held_files : &p->held;
        result = bs_ranges_intersect(&p->dirty, p->all_dirty ? all : &p->carried, &p->held);
    }
    if (result == 0 && p->cow) {
        result = bs_cow_choose(p->cow, &p->predicted, &p->dirty);
    }
    if (result == 0) {
        result = leave_writable(p, c);
    }
    p->predicted.size = 0; /* a rollback's scans protect everything */
    return result == 0 ? bs_ranges_list(&p->pages, &p->dirty) : result;
}

/*
 * While the target runs, and only if it is not to stand already. What the pause will read is read once before it: after
 * an interval of other work the kernel's tables are cold, and to warm them takes as long as to read them. Only what is
 * read in the pause counts.
 */
static int prepare(struct bs_process *p, struct bs_capture *c, bool goes_on) {
    if (!goes_on) {
        int ignored = bs_files_refresh(p);
        (void) ignored;
        bs_huge_widen(p, c);
        bs_prepare_begin(p);
    }
    do {
        if (!goes_on) {
            bs_track_ahead(p);
            c->page_count = bs_prepare_find(p);
            p->capturing = p->preparing = c->page_count > c->frame_count;
            if (p->preparing) {
                return BS_FRAMES_AHEAD;
            }
        }
        p->preparing = goes_on = false;
    } while (bs_prepare_copy(p, c));
    bs_scan_warm(p);
    return 0;
}

static int stop(struct bs_process *p) {
    bs_helper_alert(p->helper);
    bs_hurry();
    bs_phases_begin(&p->phases);
    int result = bs_freeze(p);
    if (result < 0) {
        bs_helper_dismiss(p->helper);
        bs_hurry_end();
    }
    return result;
}

static int begin(struct bs_process *p, struct bs_capture *c, bool live) {
    bool stands = live || p->halted, goes_on = p->preparing;
    int result = 0;
    if (!goes_on) {
        if (take_predicted(p, c) < 0) {
            return bs_fail(-ENOMEM, "capture process %d: out of memory", (int) p->pid);
        }
        p->ahead.pages.size = 0;
        bs_phases_begin(&p->phases);
    }
    if (!stands && ((result = prepare(p, c, goes_on)) != 0 || (result = stop(p)) < 0)) {
        return result;
    }
    p->capturing = true;
    if (!live && bs_thread_in_error(p)) {
        return bs_fail(BS_EERROR, "an error of process %d came before the capture", (int) p->pid);
    }
    bs_cow_hold(p->cow);
    bs_phases_end(&p->phases, BS_PHASE_FREEZE);
    result = find_dirty(p, c, live);
    bs_phases_end(&p->phases, BS_PHASE_SCAN);
    return result;
}

/*
 * While the target runs, a page may go away before it is copied, and one may come and be marked in a mapping that has
 * grown since the mappings were read, so that it does not count as held. Both stay carried.
 */
static int copy_live(struct bs_process *p, const uint64_t *frames) {
    struct bs_vector missed = {0}, unknown = {0};
    int result = bs_copy_in(p, (const uint64_t *) p->pages.data, frames, bs_numbers_count(&p->pages), &missed);
    if (result == 0 && !p->all_dirty) {
        result = bs_ranges_subtract(&unknown, &p->carried, &p->dirty);
    }
    if (result == 0) {
        result = bs_track_complete(p);
    }
    if (result == 0) {
        result = bs_ranges_union(&p->carried, &missed, &unknown);
    }
    if (result < 0) {
        p->all_dirty = true;
    }
    bs_vector_fini(&missed);
    bs_vector_fini(&unknown);
    return result;
}

static int copy_and_save(struct bs_process *p, struct bs_capture *c) {
    int result = bs_prepare_finish(p, c);
    bs_helper_dismiss(p->helper);
    bs_phases_end(&p->phases, BS_PHASE_COPY);
    if (result == 0) {
        result = bs_state_save(p);
    }
    if (result == 0 && p->cow) {
        result = bs_cow_end_interval(p->cow);
    }
    if (result == 0) {
        result = bs_track_complete(p);
    }
    bs_phases_end(&p->phases, BS_PHASE_STATE);
    return result;
}

static void fill_in(const struct bs_process *p, struct bs_capture *c, bool live) {
    c->pages = (uint64_t) (uintptr_t) p->pages.data;
    c->predicted = (uint64_t) (uintptr_t) p->left_writable.data;
    c->predicted_count = bs_ranges_count(&p->left_writable);
    c->held = (uint64_t) (uintptr_t) p->held.data;
    c->held_count = bs_ranges_count(&p->held);
    c->held_pages = bs_ranges_pages(&p->held);
    c->threads = bs_threads_count(p);
    c->mappings = p->mappings.size / sizeof(struct bs_mapping);
    c->ahead = live ? 0 : p->ahead.used;
    c->at_ns = p->phases.began_ns + p->phases.ns[BS_PHASE_FREEZE];
    c->state = c->state_size = c->output_mark = c->error_mark = 0;
    if (!live) {
        const struct bs_state *head = (const struct bs_state *) p->state.data;
        c->state = (uint64_t) (uintptr_t) p->state.data;
        c->state_size = p->state.size;
        c->output_mark = head->marks[0];
        c->error_mark = head->marks[1];
    }
    memcpy(c->phase_ns, p->phases.ns, sizeof c->phase_ns);
}

static int let_go(struct bs_process *p, bool live) {
    bs_helper_dismiss(p->helper);
    p->capturing = p->preparing = false;
    bs_cow_release(p->cow);
    p->let_go_ns = bs_now_ns();
    int result = live || p->halted ? 0 : bs_thaw(p);
    bs_hurry_end();
    bs_phases_end_at(&p->phases, BS_PHASE_THAW, p->let_go_ns); /* who is let go may take our processor at once */
    return result;
}

int bs_process_capture(bs_process *p, struct bs_capture *c) {
    bool live = (c->flags & BS_CAPTURE_LIVE) != 0;
    int result = 0;
    if (live && p->cow) {
        return bs_fail(-EINVAL, "nothing of process %d is copied ahead: its writes are held", (int) p->pid);
    }
    bool goes_on = (c->flags & BS_CAPTURE_CONTINUE) != 0;
    if (goes_on && !p->capturing) {
        return bs_fail(-EINVAL, "no capture of process %d waits for frames", (int) p->pid);
    }
    p->preparing = p->preparing && goes_on;
    if ((!goes_on || p->preparing) && (result = begin(p, c, live)) != 0) {
        if (result == BS_FRAMES_AHEAD) {
            return result;
        }
        p->predicted.size = 0;
        if (p->capturing && let_go(p, live) < 0) {
            return bs_fail(BS_EGONE, "process %d could not be let go", (int) p->pid);
        }
        return result;
    }
    c->page_count = bs_numbers_count(&p->pages) + bs_cow_frames_owed(p->cow);
    if (c->page_count > c->frame_count) {
        return BS_MORE_FRAMES;
    }
    c->page_count = bs_numbers_count(&p->pages);
    const uint64_t *frames = (const uint64_t *) (uintptr_t) c->frames;
    result = live ? copy_live(p, frames) : copy_and_save(p, c);
    int thawed = let_go(p, live);
    c->pause_ns = p->phases.last_ns - p->phases.began_ns;
    c->joined_ns = result == 0 && !live && !p->halted ? bs_huge_join(p) : 0;
    if (result == 0) {
        fill_in(p, c, live);
    }
    return result < 0 ? result : thawed;
}

int bs_process_capture_abandon(bs_process *p) {
    if (!p->capturing) {
        return 0;
    }
    p->predicted.size = 0;
    return let_go(p, false);
}
