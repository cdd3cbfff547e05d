// SPDX-License-Identifier: Apache-2.0
/*
 * backstep.h - what the native half of backstep does for the Java half.
 *
 * C is a muscle here: system calls and loops over pages. Which pages, when, how many checkpoints and what to
 * do about an error is decided by the caller.
 *
 * Conventions
 *   result    zero or a count on success, a negative code on failure: -errno, or one of BS_E... below.
 *             The text of the last failure on this thread is bs_last_error(). Results must be looked at.
 *   threads   every function that takes a bs_process must be called on the thread that made it (the kernel binds
 *             a tracer to its thread), but for bs_process_wake, which any thread may call.
 *   memory    structs are filled in by the callee; addresses inside them point into memory that the handle owns and
 *             are valid until the next call with the same handle.
 *   time      nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef BACKSTEP_H
#define BACKSTEP_H

#include <stdint.h>

#define BS_API __attribute__((visibility("default"), warn_unused_result))
#define BS_API_VOID __attribute__((visibility("default")))

#define BS_ABI_VERSION 1
#define BS_PAGE_SIZE 4096

/* positive results that ask for something */
/* A capture needs more frames: call again with BS_CAPTURE_CONTINUE, or abandon it. */
#define BS_MORE_FRAMES 1
/* The same, but it is a guess made while the target runs: if there are not so many, call again all the same. */
#define BS_FRAMES_AHEAD 2

/* failures that are not an errno */
#define BS_EGONE (-10001)    /* the target has exited */
#define BS_EERROR (-10002)   /* an error of the target came first; bs_process_wait reports it */
#define BS_EREFUSED (-10003) /* the rollback cannot be done as asked; nothing was touched */
#define BS_EBROKEN (-10004)  /* a rollback failed half-way; the target must not run on */
#define BS_EEXECED (-10005)  /* the target replaced its program; bs_process_wait reports it */
#define BS_EBUSY (-10006)    /* a thread of the target did not stop in time; the target runs on */
#define BS_EUNFIT (-10007)   /* a program that cannot be protected (32-bit, already traced, no system call gadget) */

/* ---- the library ------------------------------------------------------------------------------------------- */

BS_API uint32_t bs_abi_version(void);

/* Size in bytes of the shared struct with this index, or 0: bs_host, bs_event, bs_capture, bs_restore,
 * bs_restore_pages, bs_program, bs_saved. */
BS_API uint32_t bs_struct_size(uint32_t index);

/* The last failure on this thread: operation, object and errno by name. Never null. */
BS_API const char *bs_last_error(void);

/* ---- the host ---------------------------------------------------------------------------------------------- */

struct bs_host {
    int64_t uffd_syscall;   /* 0: userfaultfd(2) works for this user, else -errno */
    int64_t uffd_device;    /* 0: /dev/userfaultfd may be opened, else -errno */
    uint64_t uffd_features; /* feature bits that the kernel offers */
    int64_t wp_async;       /* 0: asynchronous write-protect works on private anonymous memory, else -errno */
    int64_t pagemap_scan;   /* 0: PAGEMAP_SCAN works and re-protects, else -errno */
    int64_t procmap_query;  /* 0: PROCMAP_QUERY works, else -errno */
    int64_t pidfd_getfd;    /* 0: descriptors of a child may be fetched, else -errno */
    int64_t kcmp;           /* 0: descriptors may be compared, else -errno */
    int64_t ptrace;         /* 0: a child may be seized, interrupted and read, else -errno */
    int64_t process_vm;     /* 0: process_vm_readv and writev work on a child, else -errno */
    int64_t real_time;      /* 0: threads may be of real-time priority, else -errno */
};

/* Tries each facility on this process or on a child made for it. Takes a few milliseconds. */
BS_API int bs_host_probe(struct bs_host *host);

/* ---- signals to this process --------------------------------------------------------------------------------- */

/* Takes these signals over (bit n-1 for signal n), for good; those that are ignored stay so. */
BS_API int bs_signals_watch(uint64_t signals);

