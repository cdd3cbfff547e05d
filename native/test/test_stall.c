// SPDX-License-Identifier: Apache-2.0
/*
 * A writer in another process is stalled before its end whatever is expected of it, and gets through if it writes less
 * than that; what is taken is what it wrote. usage: test_stall [IGNORED] [SEED]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "random.h"
#include "test.h"

#define ROUNDS 300
#define MOST 400000
#define AT_ONCE 32768 /* bytes in one write */
#define PAGE ((uint64_t) BS_PAGE_SIZE)

static unsigned char text[MOST];
static bs_stall *stall;

static pid_t start_writer(const char *path, size_t size) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close_range(3, ~0U, 0); /* its own ends among them */
        signal(SIGPIPE, SIG_IGN);
        int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0660);
        for (size_t at = 0; file >= 0 && at < size;) {
            ssize_t count = write(file, text + at, size - at < AT_ONCE ? size - at : AT_ONCE);
            if (count < 0) {
                _exit(errno == EPIPE ? 2 : 3);
            }
            at += (size_t) count;
        }
        _exit(file >= 0 ? 0 : 1);
    }
    return pid;
}

/* Waits until the writer has ended or waits itself; true: it has ended. */
static int has_ended(pid_t pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    for (;;) {
        int file = open(path, O_RDONLY);
        CHECK(file >= 0);
        ssize_t count = read(file, line, sizeof line - 1);
        close(file);
        CHECK(count > 0);
        line[count] = 0;
        char state = strrchr(line, ')')[2];
        if (state == 'S' || state == 'Z') {
            return state == 'Z';
        }
        sched_yield();
    }
}

static int status_of(pid_t pid) {
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void write_and_take(uint64_t expected, size_t size, int stalled) {
    char path[BS_STALL_PATH];
    uint64_t content, taken;
    CHECK_OK(bs_stall_arm(stall, expected, path));
    pid_t writer = start_writer(path, size);
    CHECK(bs_stall_await(stall, 10000) == 1);
    CHECK(has_ended(writer) == !stalled);
    CHECK(bs_stall_take(stall, &content, &taken) == stalled);
    CHECK(taken == size && memcmp((const void *) (uintptr_t) content, text, size) == 0);
    CHECK(status_of(writer) == 0);
}

static void should_stall_who_writes_about_as_much_as_expected(void) {
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = 1 + next_random() % (MOST - 1);
        uint64_t more = next_random() % 1000;
        write_and_take(next_random() % 3 ? size + more : next_random() % size, size, 1);
    }
    PASSED("who writes about as much as expected, or more, is stalled");
}

static void should_tell_that_less_came(void) {
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = 1 + next_random() % (MOST / 2);
        write_and_take(size + 1024 + PAGE + next_random() % (MOST / 2), size, 0);
    }
    PASSED("that the writer got through is told");
}

static void should_tell_that_nobody_opens(void) {
    char path[BS_STALL_PATH];
    CHECK_OK(bs_stall_arm(stall, 10000, path));
    CHECK(bs_stall_await(stall, 1) == 0);
    CHECK_OK(bs_stall_arm(stall, 10000, path)); /* what came for the first one does not count for the second */
    CHECK(bs_stall_await(stall, 1) == 0);
    PASSED("that nobody opens is told");
}

static void should_fail_writers_when_it_is_disarmed(void) {
    char path[BS_STALL_PATH];
    CHECK_OK(bs_stall_arm(stall, MOST, path));
    pid_t writer = start_writer(path, MOST);
    CHECK(bs_stall_await(stall, 10000) == 1);
    CHECK(!has_ended(writer));
    bs_stall_disarm(stall);
    CHECK(status_of(writer) == 2);
    PASSED("a stalled writer fails when there is no pipe any more");
}

int main(int argc, char **argv) {
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t) time(NULL);
    printf("seed %" PRIu64 "\n", seed);
    for (size_t i = 0; i < MOST; i++) {
        text[i] = (unsigned char) next_random();
    }
    CHECK_OK(bs_stall_open(&stall));
    should_stall_who_writes_about_as_much_as_expected();
    should_tell_that_less_came();
    should_tell_that_nobody_opens();
    should_fail_writers_when_it_is_disarmed();
    bs_stall_close(stall);
    return 0;
}
