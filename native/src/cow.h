// SPDX-License-Identifier: Apache-2.0
/*
 * The cow discipline: memory is write-protected by a userfaultfd in synchronous mode, and the first write to a page is
 * held until a thread of ours (cow_handler.c) has saved what the page holds. Nothing is copied in a pause but the pages
 * that were predicted; those are left open. Whose memory it is, and how pages are put back, is the owner's business.
 *
 * A page is, between two captures,
 *
 *   protected    as it was at the last capture
 *   saved        its first write was held; in the log; open
 *   writable     it was copied in the last pause, or put back by a rollback: what it was lies with the caller
 *   fresh        it had no content at the last capture; open
 *   lost         it was given back before anybody had saved it: nothing can bring it back
 *
 * The kernel tells only protected from open, and what has content. The rest follows from the sets kept here.
 *
 * Two kinds of areas. Of private anonymous memory what is not there has no content, and is open. Memory that shows a file
 * keeps its marks where nothing is there, so that all of it has content, and what bears no mark is open.
 */
#ifndef BS_COW_H
#define BS_COW_H

#include <pthread.h>
#include <sys/types.h>

#include "vector.h"

/* A page whose first write was held, and the frame that has what it held before. */
struct bs_saved_page {
    uint64_t page;
    uint64_t frame;
    bool ahead; /* nobody had written to it yet: a neighbour was */
};

/* Pages of one mapping; a call of the kernel must not reach beyond. */
struct bs_cow_area {
    struct bs_range pages;
    unsigned kind;
};

#define BS_COW_FILE 1   /* it shows a file */
#define BS_COW_JOINED 2 /* nothing lies between it and the area before, and both are of the other kind */

/* Whose memory it is. */
struct bs_cow_host {
    pid_t pid;
    int memory;  /* /proc/PID/mem */
    int pagemap; /* /proc/PID/pagemap */
    /* The kernel tells of memory that is given back: marks of files stay, and would be believed. The owner of such memory
     * waits until it was heard. */
    bool tells_removals;
    bool no_guard_category; /* the kernel does not tell guard pages apart */
    void (*wake)(void *owner); /* frames are wanted; may be null */
    void *owner;
};

struct bs_cow {
    struct bs_cow_host host;
    int uffd;
    int nudge; /* an eventfd: the handler shall look again */
    pthread_t handler;
    bool handling;

    int wanted; /* atomic: the lock is wanted, and the handler, which takes it all the time, shall wait its turn */
    pthread_mutex_t lock; /* guards what follows, to the next empty line; held for a whole pause */
    pthread_cond_t fed;
    pthread_cond_t hungry; /* frames are wanted, for who waits for that */
    bool rolling_back; /* the open interval was told of */
    bool locked;       /* by the owner's thread */
    bool stopping;
    bool closing;
    bool urgent;           /* the target is being stopped, or stands: what it waits for cannot come from the caller */
    bool asked;            /* the caller was woken to bring frames */
    bool told;             /* and whoever waits for that was told */
    uint64_t low;          /* ask for frames when fewer are left */
    struct bs_vector pool; /* uint64_t: free frames, used from the end */
    struct bs_vector log;  /* struct bs_saved_page, as it came */
    struct bs_vector waiting;        /* uint64_t: pages whose writes are held, to be dealt with */
    struct bs_vector removed;        /* bs_range, in no order: given back, to be opened */
    bool has_gaps; /* files can have no page tables where they are open: the fast walk would not tell of these */
    struct bs_vector overflow;       /* bs_range: frames of our own, for when the pool is empty and nobody can be asked */
    struct bs_vector overflow_free;  /* uint64_t: those that are not in use */
    size_t overflow_used;
    uint64_t next_page; /* after the last one saved: a write there continues a run */
    size_t run;         /* how many pages that run was saved at a time */
    uint64_t faults;

    struct bs_vector areas;     /* struct bs_cow_area, ascending */
    struct bs_vector held;      /* bs_range: tracked here and with content of their own, of the last scan */
    struct bs_vector open;      /* bs_range: those of them that can be written unseen */
    struct bs_vector writable;  /* bs_range: what they were at the last capture lies with the caller */
    struct bs_vector next_writable; /* bs_range: the same, of the next one */
    struct bs_vector held_before; /* bs_range: held at the last capture */
    struct bs_vector scratch;
    struct bs_vector scratch_too;
    struct bs_vector fresh;

    /* The interval that the last capture ended, to be looked through when the target runs again. */
    struct bs_vector past_log, past_held, past_open, past_writable, past_held_before;
    bool past_told;
    bool forgot, past_forgot; /* for want of memory: what is told of an interval is not all */

    /* What is told of it. */
    struct bs_vector keys;        /* uint64_t: page and place in the log, ascending */
    struct bs_vector saved_ranges; /* bs_range */
    struct bs_vector saved_pages; /* uint64_t */
    struct bs_vector saved_frames;
    struct bs_vector released;
    struct bs_vector gone; /* bs_range: lost */
    uint64_t lost;
};