/* Waits for the next watched signal and returns its number, or 0 after bs_signals_stop. Blocks: one thread of the
 * caller. */
BS_API int bs_signals_next(void);

/* Makes bs_signals_next return. Any thread. */
BS_API_VOID void bs_signals_stop(void);

/* ---- output of a program that backstep starts ------------------------------------------------------------------ */

/*
 * One held stream. The program writes to a pipe; bytes move from it to an unnamed file and from there to the sink, each
 * step by one system call, so that all of the state lives in the kernel. A standby process holds the same descriptors
 * and finishes the job should this one be killed.
 */
typedef struct bs_output bs_output;

BS_API int bs_output_open(int32_t sink, bs_output **out);

/* Moves bytes until the program's end is closed or the sink fails. Blocks: one thread of the caller per stream. */
BS_API int bs_output_pump(bs_output *output);

/* Lets everything up to this position go out; UINT64_MAX lets all future bytes pass. Any thread. */
BS_API_VOID void bs_output_release(bs_output *output, uint64_t position);

/* Bytes that are held at this moment. Any thread. */
BS_API uint64_t bs_output_held(const bs_output *output);

/* Makes the pump return soon. Any thread. */
BS_API_VOID void bs_output_stop(bs_output *output);

/*
 * Writes out all that is left, waiting for the sink; the pump must have returned. Returns 1 if others still hold the
 * program's end (the standby process goes on for them), else 0.
 */
BS_API int bs_output_finish(bs_output *output);

/* Frees the stream. Its pump must have returned or never have run. */
BS_API_VOID void bs_output_close(bs_output *output);

/* ---- the cow discipline ---------------------------------------------------------------------------------------- */

/*
 * Holds the first write to each page of somebody's memory until a thread of this process has saved the page. It is given to
 * the handle of that memory, which must be closed before it, and serves one at a time. Any thread, but one at a time,
 * where not said otherwise.
 */
typedef struct bs_cow bs_cow;

BS_API int bs_cow_open(bs_cow **out);

/*
 * Hands frames over for pages that are saved while the target runs. When fewer than low are left, the caller is woken;
 * when none is left, writes wait for this call.
 */
BS_API int bs_cow_feed(bs_cow *cow, uint64_t frames, uint64_t count, uint64_t low);

/* How many such frames are left. */
BS_API int64_t bs_cow_pooled(bs_cow *cow);

/* Takes up to count of them back; frames is where their addresses go. Returns how many. */
BS_API int64_t bs_cow_take_frames(bs_cow *cow, uint64_t frames, uint64_t count);

/* Waits until frames are wanted: 1, or 0 after bs_cow_end_await. Blocks: a thread of its own. */
BS_API int bs_cow_await_want(bs_cow *cow);

/* Makes bs_cow_await_want return, for good. Any thread. */
BS_API_VOID void bs_cow_end_await(bs_cow *cow);

/* What held writes gave. */
struct bs_saved {
    uint64_t count;          /* out */
    uint64_t pages;          /* out: address of count page numbers, ascending: written in the interval */
    uint64_t frames;         /* out: address of count frames that hold what they were before; 0: no content */
    uint64_t released;       /* out: address of released_count bs_range: copied by an earlier capture, and held again */
    uint64_t released_count; /* out */
    uint64_t lost;           /* out: how many pages were given back before they were saved: the checkpoint that the
                                interval began with cannot be restored, nor those before it */
    uint64_t faults;         /* out: writes held since the handle was made */
    uint64_t spare_used;     /* out: frames used of those given */
};

/*
 * After a capture: what was saved in the interval that it ended; the frames are the caller's from now on. The capture
 * asked for more frames than it has pages if some of them were saved in memory of this library: so many of the spare
 * frames take their place. After the first half of a rollback: what was saved since the last capture; no frame changes
 * hands.
 */
BS_API int bs_cow_saved(bs_cow *cow, uint64_t spare, uint64_t spare_count, struct bs_saved *saved);

