// SPDX-License-Identifier: Apache-2.0
/* The traced process as the files of this directory share it. */
#ifndef BS_PROCESS_H
#define BS_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/user.h>
#include <time.h>

#include "ahead.h"
#include "backstep.h"
#include "clock.h"
#include "helper.h"
#include "huge.h"
#include "phases.h"
#include "vector.h"

enum thread_state {
    THREAD_RUNNING,   /* or on its way to a stop that was asked for */
    THREAD_LISTENING, /* stopped by job control, and waiting for SIGCONT */
    THREAD_STOPPED,   /* at a trap of ours: its registers may be read and set */
    THREAD_ERROR,     /* about to receive a caught signal */
};

struct bs_thread {
    pid_t tid;
    enum thread_state state;
    uint64_t serial; /* never used twice, unlike a tid */
    int signal;      /* THREAD_ERROR: which */
    uint64_t call;   /* the number of the timed call that it was last interrupted in */
    bool group_stopped;
    bool trap_pending; /* was interrupted and has not reported yet */
    bool stepped;      /* stands before the SIGTRAP of an injected call */
};

/* Execution state of one thread, as it lies in a state blob, followed by xstate_size bytes. */
struct bs_thread_state {
    uint64_t tid;
    uint64_t serial;
    uint64_t signal_mask;
    uint64_t rseq_address; /* where the kernel writes on each return to user mode; 0: nowhere */
    uint64_t rseq_size;
    uint64_t rseq_signature;
    uint64_t xstate_size; /* multiple of 8 */
    struct user_regs_struct registers;
};

/* One mapping. Bits of flags are those of PROCMAP_QUERY: read, write, execute, shared. */
struct bs_mapping {
    uint64_t start;
    uint64_t end;
    uint64_t flags;
    uint64_t offset;
    uint64_t device;
    uint64_t inode;
};

#define MAPPING_READ 1
#define MAPPING_WRITE 2
#define MAPPING_EXECUTE 4
#define MAPPING_SHARED 8

/* A file that the target had open. dup is ours, of the same open file; -1 for pipes and sockets, which must see their
 * ends close. */
struct bs_file {
    uint64_t references;
    int dup;
    unsigned mode; /* st_mode */
    uint64_t device;
    uint64_t inode;
    int open_flags;
};

/* One descriptor of the target. */
struct bs_descriptor {
    int fd;
    int close_on_exec;
    struct bs_file *file;
};

/* A file that the target had open for writing and then closed. Its dup is opened with O_PATH, so that it holds no lock
 * and does not count as a writer. */
struct bs_closed_file {
    struct bs_file *file;
    uint64_t closed_ns;
};

/* One descriptor as it lies in a state blob; or, with the number -1, a file that was closed then. */
struct bs_descriptor_state {
    struct bs_descriptor descriptor;
    int64_t flags;    /* O_APPEND and the like; -1: not looked at */
    int64_t position; /* -1: not a file that has one */
    int64_t length;   /* -1: the same */
};

/* Head of a state blob: counts of what follows, in this order. */
struct bs_state {
    uint64_t size;
    uint64_t thread_count;
    uint64_t mapping_count;
    uint64_t descriptor_count;
    uint64_t heap_end;
    uint64_t marks[2];
};

struct bs_mapped_file {
    uint64_t device;
    uint64_t inode;
    char *path;
};

/* What a pause will want. */
struct bs_preparation {
    struct bs_vector found; /* bs_range: protected in this round */
    struct bs_vector all;   /* bs_range: in this and those before */
    struct bs_vector pages; /* uint64_t: the same, to be copied ahead */
    struct bs_vector scratch;
    unsigned rounds;
    bool only_new; /* to copy what had content before does not pay */
    double usual;  /* pages that are found, on average */
};

struct bs_process {
    pid_t pid;
    bool halted;
    bool capturing; /* between BS_MORE_FRAMES and its answer */
    bool preparing; /* and then the target still runs */
    bool exited;
    bool execed;
    int exit_status;
    uint64_t next_serial;
    struct bs_vector threads; /* struct bs_thread */
    uint64_t caught_signals;
    bool catch_handled;
    bool may_miss_threads; /* that were born while it was taken hold of */

    timer_t timer;
    bool timer_made;
    int wake; /* atomic */

