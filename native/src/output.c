// SPDX-License-Identifier: Apache-2.0
/*
 * Output that waits until it can no longer be taken back.
 *
 *     program --pipe--> unnamed file --sink
 *
 * The pipe is emptied into the file by splice, the file into the sink by sendfile. How far each has come is
 * kept by the kernel alone: the file's length, and the offset of the descriptor that it is read through. The standby
 * process holds the same descriptors and a pipe whose other end closes when this process ends, however it ends: then it
 * copies the rest of the file and of the pipe to the sink. So nothing is lost or written twice when we are killed
 * (but see pass_on for sinks that only write can reach).
 *
 * One pump thread per stream; the thread that captures drains the pipe in the pause. The lock covers the file's
 * growing end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "kernel.h"
#include "process.h"
#include "standby.h"

#define PIPE_BYTES (1 << 20)
#define CHUNK (1 << 20)
#define HELD_LIMIT (1LL << 30) /* beyond this the program waits, as it would for a slow reader */
#define PUNCH_STEP (4LL << 20)

struct bs_output {
    int program_end; /* write end of the pipe */
    int pipe;        /* read end */
    int file;        /* grows */
    int reader;      /* the same file, its offset is what has been passed on */
    int sink;
    int bell; /* eventfd: something to release, or time to stop */
    int lifeline;
    pid_t standby;
    int64_t length;    /* of the file; under lock */
    int64_t punched;   /* bytes given back to the system */
    uint64_t released; /* atomic */
    bool broken;       /* the sink takes no more */
    bool stopping;     /* atomic */
    pthread_mutex_t lock;
};

