// SPDX-License-Identifier: Apache-2.0
/*
 * Other ways to take checkpoints of a program, to compare with. Each takes one, lets the program run for an interval
 * and takes the next: who cannot keep an interval still lets the program get on. Two of them start the program
 * (child.c), two are libraries that are loaded into it (tick.c). None can go back to a checkpoint.
 */
#ifndef PEER_H
#define PEER_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <ucontext.h>

#define PAGE 4096UL

struct range {
    uint64_t start;
    uint64_t end;
};

/* ---- what is told (peer.c) --------------------------------------------------------------------------------------- */

uint64_t now_ns(void);
uint64_t used_ns(const struct rusage *usage);
/* Says why this peer cannot run here or cannot run this program, and ends the process. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Address space that costs nothing until it is written. */
void *reserve(uint64_t length);
/* One checkpoint has been taken, for which the program stood still for so long. */
void add_pause(uint64_t ns, uint64_t pages_copied);
/*
 * Writes what has been added to a file in JSON, with names of backstep's own reports, and one time: of the processors,
 * what the program used ("processor") or what is not the program's in what its process used ("snapshots").
 */
void write_report(const char *path, const char *time_name, uint64_t time_ns);

/* The next private mapping at or after an address that may be written; 0: there is none. */
int next_writable(int maps, uint64_t from, struct range *mapping, int *is_of_file);

/* ---- a program that is started (child.c) ------------------------------------------------------------------------- */

/* Starts it, to wait before its first instruction until it is released. It dies with the caller. */
pid_t start_child(char **command);
void release_child(void);
/* Waits for a change of its state until then: 1, or 0 when the time has come first. */
int wait_child(pid_t pid, uint64_t deadline_ns, int *status, struct rusage *usage);

/* ---- the program itself (tick.c) --------------------------------------------------------------------------------- */

/*
 * Each defines these two. The first takes a checkpoint; it runs in a signal handler and returns how many pages it has
 * copied since the last one, or -1 to be asked again shortly. The second is called at the program's end and returns the
 * processor time that is not the program's.
 */
void begin(void);
int64_t checkpoint(const ucontext_t *context);
uint64_t end(void);

#endif