    int proc;        /* /proc/PID */
    int maps;        /* /proc/PID/maps */
    int pagemap;     /* /proc/PID/pagemap */
    int memory;      /* /proc/PID/mem */
    int descriptors; /* /proc/PID/fd */
    int pidfd;
    int uffd;

    bool no_guard_category;        /* the kernel does not tell guard pages apart */
    uint64_t gadget;               /* address of a syscall instruction in the target */
    uint64_t heap_start;           /* page-aligned */
    uint64_t room;                 /* address of a page of the target's first stack */
    struct bs_vector special;      /* bs_range in pages: vdso and its like, never touched */
    struct bs_vector mappings;     /* struct bs_mapping, as last seen and registered */
    struct bs_vector fresh;        /* struct bs_mapping, being read */
    struct bs_vector mapped_files; /* struct bs_mapped_file */

    struct bs_vector held;            /* bs_range: pages with content of their own, of the last scan */
    struct bs_vector held_files;      /* bs_range: those of them that lie in mappings of files */
    struct bs_vector held_at_capture; /* bs_range: held when the last capture or rollback was complete */
    struct bs_vector written;         /* bs_range: pages written, of the last scan */
    struct bs_vector touched;         /* bs_range: written or given back, of the scans of one pause */
    struct bs_vector touched_before;  /* bs_range: the same, of those before the last */
    struct bs_scan_room *scan_room;
    struct bs_preparation preparation;
    struct bs_ahead ahead;
    struct bs_huge huge;
    struct bs_helper *helper; /* or null */
    struct bs_trial scan_trial;
    struct bs_trial copy_trial;
    struct bs_vector predicted;     /* bs_range: not to be protected by this capture's scan */
    struct bs_vector left_writable; /* bs_range: those of the last scan that are writable */
    struct bs_vector lifting;       /* bs_range: to be made writable; working memory */
    struct bs_vector dirty;         /* bs_range: to be copied */
    struct bs_vector carried;       /* bs_range: marks taken and not yet copied */
    struct bs_vector unregistered;  /* bs_range: working memory */
    struct bs_vector scratch;       /* bs_range */
    bool loose;                     /* marks were taken in mappings that were not known */
    bool all_dirty;                 /* marks were taken and could not be noted: everything held is dirty */
    struct bs_phases phases;
    uint64_t let_go_ns; /* when a thread was last told to run on */
    bool layout_changed;
    bool ran;               /* since the last scan of it while it stood */
    double changing;        /* the share of pauses that found mappings changed or replaced, the newest counting most */
    struct bs_vector pages; /* uint64_t */

    struct bs_vector open_files;        /* struct bs_descriptor */
    struct bs_vector closed_files;      /* struct bs_closed_file, the one closed first first */
    struct bs_vector left_files;        /* by the last rollback, as they were: paths, each with its zero byte */
    struct bs_vector state;             /* the blob */
    struct bs_vector descriptor_states; /* struct bs_descriptor_state, for the next blob */
    bool files_saved;                   /* and they are those of this pause */
    bs_output *outputs[2];
    struct bs_cow *cow; /* the caller's; null: the copy discipline */
};

/* Private memory outside of files. */
static inline bool bs_is_anonymous(const struct bs_mapping *mapping) {
    return mapping->inode == 0 && !(mapping->flags & MAPPING_SHARED);
}

static inline const struct bs_mapping *bs_mappings_of(const struct bs_process *p, size_t *count) {
    *count = p->mappings.size / sizeof(struct bs_mapping);
    return (const struct bs_mapping *) p->mappings.data;
}

/* timer.c */
int bs_timer_open(struct bs_process *p);
void bs_timer_arm(struct bs_process *p, uint64_t deadline_ns);
void bs_timer_disarm(struct bs_process *p);

/* seize.c */
#define BS_TRACE_OPTIONS (PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)
int bs_seize(struct bs_process *p); /* all threads that can be found: how many were not known, or a failure */

/* threads.c */
static inline size_t bs_threads_count(const struct bs_process *p) {
    return p->threads.size / sizeof(struct bs_thread);
}

static inline struct bs_thread *bs_threads_at(const struct bs_process *p, size_t index) {
    return (struct bs_thread *) p->threads.data + index;
}

