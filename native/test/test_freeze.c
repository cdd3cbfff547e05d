// SPDX-License-Identifier: Apache-2.0
/* Stopping threads that take long to stop: that get no processor, that no stop can reach, and that are gone. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "test.h"

#define SPINNERS 4
#define HALTS 4
#define LEAST_PRIORITY 19
#define FEW_SECONDS_NS 3000000000ULL

static int first_processor(void) {
    cpu_set_t allowed;
    int number = 0;
    CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    while (!CPU_ISSET(number, &allowed)) {
        number++;
    }
    return number;
}

static pid_t spin_on_first_processor(int priority) {
    pid_t child = fork();
    if (child == 0) {
        cpu_set_t first;
        CPU_ZERO(&first);
        CPU_SET(first_processor(), &first);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sched_setaffinity(0, sizeof first, &first) < 0 ||
            nice(priority) < 0) {
            _exit(1);
        }
        for (volatile uint64_t turns = 0;; turns++) {
        }
    }
    CHECK(child > 0);
    return child;
}

static void end(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void should_wait_for_a_thread_that_gets_no_processor(void) {
    pid_t spinners[SPINNERS], victim = spin_on_first_processor(LEAST_PRIORITY);
    for (int i = 0; i < SPINNERS; i++) {
        spinners[i] = spin_on_first_processor(0);
    }
    bs_process *process = NULL;
    uint64_t longest = 0;
    CHECK_OK(bs_process_attach(victim, &process));
    for (int i = 0; i < HALTS; i++) {
        uint64_t began = bs_now_ns();
        CHECK_OK(bs_process_halt(process));
        uint64_t took = bs_now_ns() - began;
        longest = took > longest ? took : longest;
        CHECK_OK(bs_process_resume(process, 0));
    }
    CHECK_OK(bs_process_kill(process));
    bs_process_close(process);
    for (int i = 0; i < SPINNERS; i++) {
        end(spinners[i]);
    }
    printf("longest halt %" PRIu64 " ms\n", longest / 1000000);
}

/* A parent sleeps uninterruptibly until the child of its vfork becomes another program or ends. */
static void should_give_up_on_a_thread_that_sleeps_uninterruptibly(void) {
    int ready[2], gate[2];
    char byte = 0;
    CHECK(pipe(ready) == 0 && pipe(gate) == 0);
    pid_t victim = fork();
    if (victim == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(gate[1]);
        if (vfork() == 0) {
            _exit(write(ready[1], &byte, 1) == 1 && read(gate[0], &byte, 1) == 0 ? 0 : 1);
        }
        for (;;) {
            pause();
        }
    }
    CHECK(victim > 0 && read(ready[0], &byte, 1) == 1);
    bs_process *process = NULL;
    CHECK_OK(bs_process_attach(victim, &process));
    uint64_t began = bs_now_ns();
    CHECK(bs_process_halt(process) == BS_EBUSY);
    CHECK(bs_now_ns() - began < FEW_SECONDS_NS);
    close(gate[1]);
    int halted;
    while ((halted = bs_process_halt(process)) == BS_EBUSY && bs_now_ns() - began < 10 * FEW_SECONDS_NS) {
    }
    CHECK_OK(halted);
    CHECK_OK(bs_process_kill(process));
    bs_process_close(process);
    close(gate[0]);
    close(ready[0]);
    close(ready[1]);
}

static void should_be_of_usual_priority_after_a_stop_that_failed(void) {
    pid_t victim = spin_on_first_processor(0);
    bs_process *process = NULL;
    uint64_t interrupted;
    struct bs_capture c = {0};
    CHECK_OK(bs_process_attach(victim, &process));
    CHECK_OK(bs_process_track(process, &interrupted));
    CHECK_OK(bs_process_resume(process, 0));
    kill(victim, SIGKILL);
    CHECK(bs_process_capture(process, &c) == BS_EGONE);
    CHECK(sched_getscheduler(0) == SCHED_OTHER);
    bs_process_close(process);
}

int main(void) {
    should_wait_for_a_thread_that_gets_no_processor();
    should_give_up_on_a_thread_that_sleeps_uninterruptibly();
    should_be_of_usual_priority_after_a_stop_that_failed();
    PASSED("freezing");
    return 0;
}