#define BS_COW_RUN 16 /* pages saved at once at most */

/* ---- cow.c: for the owner of the memory, who calls on one thread ---------------------------------------------------- */

/* Writes are held from now on; the descriptor is taken over, and its interface not yet agreed on. */
int bs_cow_begin(struct bs_cow *cow, int uffd, const struct bs_cow_host *host);

/* Whoever waits goes on; the frames stay. May be called at any time. */
void bs_cow_end(struct bs_cow *cow);

/* What is looked through. */
void bs_cow_clear_areas(struct bs_cow *cow);
int bs_cow_add_area(struct bs_cow *cow, uint64_t first, uint64_t end, unsigned kind);

int bs_cow_register(struct bs_cow *cow, uint64_t first, uint64_t end);
int bs_cow_scan(struct bs_cow *cow);

void bs_cow_urgent(struct bs_cow *cow, bool urgent); /* held writes must not wait for the caller */
/* No held write is half dealt with, until bs_cow_release. False: so it was already. */
bool bs_cow_hold(struct bs_cow *cow);
void bs_cow_release(struct bs_cow *cow);
/* Before a scan that a rollback relies on: whoever stands now has left the wait for a write, which could be served later. */
void bs_cow_settle(struct bs_cow *cow);

/* After a scan, in a pause: adds to pages those that are to be copied, and left open. */
int bs_cow_choose(struct bs_cow *cow, const struct bs_vector *predicted, struct bs_vector *pages);
uint64_t bs_cow_frames_owed(const struct bs_cow *cow); /* that a capture needs besides those for what it copies */
int bs_cow_end_interval(struct bs_cow *cow);
/* The capture that ended it does not count, nor was it told of: the interval goes on. */
void bs_cow_resume_interval(struct bs_cow *cow);

/* After a scan: tells of the open interval. bs_cow_find_open also adds the pages that can have been written. */
int bs_cow_refuse(const struct bs_cow *cow); /* a rollback, for what is lost */
int bs_cow_look_back(struct bs_cow *cow);
int bs_cow_find_open(struct bs_cow *cow, struct bs_vector *pages);
/* Opens pages that will be put back or dropped, so that our own writes are not held, and notes what of it stays with the
 * caller: not what comes from the log of the open interval. */
int bs_cow_open_pages(struct bs_cow *cow, const struct bs_restore_pages *pages);
/* The target is as it was at its checkpoint, and was scanned: the interval begins anew. Pages that were put back stay
 * open, unless all shall be held. */
int bs_cow_restore_end(struct bs_cow *cow, bool all_held);

/* After a rollback that left all held, and a scan: finds what was written since: saved_pages, with saved_frames. */
int bs_cow_find_spoiled(struct bs_cow *cow);
/* That was put right, and scanned: the interval begins anew once more. */
int bs_cow_mended(struct bs_cow *cow);

/* ---- cow_handler.c -------------------------------------------------------------------------------------------------- */

void bs_cow_lock(struct bs_cow *cow);
int bs_cow_handler_start(struct bs_cow *cow);
void bs_cow_handler_end(struct bs_cow *cow);
/* Pages; an errno, or 0. Under the lock. */
int bs_cow_protect(struct bs_cow *cow, uint64_t first, uint64_t end, bool on);
void bs_cow_nudge(const struct bs_cow *cow); /* it shall look again */
/* Hears of all that was given back up to now. Under the lock. */
void bs_cow_take_in(struct bs_cow *cow);
/* Serves all held writes that were told of until now. Under the lock. */
void bs_cow_serve_all(struct bs_cow *cow);

/* ---- cow_frames.c: frames that are free, under the lock -------------------------------------------------------------- */

static inline size_t bs_cow_pool_size(const struct bs_cow *cow) {
    return bs_numbers_count(&cow->pool);
}

void bs_cow_keep(struct bs_cow *cow, uint64_t frame); /* puts it back to where it came from */
void bs_cow_give_frames_back(struct bs_cow *cow, struct bs_vector *log); /* all of a log, which is empty then */
bool bs_cow_add_overflow(struct bs_cow *cow); /* a frame of our own, the next one that is used */
/* Exchanges frames of our own among what is told for some of the caller's; returns how many. */
uint64_t bs_cow_pay_back(struct bs_cow *cow, const uint64_t *spare, uint64_t count);
void bs_cow_frames_fini(struct bs_cow *cow);

/* ---- cow_interval.c -------------------------------------------------------------------------------------------------- */

struct bs_cow_interval {
    struct bs_vector *log;
    const struct bs_vector *held_before, *writable; /* when it began */
    const struct bs_vector *held, *open;            /* when it ended */
    const struct bs_vector *next_writable;          /* of the next one */
    bool forgot;
};
int bs_cow_tell(struct bs_cow *cow, const struct bs_cow_interval *interval, bool settle);

#endif