/* The frames that are left are the caller's. */
BS_API_VOID void bs_cow_close(bs_cow *cow);

/* ---- a process --------------------------------------------------------------------------------------------- */

typedef struct bs_process bs_process;

/* How to start a program. */
struct bs_program {
    uint64_t strings; /* address of strings laid end to end, each with its zero byte: the file to execute, then
                         the arguments, the first of which is the program's name for itself */
    uint64_t argument_count;
    uint64_t ignored_signals; /* that it shall find ignored: bit n-1 for signal n */
    uint64_t inherited;       /* address of descriptor numbers above 2 that it shall have, as int64_t */
    uint64_t inherited_count;
    uint64_t output; /* a bs_output, or 0: inherited; as for error */
    uint64_t error;
};

/* Starts a program, stopped before its first instruction. Fails with -errno of execve when it cannot be started. */
BS_API int bs_process_spawn(const struct bs_program *program, bs_process **out);

/* Takes hold of a running process. It runs on until something is asked of it. */
BS_API int bs_process_attach(int32_t pid, bs_process **out);

BS_API int32_t bs_process_pid(const bs_process *process);

/*
 * Makes the target's memory trackable: injects one userfaultfd system call, fetches the descriptor and closes it
 * inside. Call it on a new handle and again after BS_EVENT_EXECED; leaves the target halted. interrupted_ns: how long
 * the target's registers were not its own.
 */
BS_API int bs_process_track(bs_process *process, uint64_t *interrupted_ns);

/*
 * Chooses the cow discipline, before bs_process_track, for private anonymous memory. bs_process_wait ends early when frames
 * are wanted. A process that may not hold its own writes is BS_EUNFIT to track.
 */
BS_API int bs_process_hold_writes(bs_process *process, bs_cow *cow);

/* Ends tracking: every protection is gone. The target stays held. */
BS_API_VOID void bs_process_untrack(bs_process *process);

/* Signals to hold back from the target and report: bit n-1 for signal n. handled_too: also those that it handles
 * itself. */
BS_API_VOID void bs_process_catch(bs_process *process, uint64_t signals, uint64_t handled_too);

#define BS_EVENT_NONE 0   /* the deadline came, or bs_process_wake was called */
#define BS_EVENT_ERROR 1  /* a caught signal is held back; the thread stands */
#define BS_EVENT_EXITED 2 /* status is the wait status */
#define BS_EVENT_EXECED 3 /* a new program; stopped before its first instruction */

struct bs_event {
    uint64_t kind;
    uint64_t tid;
    uint64_t signal;
    int64_t code;     /* si_code */
    uint64_t address; /* si_addr */
    uint64_t status;
};

/* Lets the target run until something happens or the deadline comes. The target must not be halted. */
BS_API int bs_process_wait(bs_process *process, uint64_t deadline_ns, struct bs_event *event);

/* Ends a bs_process_wait early, now or when it comes. Any thread. */
BS_API_VOID void bs_process_wake(bs_process *process);

/* Stops all threads, as one; nested calls are allowed and count as one. */
BS_API int bs_process_halt(bs_process *process);

/* Lets a halted target run. A signal that was held back is delivered if deliver is not 0, else dropped. */
BS_API int bs_process_resume(bs_process *process, uint32_t deliver);

#define BS_CAPTURE_LIVE 1     /* copy while the target runs: no state is saved and the pages are a first guess */
#define BS_CAPTURE_CONTINUE 2 /* go on after BS_MORE_FRAMES or BS_FRAMES_AHEAD */

#define BS_PHASE_FREEZE 0
#define BS_PHASE_SCAN 1
#define BS_PHASE_COPY 2
#define BS_PHASE_STATE 3
#define BS_PHASE_THAW 4
#define BS_PHASES 5

struct bs_range {
    uint64_t first; /* page number */
    uint64_t end;   /* one past the last page */
};