int bs_output_open(int32_t sink, bs_output **out) {
    bs_output *o = calloc(1, sizeof *o);
    if (!o) {
        return bs_fail(-ENOMEM, "hold output: out of memory");
    }
    int ends[2] = {-1, -1};
    o->reader = o->bell = o->lifeline = -1;
    pthread_mutex_init(&o->lock, NULL);
    o->file = memfd_create("backstep-output", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", o->file);
    o->sink = fcntl(sink, F_DUPFD_CLOEXEC, 3);
    if (o->file < 0 || (o->reader = open(path, O_RDONLY | O_CLOEXEC)) < 0 || o->sink < 0 ||
        (o->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        int result = bs_fail_errno("hold output");
        o->pipe = ends[0];
        o->program_end = ends[1];
        bs_output_close(o);
        return result;
    }
    o->pipe = ends[0];
    o->program_end = ends[1];
    fcntl(o->pipe, F_SETPIPE_SZ, PIPE_BYTES); /* a smaller pipe serves as well */
    *out = o;
    return 0;
}

int bs_output_pipe(const bs_output *o) {
    return o->program_end;
}

void bs_output_given(bs_output *o) {
    close(o->program_end);
    o->program_end = -1;
}

/* ---- the standby process ------------------------------------------------------------------------------------- */

/*
 * Descriptors 3 and 4 are the file and the pipe of the first stream, 5 and 6 of the second. A shell and cat do it: cat reads through the shared offset, so it starts where we left off.
 */
static const char standby_script[] = "read x; { cat <&5 >&2; exec cat <&6 >&2; } & cat <&3; cat <&4; wait";

int bs_output_standby(bs_output *first, bs_output *second) {
    bs_output *owner = first ? first : second;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    int descriptors[] = {first ? first->sink : nothing,    second ? second->sink : nothing,
                         first ? first->reader : nothing,  first ? first->pipe : nothing,
                         second ? second->reader : nothing, second ? second->pipe : nothing};
    int result = bs_standby_start(standby_script, descriptors, 6, &owner->lifeline, &owner->standby);
    close(nothing);
    return result;
}

static void dismiss_standby(bs_output *o) {
    if (o->standby > 0) {
        kill(o->standby, SIGKILL);
        waitpid(o->standby, NULL, 0);
        o->standby = 0;
    }
}

/* ---- moving bytes ------------------------------------------------------------------------------------------------ */

/* Pipe to file, as much as there is, without waiting. 1: the program's end is closed. Under the lock. */
static int take_in(bs_output *o) {
    for (;;) {
        loff_t end = o->length;
        ssize_t moved = splice(o->pipe, NULL, o->file, &end, CHUNK, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (moved == 0) {
            return 1;
        }
        if (moved < 0) {
            return errno == EAGAIN || errno == EINTR ? 0 : bs_fail_errno("hold output");
        }
        o->length += moved;
    }
}

int bs_output_drain(bs_output *o, uint64_t *position) {
    pthread_mutex_lock(&o->lock);
    int result = o->broken ? 0 : take_in(o);
    *position = (uint64_t) o->length;
    pthread_mutex_unlock(&o->lock);
    return result < 0 ? result : 0;
}

int bs_output_truncate(bs_output *o, uint64_t position) {
    pthread_mutex_lock(&o->lock);
    int result = o->broken ? 0 : take_in(o);
    if (result >= 0 && (int64_t) position < o->length) {
        result = ftruncate(o->file, (off_t) position) < 0 ? bs_fail_errno("drop output") : 0;
        o->length = (int64_t) position;
    }
    pthread_mutex_unlock(&o->lock);
    return result < 0 ? result : 0;
}

static int64_t passed_on(const bs_output *o) {
    return lseek(o->reader, 0, SEEK_CUR);
}

/* File to sink by plain writes, for sinks that take no sendfile (files opened for appending, some devices). */
static ssize_t pass_on_by_write(const bs_output *o, int64_t from, size_t bytes) {
    char buffer[65536];
    ssize_t length = pread(o->reader, buffer, bytes < sizeof buffer ? bytes : sizeof buffer, from);
    if (length <= 0) {
        return length;
    }
    ssize_t written = write(o->sink, buffer, (size_t) length);
    if (written > 0) {
        lseek(o->reader, from + written, SEEK_SET);
    }
    return written;
}

/*
 * Memory of what has been passed on goes back to the system: whole pages only, for a sink that is a pipe may still hold
 * the pages themselves, and part of a page would be zeroed under its eyes.
 */
static void give_back(bs_output *o, int64_t passed) {
    int64_t end = passed & ~(int64_t) (BS_PAGE_SIZE - 1);
    if (end - o->punched >= PUNCH_STEP) {
        fallocate(o->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, o->punched, end - o->punched);
        o->punched = end;
    }
}

/* File to sink, up to the released position. Waits for the sink. */
static int pass_on(bs_output *o) {
    for (;;) {
        uint64_t released = __atomic_load_n(&o->released, __ATOMIC_ACQUIRE);
        pthread_mutex_lock(&o->lock);
        int64_t limit = released > (uint64_t) o->length ? o->length : (int64_t) released;
        pthread_mutex_unlock(&o->lock);
        int64_t from = passed_on(o);
        if (from >= limit) {
            give_back(o, from);
            return 0;
        }
        size_t bytes = (size_t) (limit - from < CHUNK ? limit - from : CHUNK);
        ssize_t moved = sendfile(o->sink, o->reader, NULL, bytes);
        if (moved < 0 && (errno == EINVAL || errno == ENOSYS)) {
            moved = pass_on_by_write(o, from, bytes);
        }
        if (moved < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = o->sink, .events = POLLOUT};
            poll(&ready, 1, 1000);
        } else if (moved < 0 && errno != EINTR) {
            return bs_fail_errno("pass output on");
        }
    }
}

static void ring(const bs_output *o) {
    uint64_t one = 1;
    ssize_t ignored = write(o->bell, &one, sizeof one);
    (void) ignored;
}

/* The reader of our output is gone: the program must notice at its next write, as it would have without us. */
static void break_pipe(bs_output *o) {
    pthread_mutex_lock(&o->lock);
    o->broken = true;
    close(o->pipe);
    o->pipe = -1;
    pthread_mutex_unlock(&o->lock);
    dismiss_standby(o); /* it holds the pipe too */
}

int bs_output_pump(bs_output *o) {
    bool ended = false;
    int result = 0;
    while (!__atomic_load_n(&o->stopping, __ATOMIC_ACQUIRE)) {
        bool full = o->length - passed_on(o) > HELD_LIMIT;
        struct pollfd events[2] = {{.fd = o->bell, .events = POLLIN},
                                   {.fd = ended || full ? -1 : o->pipe, .events = POLLIN}};
        if (poll(events, 2, -1) < 0 && errno != EINTR) {
            return bs_fail_errno("wait for output");
        }
        if (events[0].revents) {
            uint64_t count;
            ssize_t ignored = read(o->bell, &count, sizeof count);
            (void) ignored;
        }
        if (events[1].revents) {
            pthread_mutex_lock(&o->lock);
            result = take_in(o);
            pthread_mutex_unlock(&o->lock);
            if (result < 0) {
                return result;
            }
            ended = result == 1;
        }
        if ((result = pass_on(o)) < 0) {
            break_pipe(o);
            return result;
        }
    }
    return 0;
}

void bs_output_release(bs_output *o, uint64_t position) {
    __atomic_store_n(&o->released, position, __ATOMIC_RELEASE);
    ring(o);
}

uint64_t bs_output_held(const bs_output *o) {
    int64_t held = o->length - passed_on(o);
    return held > 0 ? (uint64_t) held : 0;
}

void bs_output_stop(bs_output *o) {
    __atomic_store_n(&o->stopping, true, __ATOMIC_RELEASE);
    ring(o);
}

int bs_output_finish(bs_output *o) {
    if (o->broken) {
        return 0;
    }
    __atomic_store_n(&o->released, UINT64_MAX, __ATOMIC_RELEASE);
    pthread_mutex_lock(&o->lock);
    int ended = take_in(o);
    pthread_mutex_unlock(&o->lock);
    if (ended < 0) {
        return ended;
    }
    int result = pass_on(o);
    if (result < 0) {
        break_pipe(o);
        return result;
    }
    return ended ? 0 : 1;
}

void bs_output_close(bs_output *o) {
    if (!o) {
        return;
    }
    int descriptors[] = {o->program_end, o->pipe, o->file, o->reader, o->sink, o->bell, o->lifeline};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (descriptors[i] >= 0) {
            close(descriptors[i]);
        }
    }
    pthread_mutex_destroy(&o->lock);
    free(o);
}
