// SPDX-License-Identifier: Apache-2.0
/*
 * criu INTERVAL_MS REPORT COMMAND...: CRIU's dump of a program to memory (a directory of /dev/shm), which leaves it
 * running. Of two dumps the older one is overwritten. The pause is the time for which CRIU says that it froze the
 * program; what CRIU's own code in the program uses meanwhile is in the program's processor time, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

/* stats-dump: two magic words, a length, then in Protocol Buffers a message in field 1 of the whole. */
#define STATS_HEAD 12
#define FREEZING_TIME 1
#define FROZEN_TIME 2
#define PAGES_WRITTEN 7
#define FIELDS 16
/* Exit status of a command that there is not; 127 would be that of one without its libraries, too. */
#define NOT_THERE 200

static char home[64];

/* Runs a command to its end, without output; returns its exit status. */
static int run(char *const *command) {
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr)) {
            execvp(command[0], command);
        }
        _exit(errno == ENOENT ? NOT_THERE : 126);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        fail("running %s: %m", command[0]);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static uint64_t number(const uint8_t **at, const uint8_t *end) {
    uint64_t value = 0;
    for (int shift = 0; *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t) (byte & 0x7f) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    return value;
}

static void read_stats(const char *directory, uint64_t *fields) {
    char path[128];
    uint8_t text[512];
    snprintf(path, sizeof path, "%s/stats-dump", directory);
    FILE *file = fopen(path, "re");
    if (!file) {
        fail("%s: %m", path);
    }
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    const uint8_t *at = text + STATS_HEAD;
    const uint8_t *end = text + length;
    number(&at, end); // its tag
    number(&at, end); // its length
    while (at < end) {
        uint64_t tag = number(&at, end);
        uint64_t value = number(&at, end);
        if (tag % 8 == 0 && tag / 8 < FIELDS) {
            fields[tag / 8] = value;
        }
    }
}

static void last_error(const char *directory, char *line, int size) {
    char path[128];
    char next[512];
    snprintf(path, sizeof path, "%s/dump.log", directory);
    snprintf(line, (size_t) size, "no log");
    FILE *file = fopen(path, "re");
    while (file && fgets(next, sizeof next, file)) {
        if (strstr(next, "Error")) {
            snprintf(line, (size_t) size, "%.*s", (int) strcspn(next, "\n"), next);
            break;
        }
    }
    if (file) {
        fclose(file);
    }
}

static void clean_up(void) {
    run((char *const[]){"rm", "-rf", home, NULL});
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fail("usage: criu INTERVAL_MS REPORT COMMAND...");
    }
    uint64_t interval_ns = strtoull(argv[1], NULL, 10) * 1000000;
    char directories[2][sizeof home + 2];
    char why[512];
    snprintf(home, sizeof home, "/dev/shm/backstep-criu-%d", getpid());
    for (int i = 0; i < 2; i++) {
        snprintf(directories[i], sizeof directories[i], "%s/%d", home, i);
        if ((mkdir(home, 0700) < 0 && errno != EEXIST) || mkdir(directories[i], 0700) < 0) {
            fail("%s: %m", directories[i]);
        }
    }
    pid_t pid = start_child(argv + 3);
    char pid_text[16];
    snprintf(pid_text, sizeof pid_text, "%d", pid);
    release_child();

    int status;
    struct rusage usage;
    uint64_t next_ns = now_ns() + interval_ns;
    for (unsigned turn = 0; !wait_child(pid, next_ns, &status, &usage); turn++) {
        char *directory = directories[turn % 2];
        int failure = run((char *const[]){"criu", "dump", "--tree", pid_text, "--images-dir", directory,
                                          "--leave-running", "--log-file", "dump.log", NULL});
        if (failure) {
            if (wait_child(pid, now_ns(), &status, &usage)) {
                break; // it was about to end
            }
            last_error(directory, why, sizeof why);
            clean_up();
            if (failure == NOT_THERE) {
                fail("there is no criu here");
            }
            fail("criu dump ended with status %d: %s", failure, why);
        }
        uint64_t fields[FIELDS] = {0};
        read_stats(directory, fields);
        add_pause((fields[FREEZING_TIME] + fields[FROZEN_TIME]) * 1000, fields[PAGES_WRITTEN]);
        next_ns = now_ns() + interval_ns;
    }
    clean_up();
    if (WIFSIGNALED(status)) {
        fail("the program ended by signal %d", WTERMSIG(status));
    }
    write_report(argv[2], "processor", used_ns(&usage));
    return WEXITSTATUS(status);
}