struct bs_capture {
    uint64_t flags;               /* in */
    uint64_t frames;              /* in: address of frame_count frame addresses; out: in the order of the pages */
    uint64_t frame_count;         /* in */
    uint64_t predicted;           /* in: address of predicted_count bs_range, ascending: pages that are left writable
                                     if they are written, so that they count as written until a later capture; out: all
                                     that are, for some come with their neighbours, and those lifted */
    uint64_t predicted_count;     /* in, out */
    uint64_t lifted;              /* in: address of lifted_count bs_range, ascending: pages that shall become writable if
                                     they are not written up to now; memory whose writes are held stays protected */
    uint64_t lifted_count;        /* in; both lists stay as they are while a capture goes on */
    uint64_t written_before;      /* in: address of written_before_count page numbers, ascending: what was written in the
                                     interval before the last capture, as far as is known now */
    uint64_t written_before_count; /* in */
    uint64_t page_count;          /* out: pages copied, or needed */
    uint64_t pages;               /* out: address of page_count page numbers, ascending; page i is in frame i */
    uint64_t held;                /* out: address of held_count bs_range: pages that have content of their own */
    uint64_t held_count;          /* out */
    uint64_t held_pages;          /* out */
    uint64_t state;               /* out: address of the execution state */
    uint64_t state_size;          /* out: bytes */
    uint64_t output_mark;         /* out: position of standard output */
    uint64_t error_mark;          /* out: position of standard error */
    uint64_t threads;             /* out */
    uint64_t mappings;            /* out */
    uint64_t ahead;               /* out: pages whose copies were made before the pause */
    uint64_t at_ns;               /* out: when the target stood */
    uint64_t pause_ns;            /* out */
    uint64_t joined_ns;           /* out: for which the target may have waited after it, for memory that was put together
                                     in huge pages */
    uint64_t phase_ns[BS_PHASES]; /* out */
};

/*
 * One capture: freeze, find the written pages, copy them, save the execution state, protect again, thaw (unless halted
 * before). On failure the target runs on and every page whose mark was taken is part of the next capture.
 */
BS_API int bs_process_capture(bs_process *process, struct bs_capture *capture);

/* Gives up a capture that asked for more frames: thaws; nothing is forgotten. */
BS_API int bs_process_capture_abandon(bs_process *process);

/* Counts a use of the files that a state names; each copy that is kept must be released once, also after the process
 * was closed. */
BS_API_VOID void bs_state_retain(uint64_t state);
BS_API_VOID void bs_state_release(uint64_t state);

struct bs_restore {
    uint64_t written;       /* out: address of written_count bs_range: pages written since the last capture */
    uint64_t written_count; /* out */
    uint64_t held;          /* out: as in bs_capture, of this moment */
    uint64_t held_count;    /* out */
    uint64_t left;          /* out: address of left_size bytes: paths of files, each with its zero byte, that were
                               opened for writing since and keep what was written to them */
    uint64_t left_size;     /* out */
};

/*
 * Before a rollback: halts and says which pages were written since the last capture, and what is held. Nothing is touched
 * but marks, which are carried into the next capture.
 */
BS_API int bs_process_look_back(bs_process *process, struct bs_restore *restore);

/*
 * First half of a rollback to a state: halts, checks that it can be done, ends threads born since, puts mappings back,
 * and says which pages were written. BS_EREFUSED: nothing was touched. From the first change on until
 * bs_process_restore_finish the target is killed should this process die, so that it never runs on half restored.
 */
BS_API int bs_process_restore_begin(bs_process *process, uint64_t state, struct bs_restore *restore);

struct bs_restore_pages {
    uint64_t pages;  /* address of count page numbers, ascending */
    uint64_t frames; /* address of count frame addresses: what those pages must become */
    uint64_t count;
    uint64_t dropped; /* address of dropped_count page numbers, ascending: pages without content of their own */
    uint64_t dropped_count;
};

/*
 * Second half: puts pages, files, output and registers back and protects. The target stays halted. restore->held is
 * what the target holds afterwards.
 */
BS_API int bs_process_restore_finish(bs_process *process, uint64_t state, const struct bs_restore_pages *pages,
                                     struct bs_restore *restore);

