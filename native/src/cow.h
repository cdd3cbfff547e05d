// SPDX-License-Identifier: Apache-2.0
/* The cow discipline of one process, as cow.c, cow_interval.c and cow_handler.c share it. */
#ifndef BS_COW_H
#define BS_COW_H

#include <pthread.h>

#include "process.h"

/* A page whose first write was held, and the frame that has what it held before. */
struct bs_saved_page {
    uint64_t page;
    uint64_t frame;
};

struct bs_cow {
    struct bs_process *process;
    int uffd;
    int stop; /* an eventfd: the handler shall end */
    pthread_t handler;
    bool handling;

    int wanted; /* atomic: the lock is wanted, and the handler, which takes it all the time, shall wait its turn */
    pthread_mutex_t lock; /* guards what follows, to the next empty line; held for a whole pause */
    pthread_cond_t fed;
    bool rolling_back; /* the open interval was told of */
    bool locked;       /* by the thread of the process */
    bool stopping;
    bool urgent;           /* the target is being stopped, or stands: what it waits for cannot come from the caller */
    bool asked;            /* the caller was woken to bring frames */
    uint64_t low;          /* ask for frames when fewer are left */
    struct bs_vector pool; /* uint64_t: free frames, used from the end */
    struct bs_vector log;  /* struct bs_saved_page, as it came */
    struct bs_vector overflow; /* uint64_t: frames of our own, for when the pool is empty and nobody can be asked */
    size_t overflow_used;
    uint64_t next_page; /* after the last one saved: a write there continues a run */
    size_t run;         /* how many pages that run was saved at a time */
    uint64_t faults;

    struct bs_vector held;      /* bs_range: tracked here and with content of their own, of the last scan */
    struct bs_vector open;      /* bs_range: those of them that can be written unseen */
    struct bs_vector writable;  /* bs_range: left open at the last capture, since they were copied in its pause */
    struct bs_vector next_writable; /* bs_range: to be left open at the next one */
    struct bs_vector held_before; /* bs_range: held at the last capture */
    struct bs_vector scratch;
    struct bs_vector scratch_too;
    struct bs_vector fresh;

    /* The interval that the last capture ended, to be looked through when the target runs again. */
    struct bs_vector past_log, past_held, past_open, past_writable, past_held_before;

    /* What is told of it. */
    struct bs_vector keys;        /* uint64_t: page and place in the log, ascending */
    struct bs_vector saved_ranges; /* bs_range */
    struct bs_vector saved_pages; /* uint64_t */
    struct bs_vector saved_frames;
    struct bs_vector released;
    uint64_t lost;
};

#define BS_COW_RUN 16 /* pages saved at once at most */

/* cow_handler.c */
void bs_cow_lock(struct bs_cow *cow);
int bs_cow_handler_start(struct bs_cow *cow);
void bs_cow_handler_end(struct bs_cow *cow);
int bs_cow_protect(struct bs_cow *cow, uint64_t first, uint64_t end, bool on); /* pages; an errno, or 0 */

/* cow_interval.c */
struct bs_cow_interval {
    struct bs_vector *log;
    const struct bs_vector *held_before, *writable; /* when it began */
    const struct bs_vector *held, *open;            /* when it ended */
    const struct bs_vector *next_writable;          /* of the next one */
};
int bs_cow_tell(struct bs_cow *cow, const struct bs_cow_interval *interval, bool settle);
void bs_cow_keep(struct bs_cow *cow, uint64_t frame); /* puts it back into the pool */
void bs_cow_give_frames_back(struct bs_cow *cow, const struct bs_vector *log);
bool bs_cow_is_overflow(const struct bs_cow *cow, uint64_t frame);

#endif
