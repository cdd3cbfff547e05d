// SPDX-License-Identifier: Apache-2.0
/*
 * A wait with a time-out that a checkpoint caught just before the kernel would have resumed it lasts as long as it must
 * after a rollback, whatever shorter waits came between.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <time.h>
#include <unistd.h>

#include "process.h"
#include "state.h"
#include "test.h"

#define FRAMES 65536ULL
#define LONG_NS 300000000LL
#define SHORT_NS 40000000LL

static struct {
    uint64_t long_waits, short_waits;
} *target_did; /* shared with the target */

static uint64_t frames[FRAMES];

static pid_t start_target(void) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        return pid;
    }
    static const struct timespec long_wait = {0, LONG_NS}, short_wait = {0, SHORT_NS};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    syscall(SYS_nanosleep, &long_wait, NULL);
    target_did->long_waits++;
    for (;;) {
        syscall(SYS_nanosleep, &short_wait, NULL);
        target_did->short_waits++;
    }
}

/* Halts the target in a wait that the kernel will resume. */
static void halt_in_wait(bs_process *target, struct user_regs_struct *registers) {
    for (;;) {
        CHECK_OK(bs_process_halt(target));
        CHECK_OK(bs_registers_get(bs_process_pid(target), registers));
        if ((int64_t) registers->rax == -516 /* ERESTART_RESTARTBLOCK */) {
            return;
        }
        CHECK_OK(bs_process_resume(target, 0));
        sched_yield();
    }
}

static void wait_until(const uint64_t *count, uint64_t least) {
    while (__atomic_load_n(count, __ATOMIC_RELAXED) < least) {
        sched_yield();
    }
}

struct checkpoint {
    struct bs_restore_pages pages; /* all that were held */
    char *state;
};

static struct checkpoint take(bs_process *target) {
    struct bs_capture c = {.frames = (uint64_t) (uintptr_t) frames, .frame_count = FRAMES};
    CHECK(bs_process_capture(target, &c) == 0);
    uint64_t *pages = malloc(c.page_count * sizeof *pages);
    memcpy(pages, (const void *) (uintptr_t) c.pages, c.page_count * sizeof *pages);
    return (struct checkpoint){{(uint64_t) (uintptr_t) pages, c.frames, c.page_count}, keep_state(&c)};
}

static void roll_back_to(bs_process *target, struct checkpoint checkpoint) {
    struct bs_restore restore;
    uint64_t state = (uint64_t) (uintptr_t) checkpoint.state;
    CHECK_OK(bs_process_restore_begin(target, state, &restore));
    CHECK_OK(bs_process_restore_finish(target, state, &checkpoint.pages, &restore));
}

static void drop(struct checkpoint checkpoint) {
    drop_state(checkpoint.state);
    free((void *) (uintptr_t) checkpoint.pages.pages);
}

/* What the kernel does to the registers on the way to user mode, where a thread may be stopped again. */
static void set_about_to_resume(bs_process *target, struct user_regs_struct *registers, bool before_user_mode) {
    registers->rax = SYS_restart_syscall;
    registers->rip -= BS_GADGET_SIZE;
    registers->orig_rax = before_user_mode ? registers->orig_rax : (unsigned long long) -1;
    CHECK_OK(bs_registers_set(bs_process_pid(target), registers));
}

static void should_begin_a_wait_anew_that_was_about_to_be_resumed(bool before_user_mode) {
    bs_process *target = NULL;
    struct user_regs_struct registers;
    uint64_t interrupted;
    memset(target_did, 0, sizeof *target_did);
    CHECK_OK(bs_process_attach(start_target(), &target));
    CHECK_OK(bs_process_track(target, &interrupted));
    halt_in_wait(target, &registers);
    CHECK(target_did->long_waits == 0);
    set_about_to_resume(target, &registers, before_user_mode);
    struct checkpoint then = take(target);

    CHECK_OK(bs_process_resume(target, 0));
    wait_until(&target_did->short_waits, 1);
    CHECK(target_did->long_waits == 1);
    halt_in_wait(target, &registers);
    roll_back_to(target, then);
    uint64_t began = bs_now_ns();
    CHECK_OK(bs_process_resume(target, 0));
    wait_until(&target_did->long_waits, 2);
    CHECK(bs_now_ns() - began >= LONG_NS);

    drop(then);
    CHECK_OK(bs_process_kill(target));
    bs_process_close(target);
}

int main(void) {
    char *arena = mmap(NULL, FRAMES * BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    target_did = mmap(NULL, sizeof *target_did, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(arena != MAP_FAILED && target_did != MAP_FAILED);
    for (uint64_t i = 0; i < FRAMES; i++) {
        frames[i] = (uint64_t) (uintptr_t) (arena + i * BS_PAGE_SIZE);
    }
    should_begin_a_wait_anew_that_was_about_to_be_resumed(true);
    should_begin_a_wait_anew_that_was_about_to_be_resumed(false);
    PASSED("waits");
    return 0;
}