/* Kills the target and waits for its end. */
BS_API int bs_process_kill(bs_process *process);

/* Sends a signal, as kill(2). A target that has ended takes none. */
BS_API int bs_process_signal(bs_process *process, int32_t signal);

/* Faults, for a halted target. */
BS_API int bs_process_thread_count(const bs_process *process);
BS_API int bs_register_count(void);
BS_API const char *bs_register_name(uint32_t index);
BS_API int bs_process_flip_register(bs_process *process, uint32_t thread, uint32_t index, uint64_t mask);
BS_API int bs_process_flip_memory(bs_process *process, uint64_t address, uint64_t mask);

/* Lets go: the target runs on untracked, as if nothing had been. Frees the handle. */
BS_API_VOID void bs_process_close(bs_process *process);

/* ---- regions of this process ----------------------------------------------------------------------------------- */

/* Maps memory of zeros, and unmaps it. */
BS_API int bs_memory_map(uint64_t length, uint64_t *address);
BS_API_VOID void bs_memory_unmap(uint64_t address, uint64_t length);

/*
 * Ranges of this process's own memory that are tracked together. Any thread, but one at a time; and no other thread may
 * write to the ranges during a capture that shall be of one moment, or a rollback. The memory must stay mapped.
 */
typedef struct bs_regions bs_regions;

BS_API int bs_regions_open(bs_regions **out);

/*
 * Tracks whole pages of private memory that nobody writes now. What has content is part of the next capture. Memory that
 * is shared, or cannot be read and written, is BS_EUNFIT.
 */
BS_API int bs_regions_add(bs_regions *regions, uint64_t address, uint64_t length);

/* As bs_process_capture, without freeze, state and thaw; held_pages counts all that is tracked. */
BS_API int bs_regions_capture(bs_regions *regions, struct bs_capture *capture);

/* Gives up a capture that asked for more frames; nothing is forgotten. */
BS_API_VOID void bs_regions_capture_abandon(bs_regions *regions);

/* First half of a rollback: tells what was written since the last capture. */
BS_API int bs_regions_restore_begin(bs_regions *regions, struct bs_restore *restore);

/* Second half: writes pages, drops others, protects. A failure leaves them half written. */
BS_API int bs_regions_restore_finish(bs_regions *regions, const struct bs_restore_pages *pages);

/* The memory is as if it had never been tracked. */
BS_API_VOID void bs_regions_close(bs_regions *regions);

/* ---- memory of a virtual machine ----------------------------------------------------------------------------------- */

/*
 * Ranges of another process's memory that are tracked together, while that process is told by other ways when its
 * machine shall stand. Threads as with bs_regions. Nothing of it is stopped, but in bs_guest_open for an instant.
 */
typedef struct bs_guest bs_guest;

/*
 * Injects one userfaultfd system call into the process and lets it run on. interrupted_ns as in bs_process_track. With a
 * cow, which may be null, writes are held, those of the kernel as well; a process that may not do that is BS_EUNFIT.
 */
BS_API int bs_guest_open(int32_t pid, bs_cow *cow, uint64_t *interrupted_ns, bs_guest **out);

/*
 * Tracks whole pages of its memory, private or shared, which nobody writes now. What has content is part of the next
 * capture. Huge pages of hugetlbfs are BS_EUNFIT, and so are, where writes are held, files that do not lie in memory.
 */
BS_API int bs_guest_add(bs_guest *guest, uint64_t address, uint64_t length);

/*
 * The caller waits for frames to be wanted, and for nothing else. At all other times it may be waiting for the process,
 * and held writes do not wait for it.
 */
BS_API_VOID void bs_guest_at_leisure(bs_guest *guest, uint32_t on);

/*
 * Just before each capture that is not live, with the same frames and the same predicted pages, while the machine may still
 * run: copies what is not expected to be written again. What cannot be copied now is left to the capture. Does nothing
 * where writes are held.
 */
BS_API_VOID void bs_guest_copy_ahead(bs_guest *guest, const struct bs_capture *capture);

