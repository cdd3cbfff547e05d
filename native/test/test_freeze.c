// SPDX-License-Identifier: Apache-2.0
/* Stopping threads that take long to stop: that get no processor, that no stop can reach, and that are gone; and all. */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
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
#define BIRTHS 400
#define ATTEMPTS 1000
#define LATER_NS 100000
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

static void *wait_for_ever(void *ignored) {
    for (;;) {
        pause();
    }
    return ignored;
}

static void *bear(void *started) {
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    CHECK(write(*(int *) started, "", 1) == 1);
    for (int i = 0; i < BIRTHS; i++) {
        CHECK(pthread_create(&thread, &small, wait_for_ever, NULL) == 0);
    }
    return wait_for_ever(NULL);
}

/* By what the kernel tells of each of its tasks. */
static int running_threads(pid_t pid) {
    char path[300], line[256];
    int running = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int) pid);
    DIR *tasks = opendir(path);
    CHECK(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int) pid, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        char state = 't';
        while (file && fgets(line, sizeof line, file) && sscanf(line, "State: %c", &state) != 1) {
        }
        running += state != 't';
        if (file) {
            fclose(file);
        }
    }
    closedir(tasks);
    return running;
}

static void should_find_threads_that_are_born_meanwhile(void) {
    for (int i = 0; i < ATTEMPTS; i++) {
        int started[2];
        char byte;
        CHECK(pipe(started) == 0);
        pid_t victim = fork();
        if (victim == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            bear(&started[1]);
        }
        CHECK(victim > 0 && read(started[0], &byte, 1) == 1);
        bs_process *process = NULL;
        CHECK_OK(bs_process_attach(victim, &process));
        for (uint64_t began = bs_now_ns(); bs_now_ns() - began < LATER_NS;) {
        }
        CHECK_OK(bs_process_halt(process));
        CHECK(running_threads(victim) == 0);
        CHECK_OK(bs_process_kill(process));
        bs_process_close(process);
        close(started[0]);
        close(started[1]);
    }
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
    should_find_threads_that_are_born_meanwhile();
    should_wait_for_a_thread_that_gets_no_processor();
    should_give_up_on_a_thread_that_sleeps_uninterruptibly();
    should_be_of_usual_priority_after_a_stop_that_failed();
    PASSED("freezing");
    return 0;
}
