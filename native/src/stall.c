// SPDX-License-Identifier: Apache-2.0
/*
 * A pipe that stalls whoever writes to it, shortly before its end, until somebody reads. A pipe has slots, each for a page
 * or less; all but as many as the beginning of what is expected needs are filled before. If less comes than was expected
 * the writer gets through: what was still to come when reading began tells whether it was stalled.
 *
 * The writer opens it through /proc. That fails when this process has ended, and a writer that is stalled then gets
 * EPIPE: nobody is stalled for ever.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "vector.h"

#define MARGIN 1024        /* bytes; so much less than expected is stalled, too */
#define PATIENCE_MS 20000  /* for a writer that is not stalled */
#define PIECE 65536        /* bytes that are read at once */
#define FILL_AT_ONCE 64    /* slots */
#define EVENTS_BYTES 1024

struct bs_stall {
    int notices; /* inotify */
    int watch;   /* the pipe's opening, or -1 */
    int reader;  /* or -1: there is no pipe */
    int writer;  /* or -1 */
    size_t filled; /* bytes that are nobody's */
    struct bs_vector content;
};

int bs_stall_open(bs_stall **out) {
    bs_stall *s = calloc(1, sizeof *s);
    if (!s) {
        return bs_fail(-ENOMEM, "make a pipe: out of memory");
    }
    s->watch = s->reader = s->writer = -1;
    s->notices = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (s->notices < 0) {
        int result = bs_fail_errno("watch a pipe");
        free(s);
        return result;
    }
    *out = s;
    return 0;
}

static void close_end(int *end) {
    if (*end >= 0) {
        close(*end);
        *end = -1;
    }
}

void bs_stall_disarm(bs_stall *s) {
    if (s->watch >= 0) {
        inotify_rm_watch(s->notices, s->watch);
        s->watch = -1;
    }
    close_end(&s->reader);
    close_end(&s->writer);
}

/* Takes slots; each one byte, which is not joined with others. */
static int fill(bs_stall *s, size_t slots) {
    static char byte;
    struct iovec parts[FILL_AT_ONCE];
    for (size_t i = 0; i < FILL_AT_ONCE; i++) {
        parts[i] = (struct iovec){&byte, 1};
    }
    for (s->filled = 0; s->filled < slots;) {
        size_t count = slots - s->filled < FILL_AT_ONCE ? slots - s->filled : FILL_AT_ONCE;
        ssize_t taken = vmsplice(s->writer, parts, count, SPLICE_F_NONBLOCK);
        if (taken <= 0) {
            return bs_fail_errno("fill a pipe");
        }
        s->filled += (size_t) taken;
    }
    return 0;
}

static int arm(bs_stall *s, uint64_t expected, char *path) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return bs_fail_errno("make a pipe");
    }
    s->reader = ends[0];
    s->writer = ends[1];
    size_t wanted = expected > MARGIN ? (expected - MARGIN) / BS_PAGE_SIZE : 0;
    (void) !fcntl(s->writer, F_SETPIPE_SZ, (int) (wanted > 0 ? wanted * BS_PAGE_SIZE : BS_PAGE_SIZE)); /* or as it is */
    int size = fcntl(s->writer, F_GETPIPE_SZ);
    if (size < 0) {
        return bs_fail_errno("size of a pipe");
    }
    size_t slots = (size_t) size / BS_PAGE_SIZE;
    int result = fill(s, slots > wanted ? slots - wanted : 0);
    if (result < 0) {
        return result;
    }
    snprintf(path, BS_STALL_PATH, "/proc/%d/fd/%d", (int) getpid(), s->writer);
    s->watch = inotify_add_watch(s->notices, path, IN_OPEN);
    return s->watch < 0 ? bs_fail_errno("watch a pipe") : 0;
}

int bs_stall_arm(bs_stall *s, uint64_t expected, char *path) {
    char old[EVENTS_BYTES];
    bs_stall_disarm(s);
    while (read(s->notices, old, sizeof old) > 0) {
    }
    s->content.size = 0;
    int result = arm(s, expected, path);
    if (result < 0) {
        bs_stall_disarm(s);
    }
    return result;
}

static bool is_open_noticed(const bs_stall *s) {
    char all[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool is_noticed = false;
    for (ssize_t size; (size = read(s->notices, all, sizeof all)) > 0;) {
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const struct inotify_event *) (all + at);
            is_noticed = is_noticed || (event->wd == s->watch && (event->mask & IN_OPEN));
            at += (ssize_t) (sizeof *event + event->len);
        }
    }
    return is_noticed;
}

int bs_stall_await(bs_stall *s, int32_t timeout_ms) {
    uint64_t end = bs_now_ns() + (uint64_t) timeout_ms * 1000000;
    for (;;) {
        if (is_open_noticed(s)) {
            return 1;
        }
        uint64_t now = bs_now_ns();
        if (now >= end) {
            return 0;
        }
        struct pollfd notices = {.fd = s->notices, .events = POLLIN};
        if (poll(&notices, 1, (int) ((end - now) / 1000000) + 1) < 0 && errno != EINTR) {
            return bs_fail_errno("watch a pipe");
        }
    }
}

/* Reads what there is, waiting for it. The number of bytes; 0: no writer is left. */
static ssize_t read_some(const bs_stall *s, char *into, size_t most) {
    for (;;) {
        ssize_t count = read(s->reader, into, most);
        if (count >= 0 || (errno != EAGAIN && errno != EINTR)) {
            return count < 0 ? bs_fail_errno("read from a pipe") : count;
        }
        struct pollfd more = {.fd = s->reader, .events = POLLIN};
        int ready = poll(&more, 1, PATIENCE_MS);
        if (ready == 0) {
            return bs_fail(-ETIMEDOUT, "read from a pipe: nothing came for %d ms", PATIENCE_MS);
        }
        if (ready < 0 && errno != EINTR) {
            return bs_fail_errno("read from a pipe");
        }
    }
}

int bs_stall_take(bs_stall *s, uint64_t *content, uint64_t *size) {
    int there = 0;
    if (s->reader < 0 || ioctl(s->reader, FIONREAD, &there) < 0) {
        return bs_fail_errno("look into a pipe");
    }
    close_end(&s->writer);
    char nobodys[FILL_AT_ONCE];
    for (size_t left = s->filled; left > 0;) {
        ssize_t count = read_some(s, nobodys, left < sizeof nobodys ? left : sizeof nobodys);
        if (count <= 0) {
            return count < 0 ? (int) count : bs_fail(-EIO, "read from a pipe: it ended early");
        }
        left -= (size_t) count;
    }
    for (;;) {
        char *into = bs_vector_extend(&s->content, PIECE);
        ssize_t count = into ? read_some(s, into, PIECE) : -ENOMEM;
        s->content.size -= into ? PIECE - (count > 0 ? (size_t) count : 0) : 0;
        if (count < 0) {
            return into ? (int) count : bs_fail(-ENOMEM, "read from a pipe: out of memory");
        }
        if (count == 0) {
            break;
        }
    }
    *content = (uint64_t) (uintptr_t) s->content.data;
    *size = s->content.size;
    return s->filled + s->content.size > (size_t) there;
}

void bs_stall_close(bs_stall *s) {
    if (s) {
        bs_stall_disarm(s);
        close(s->notices);
        bs_vector_fini(&s->content);
        free(s);
    }
}