/* What follows a field's name in a status file of /proc, or an empty text. */
const char *bs_field_of(const struct bs_process *p, const char *path, const char *name, char *text, size_t room);
struct bs_thread *bs_thread_by_tid(const struct bs_process *p, pid_t tid);
struct bs_thread *bs_thread_add(struct bs_process *p, pid_t tid);
struct bs_thread *
bs_thread_in_error(const struct bs_process *p); /* one that is about to receive a caught signal, or null */
int bs_collect(struct bs_process *p, pid_t tid,
               bool block); /* takes in one wait status; 0: none, 1: one, or a failure */
int bs_freeze(struct bs_process *p);
int bs_thaw(struct bs_process *p); /* lets threads go that stand without reason */
bool bs_all_stand(const struct bs_process *p);
bool bs_filters_calls(const struct bs_process *p); /* by seccomp: calls made for us could be the end of it */

/* wait.c */
int bs_await_new_program(struct bs_process *p);

/* process.c */
int bs_set_kill_on_exit(struct bs_process *p, bool on);
int bs_process_prepare_calls(struct bs_process *p); /* halts it, so that it can be made to call the kernel for us */

/* remote.c: system calls made by the target on our behalf */
int bs_remote_init(struct bs_process *p);
int bs_remote_call(struct bs_process *p, long number, const uint64_t arguments[6], int64_t *result);
int bs_remote_call_in(struct bs_process *p, pid_t tid, long number, const uint64_t arguments[6], int64_t *result);
int bs_remote_borrow(struct bs_process *p, int ours, int *theirs); /* gives the target a copy of a descriptor of ours */
int bs_remote_settle(struct bs_process *p);
int bs_remote_close(struct bs_process *p, int theirs);
int bs_remote_end_thread(struct bs_process *p, struct bs_thread *thread);

typedef int (*bs_scan_part)(struct bs_process *p); /* 0 or a failure */

/* track.c */
int bs_track_open(struct bs_process *p, uint64_t *interrupted_ns);
void bs_track_close(struct bs_process *p);
void bs_track_ahead(struct bs_process *p); /* registers, while the target runs, what the pause need not */
int bs_track_all(struct bs_process *p, bs_scan_part beside); /* registers what is not registered and scans */
int bs_track_make(struct bs_process *p, uint64_t flags, int *uffd, uint64_t *interrupted_ns); /* in the target */
/* After a scan with this result: notes the marks that it took, until their pages are copied. The result, or -ENOMEM. */
int bs_track_carry(struct bs_process *p, int result, const struct bs_vector *found);
int bs_track_complete(struct bs_process *p); /* what the scan found is dealt with */

/* scan.c */
/* Fills held and written, and protects again. With the layout the mappings are read at the same time; so is done what
 * else is wanted beside, or null. What was overlooked is registered where the mappings are known as they are. */
int bs_scan(struct bs_process *p, bool with_layout, bs_scan_part beside, bool *overlooked);
int bs_scan_unregistered(struct bs_process *p, uint64_t start, uint64_t end); /* fills unregistered */
/* Of a running target, memory outside of files: how much was written of what is not predicted. Changes nothing. */
int bs_scan_count(struct bs_process *p, size_t *pages);
/* Of the pages that were just counted: protects, and carries what it found, where that is worth it; only what had no
 * content at the last capture, if asked. */
int bs_scan_ahead(struct bs_process *p, bool only_new, struct bs_vector *found);
void bs_scan_warm(struct bs_process *p); /* has what the kernel knows of predicted pages read once before the pause */
void bs_scan_fini(struct bs_process *p);

/* held.c: private anonymous memory, in the cow discipline */
static inline bool bs_held_tracks(const struct bs_process *p, const struct bs_mapping *mapping) {
    return p->cow && bs_is_anonymous(mapping);
}

int bs_held_make(struct bs_process *p, int *uffd, uint64_t *interrupted_ns); /* a descriptor, in the target */
int bs_held_open(struct bs_process *p, uint64_t *interrupted_ns);
int bs_held_register(struct bs_process *p, const struct bs_mapping *mapping);
int bs_held_scan(struct bs_process *p);
int bs_held_check(struct bs_process *p);

