// SPDX-License-Identifier: Apache-2.0
/* The memory of a virtual machine, as guest.c and guest_held.c share it. */
#ifndef BS_GUEST_H
#define BS_GUEST_H

#include "cow.h"
#include "process.h"
#include "tracked.h"

/* A stretch of memory that shows a file. */
struct bs_shown {
    int file;
    uint64_t offset;
    uint64_t address;
    uint64_t length;
};

struct bs_guest {
    struct bs_tracked tracked;
    struct bs_process reader;   /* moves pages; it is never traced */
    struct bs_vector shared;    /* struct bs_shown */
    struct bs_vector holes;     /* bs_range: where their files had nothing, and nothing was written since */
    struct bs_vector holes_now;
    struct bs_vector discarded; /* bs_range: the difference */

    struct bs_cow *cow; /* the caller's; null: the copy discipline, and what follows is not used */
    struct bs_vector chosen; /* bs_range: to be copied in the pause */
    struct bs_vector pages;  /* uint64_t: the same, or those that are put right */
    struct bs_vector frames; /* uint64_t */
    bool capturing;
    struct bs_phases phases;
};

/* guest.c */
int bs_guest_drop(bs_guest *g, const uint64_t *pages, size_t count);

/* guest_held.c: in the cow discipline */
int bs_guest_hold_writes(bs_guest *g, int uffd);
int bs_guest_hold(bs_guest *g, const struct bs_shown *part, bool is_file);
int bs_guest_capture_held(bs_guest *g, struct bs_capture *capture);
void bs_guest_abandon_held(bs_guest *g);
int bs_guest_look_back_held(bs_guest *g, struct bs_restore *restore);
int bs_guest_restore_held(bs_guest *g, const struct bs_restore_pages *pages);

#endif
