// SPDX-License-Identifier: Apache-2.0
/*
 * A shell is enough for what is left to do, and it must be another program: a mere copy of this process would share its
 * memory, of which each page would have to be copied when it is written.
 */
#define _GNU_SOURCE
#include "standby.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backstep.h"
#include "error.h"
#include "kernel.h"

#define MOST 8
#define ABOVE_ALL 16 /* of the numbers that the shell gets */

struct bs_standby {
    pid_t pid;
    int lifeline;
    char *note; /* one character and a line's end */
};

static void become_standby(const char *script, const int *descriptors, size_t count, int lifeline) {
    int wanted[MOST + 1] = {lifeline};
    memcpy(wanted + 1, descriptors, count * sizeof *descriptors);
    for (size_t i = 0; i <= count; i++) {
        wanted[i] = fcntl(wanted[i], F_DUPFD, ABOVE_ALL);
    }
    for (size_t i = 0; i <= count; i++) {
        if (dup2(wanted[i], (int) i) < 0) {
            _exit(127);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int ignored[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGTTOU};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        signal(ignored[i], SIG_IGN);
    }
    setsid();
    syscall(SYS_close_range, (unsigned) count + 1, ~0U, 0U);
    execl("/bin/sh", "sh", "-c", script, (char *) NULL);
    _exit(127);
}

int bs_standby_start(const char *script, const int *descriptors, size_t count, int *lifeline, pid_t *pid) {
    int ends[2];
    if (count > MOST || pipe2(ends, O_CLOEXEC) < 0) {
        return bs_fail_errno("pipe");
    }
    *pid = fork();
    if (*pid == 0) {
        become_standby(script, descriptors, count, ends[0]);
    }
    close(ends[0]);
    *lifeline = ends[1];
    return *pid < 0 ? bs_fail_errno("fork") : 0;
}

/* ---- one that talks to a socket ---------------------------------------------------------------------------------- */

static int connect_to(const char *path, int *out) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return bs_fail(-ENAMETOOLONG, "connect to %s: the path is too long", path);
    }
    strcpy(address.sun_path, path);
    *out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*out < 0 || connect(*out, (struct sockaddr *) &address, sizeof address) < 0) {
        return bs_fail_errno("connect to %s", path);
    }
    return 0;
}

int bs_standby_open(const char *socket_path, const char *script, bs_standby **out) {
    bs_standby *s = calloc(1, sizeof *s);
    int connection = -1, file = memfd_create("backstep-standby", MFD_CLOEXEC);
    if (!s) {
        return bs_fail(-ENOMEM, "standby: out of memory");
    }
    s->lifeline = -1;
    s->note = MAP_FAILED;
    int result = connect_to(socket_path, &connection);
    if (result == 0 && (file < 0 || ftruncate(file, BS_PAGE_SIZE) < 0 || pwrite(file, "-\n", 2, 0) != 2 ||
                        (s->note = mmap(NULL, BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) ==
                            MAP_FAILED)) {
        result = bs_fail_errno("standby");
    }
    if (result == 0) {
        int descriptors[] = {connection, connection, connection, file};
        result = bs_standby_start(script, descriptors, 4, &s->lifeline, &s->pid);
    }
    int opened[] = {connection, file};
    for (size_t i = 0; i < sizeof opened / sizeof *opened; i++) {
        if (opened[i] >= 0) {
            close(opened[i]);
        }
    }
    if (result < 0) {
        bs_standby_close(s);
        return result;
    }
    *out = s;
    return 0;
}

void bs_standby_note(bs_standby *s, uint32_t note) {
    __atomic_store_n(s->note, (char) note, __ATOMIC_SEQ_CST);
}

void bs_standby_close(bs_standby *s) {
    if (!s) {
        return;
    }
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    if (s->lifeline >= 0) {
        close(s->lifeline);
    }
    if (s->note != MAP_FAILED) {
        munmap(s->note, BS_PAGE_SIZE);
    }
    free(s);
}