/* layout.c, layout_restore.c */
int bs_layout_open(struct bs_process *p);
int bs_layout_read(struct bs_process *p, struct bs_vector *into);
int bs_layout_adopt(struct bs_process *p); /* takes over what was read, and registers what is new */
/* The same as far as it can be done while the target runs. Whether anything was new. */
bool bs_layout_adopt_ahead(struct bs_process *p);
int bs_layout_register_one(struct bs_process *p, const struct bs_mapping *mapping);
uint64_t bs_layout_heap_end(const struct bs_process *p, const struct bs_vector *mappings);
int bs_layout_check(struct bs_process *p, const struct bs_mapping *wanted, size_t count);
int bs_layout_restore(struct bs_process *p, const struct bs_mapping *wanted, size_t count, uint64_t heap_end);

/* prepare.c */
void bs_prepare_begin(struct bs_process *p);
size_t bs_prepare_find(struct bs_process *p); /* pages to copy ahead; how many frames are expected to be wanted */
bool bs_prepare_copy(struct bs_process *p, const struct bs_capture *c); /* those; whether there shall be another round */
int bs_prepare_finish(struct bs_process *p, struct bs_capture *c);      /* copies the rest, in the pause */

/* copy.c */
int bs_copy_in(struct bs_process *p, const uint64_t *pages, const uint64_t *frames, size_t count,
               struct bs_vector *missed);
int bs_copy_in_shared(struct bs_process *p, const uint64_t *pages, const uint64_t *frames, size_t count);
int bs_copy_out(struct bs_process *p, const uint64_t *pages, const uint64_t *frames, size_t count);
int bs_drop(struct bs_process *p, const uint64_t *pages, size_t count);

/* files.c, files_restore.c */
int bs_files_refresh(struct bs_process *p);
int bs_files_save(struct bs_process *p); /* fills descriptor_states */
int bs_files_check(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count);
int bs_files_restore(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count);
void bs_file_release(struct bs_file *file);
void bs_files_fini(struct bs_process *p);

/* rseq.c */
int bs_rseq_save(pid_t tid, struct bs_thread_state *state);
int bs_rseq_withdraw(struct bs_process *p, const struct bs_thread_state *state); /* before memory changes */
int bs_rseq_note(struct bs_process *p, struct bs_vector *areas);
int bs_rseq_take_back(struct bs_process *p, const struct bs_vector *areas);
int bs_rseq_restore(struct bs_process *p, const struct bs_thread_state *state); /* after it is as it was */

/* state.c */
struct bs_state_parts {
    const struct bs_state *head;
    const char *threads; /* bs_thread_state, each followed by its extended registers */
    const struct bs_mapping *mappings;
    const struct bs_descriptor_state *descriptors;
};
void bs_state_split(uint64_t address, struct bs_state_parts *parts);
const struct bs_thread_state *bs_state_next_thread(const struct bs_thread_state *thread);
int bs_state_save_files(struct bs_process *p); /* descriptors, on any thread of ours; 0: what fails is done again below */
int bs_state_save(struct bs_process *p);       /* the rest, and puts all together */

/* registers_x86_64.c: everything that knows the processor */
int bs_registers_get(pid_t tid, struct user_regs_struct *registers);
int bs_registers_set(pid_t tid, const struct user_regs_struct *registers);
int bs_registers_save(const struct bs_thread *thread, struct bs_vector *blob);
void bs_registers_note_call(struct bs_thread *thread); /* of one that has just stopped */
bool bs_registers_in_fault(pid_t tid);                 /* it stands before an instruction that faulted */
int bs_registers_restore(const struct bs_thread_state *state);
void bs_registers_prepare_call(struct user_regs_struct *registers, uint64_t gadget, long number,
                               const uint64_t arguments[6]);
int64_t bs_registers_result(const struct user_regs_struct *registers);
bool bs_registers_at_gadget(const unsigned char *code);
#define BS_GADGET_SIZE 2
int bs_program_check(struct bs_process *p);

/* output.c */
int bs_output_pipe(const bs_output *output);
void bs_output_given(bs_output *output);                    /* the program has its end; ours is closed */
int bs_output_drain(bs_output *output, uint64_t *position); /* all that was written up to now */
int bs_output_truncate(bs_output *output, uint64_t position);
int bs_output_standby(bs_output *output, bs_output *error);

#endif