/* As bs_regions_capture. With BS_CAPTURE_LIVE the machine may run. */
BS_API int bs_guest_capture(bs_guest *guest, struct bs_capture *capture);

/* Gives the last capture up, also one that was complete; nothing is forgotten. */
BS_API_VOID void bs_guest_capture_abandon(bs_guest *guest);

/*
 * As bs_regions_restore_begin and bs_regions_restore_finish; dropped pages become zeros. BS_EREFUSED: writes are held, and
 * the process gave memory back that was not saved.
 */
BS_API int bs_guest_restore_begin(bs_guest *guest, struct bs_restore *restore);
BS_API int bs_guest_restore_finish(bs_guest *guest, const struct bs_restore_pages *pages);

/* Where writes are held, after a rollback: undoes all that was written since. */
BS_API int bs_guest_undo(bs_guest *guest);

/* Tracking ends; the process goes on. */
BS_API_VOID void bs_guest_close(bs_guest *guest);

/* ---- what is left to do should this process be killed --------------------------------------------------------------- */

typedef struct bs_standby bs_standby;

/*
 * Starts a shell that shall wait, by `read x`, until this process ends, and then do what the rest of the script says:
 * descriptors 1 and 3 are a connection to a Unix socket, descriptor 4 a file with one line, the note. A server of one
 * client at a time serves it when the connection of this process is closed.
 */
BS_API int bs_standby_open(const char *socket_path, const char *script, bs_standby **out);

/* Writes the note, one character. Any thread. */
BS_API_VOID void bs_standby_note(bs_standby *standby, uint32_t note);

/* It is not needed any more. */
BS_API_VOID void bs_standby_close(bs_standby *standby);

/* ---- a writer that is stalled ---------------------------------------------------------------------------------------- */

/*
 * A pipe that stalls whoever writes to it shortly before its end, until that is taken. It is opened by a path, which is
 * there for processes that may look into this one; when this process has ended opening fails, and so does a stalled
 * write. One thread at a time.
 */
typedef struct bs_stall bs_stall;

#define BS_STALL_PATH 64

BS_API int bs_stall_open(bs_stall **out);

/*
 * Makes a new pipe for one writer who will write about so many bytes; gives its path, of at most BS_STALL_PATH bytes.
 * One that was there is disarmed.
 */
BS_API int bs_stall_arm(bs_stall *stall, uint64_t expected, char *path);

/* Waits until it is opened. 1, or 0 if nobody did. */
BS_API int bs_stall_await(bs_stall *stall, int32_t timeout_ms);

/*
 * Takes all that is written, waiting until the writer closes; valid until the next arm. 1 if it was stalled until this
 * was called, or had not come that far; 0 if it had written everything by then.
 */
BS_API int bs_stall_take(bs_stall *stall, uint64_t *content, uint64_t *size);

/* There is no pipe any more: a writer fails. */
BS_API_VOID void bs_stall_disarm(bs_stall *stall);

BS_API_VOID void bs_stall_close(bs_stall *stall);

/* ---- the service manager ------------------------------------------------------------------------------------------- */

/* Sends a state such as "READY=1" to the service manager that started this process. 1, or 0 if none wants to know. */
BS_API int bs_notify(const char *state);

/* ---- costs, for prediction and benchmarks --------------------------------------------------------------------------------- */

/* What the kernel's note of a page's first write costs the writer, in picoseconds; tried on memory of this process. */
BS_API int64_t bs_measure_fault(void);

/* What a first write that is held until the page was saved costs the writer, in picoseconds; likewise. */
BS_API int64_t bs_measure_held_write(void);

/* What it costs to begin a scan of pages anew, in picoseconds. */
BS_API int64_t bs_measure_scan(void);

/* Copies count pages of a process to frames with one thread, as a capture does. Returns nanoseconds. */
BS_API int64_t bs_measure_copy(int32_t pid, uint64_t pages, uint64_t frames, uint64_t count, uint32_t write);

#endif
