// SPDX-License-Identifier: Apache-2.0
/*
 * The target's descriptors. A copy of each is fetched once (pidfd_getfd); it shares the open file with the target, so
 * its offset and length are read and set here, without the target's help, and a kcmp per capture tells whether the
 * number still means the same open file. Pipes and sockets are not kept: a copy of ours would hide from their other end
 * that the target closed it. For those the identity is all we know.
 *
 * A file that is cut back to its length of then must have been known then. One that is open is; one that the program
 * closes and soon opens again, as it does with a log, shall be, too: so files closed after they were open for writing
 * are looked at for some time, and states name their lengths. Such a file is cut back only if the target has it open
 * for writing again at the rollback; else nobody knows who wrote to it. One that was not known then stays as it is, and
 * its name is told.
 *
 * A bs_file is counted: by the tables of now and by each saved state that names it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "files.h"
#include "kernel.h"

#define CLOSED_FILES_MOST 64
#define CLOSED_FILES_NS 10000000000ULL

static size_t closed_count(const struct bs_process *p) {
    return p->closed_files.size / sizeof(struct bs_closed_file);
}

static struct bs_closed_file *closed_at(const struct bs_process *p, size_t index) {
    return (struct bs_closed_file *) p->closed_files.data + index;
}

void bs_file_release(struct bs_file *file) {
    if (--file->references == 0) {
        if (file->dup >= 0) {
            close(file->dup);
        }
        free(file);
    }
}

void bs_files_fini(struct bs_process *p) {
    for (size_t i = 0; i < bs_open_count(p); i++) {
        bs_file_release(bs_open_at(p, i)->file);
    }
    for (size_t i = 0; i < closed_count(p); i++) {
        bs_file_release(closed_at(p, i)->file);
    }
    p->open_files.size = p->closed_files.size = 0;
}

bool bs_is_same_file(const struct bs_file *a, const struct bs_file *b) {
    return a->inode == b->inode && a->device == b->device;
}

/* Is this a regular file, open for writing? */
bool bs_can_write(const struct bs_file *file) {
    return file->dup >= 0 && S_ISREG(file->mode) && (file->open_flags & O_ACCMODE) != O_RDONLY;
}

/* Our descriptor through which the target has this file open for writing now, or -1. */
int bs_open_for_writing(const struct bs_process *p, const struct bs_file *file) {
    for (size_t i = 0; i < bs_open_count(p); i++) {
        const struct bs_file *candidate = bs_open_at(p, i)->file;
        if (bs_can_write(candidate) && bs_is_same_file(candidate, file)) {
            return candidate->dup;
        }
    }
    return -1;
}

ssize_t bs_path_of(int ours, char *path, size_t room) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", ours);
    ssize_t length = readlink(link, path, room - 1);
    path[length > 0 ? length : 0] = 0;
    return length;
}

static bool stat_theirs(const struct bs_process *p, int fd, struct stat *status) {
    char name[16];
    snprintf(name, sizeof name, "%d", fd);
    return fstatat(p->descriptors, name, status, 0) == 0;
}

bool bs_is_still(const struct bs_process *p, const struct bs_file *file, int fd) {
    if (file->dup >= 0) {
        return syscall(SYS_kcmp, getpid(), p->pid, KCMP_FILE_TYPE, file->dup, fd) == 0;
    }
    struct stat status;
    return stat_theirs(p, fd, &status) && status.st_ino == file->inode && status.st_dev == file->device;
}

/* ---- files closed a short time ago ------------------------------------------------------------------------------- */

static void drop_closed(struct bs_process *p, size_t index) {
    bs_file_release(closed_at(p, index)->file);
    memmove(closed_at(p, index), closed_at(p, index + 1), (closed_count(p) - index - 1) * sizeof *closed_at(p, 0));
    p->closed_files.size -= sizeof *closed_at(p, 0);
}

/* If that fails, states do not know the file, and a rollback names it. */
static void remember_closed(struct bs_process *p, const struct bs_file *file) {
    for (size_t i = 0; i < closed_count(p); i++) {
        if (bs_is_same_file(closed_at(p, i)->file, file)) {
            drop_closed(p, i);
            break;
        }
    }
    if (closed_count(p) == CLOSED_FILES_MOST) {
        drop_closed(p, 0);
    }
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file->dup);
    int dup = open(path, O_PATH | O_CLOEXEC);
    struct bs_file *copy = dup < 0 ? NULL : malloc(sizeof *copy);
    struct bs_closed_file *closed = copy ? bs_vector_extend(&p->closed_files, sizeof *closed) : NULL;
    if (!closed) {
        free(copy);
        if (dup >= 0) {
            close(dup);
        }
        return;
    }
    *copy = *file;
    copy->references = 1;
    copy->dup = dup;
    *closed = (struct bs_closed_file){.file = copy, .closed_ns = bs_now_ns()};
}

static int save_closed(struct bs_process *p, struct bs_vector *states) {
    uint64_t now = bs_now_ns();
    for (size_t i = 0; i < closed_count(p);) {
        struct bs_file *file = closed_at(p, i)->file;
        struct stat status;
        if (now - closed_at(p, i)->closed_ns > CLOSED_FILES_NS || bs_open_for_writing(p, file) >= 0 ||
            fstat(file->dup, &status) < 0 || status.st_nlink == 0) {
            drop_closed(p, i);
            continue;
        }
        struct bs_descriptor_state *state = bs_vector_extend(states, sizeof *state);
        if (!state) {
            return -ENOMEM;
        }
        *state = (struct bs_descriptor_state){
            .descriptor = {.fd = -1, .file = file}, .flags = -1, .position = -1, .length = status.st_size};
        i++;
    }
    return 0;
}

/* ---- the table of now -------------------------------------------------------------------------------------------- */

static bool table_is_current(const struct bs_process *p) {
    struct stat status;
    if (fstat(p->descriptors, &status) < 0 || status.st_size == 0 || (size_t) status.st_size != bs_open_count(p)) {
        return false; /* kernels before 6.2 do not count */
    }
    for (size_t i = 0; i < bs_open_count(p); i++) {
        if (!bs_is_still(p, bs_open_at(p, i)->file, bs_open_at(p, i)->fd)) {
            return false;
        }
    }
    return true;
}

static int read_close_on_exec(const struct bs_process *p, int fd) {
    char name[32], text[512];
    snprintf(name, sizeof name, "fdinfo/%d", fd);
    int file = openat(p->proc, name, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) {
        close(file);
    }
    text[length > 0 ? length : 0] = 0;
    const char *flags = strstr(text, "flags:");
    return flags && (strtoull(flags + 6, NULL, 8) & O_CLOEXEC) ? 1 : 0;
}

static bool is_kept(mode_t mode) {
    return !S_ISFIFO(mode) && !S_ISSOCK(mode);
}

/* The target may run: what was looked at and what was fetched need not be the same file, and what is fetched counts. */
static struct bs_file *fetch(const struct bs_process *p, int fd) {
    struct stat status;
    if (!stat_theirs(p, fd, &status)) {
        return NULL;
    }
    int dup = is_kept(status.st_mode) ? (int) syscall(SYS_pidfd_getfd, p->pidfd, fd, 0) : -1;
    if (dup < 0 && is_kept(status.st_mode) && errno == EBADF) {
        return NULL; /* closed meanwhile */
    }
    if (dup >= 0 && fstat(dup, &status) == 0 && !is_kept(status.st_mode)) {
        close(dup);
        dup = -1;
    }
    struct bs_file *file = calloc(1, sizeof *file);
    if (!file) {
        if (dup >= 0) {
            close(dup);
        }
        return NULL;
    }
    *file = (struct bs_file){
        .references = 1, .dup = dup, .mode = status.st_mode, .device = status.st_dev, .inode = status.st_ino};
    file->open_flags = dup >= 0 ? fcntl(dup, F_GETFL) : 0;
    return file;
}

int bs_files_refresh(struct bs_process *p) {
    if (table_is_current(p)) {
        return 0;
    }
    int directory = openat(p->proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = directory < 0 ? NULL : fdopendir(directory);
    if (!listing) {
        return bs_fail_errno("list descriptors of process %d", (int) p->pid);
    }
    struct bs_vector old = p->open_files;
    memset(&p->open_files, 0, sizeof p->open_files);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        int fd = atoi(entry->d_name);
        struct bs_file *file = NULL;
        for (size_t i = 0; i < old.size / sizeof(struct bs_descriptor) && !file; i++) {
            struct bs_descriptor *known = (struct bs_descriptor *) old.data + i;
            if (known->file && known->fd == fd && bs_is_still(p, known->file, fd)) {
                file = known->file;
                known->file = NULL; /* handed over */
            }
        }
        if (!file && !(file = fetch(p, fd))) {
            continue;
        }
        struct bs_descriptor *descriptor = bs_vector_extend(&p->open_files, sizeof *descriptor);
        if (!descriptor) {
            bs_file_release(file);
            break;
        }
        *descriptor = (struct bs_descriptor){.fd = fd, .close_on_exec = read_close_on_exec(p, fd), .file = file};
    }
    closedir(listing);
    for (size_t i = 0; i < old.size / sizeof(struct bs_descriptor); i++) {
        struct bs_file *gone = ((struct bs_descriptor *) old.data + i)->file;
        if (gone && bs_can_write(gone) && bs_open_for_writing(p, gone) < 0) {
            remember_closed(p, gone);
        }
        if (gone) {
            bs_file_release(gone);
        }
    }
    bs_vector_fini(&old);
    return 0;
}

int bs_files_save(struct bs_process *p) {
    struct bs_vector *states = &p->descriptor_states;
    int result = bs_files_refresh(p);
    states->size = 0;
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < bs_open_count(p); i++) {
        struct bs_descriptor_state *state = bs_vector_extend(states, sizeof *state);
        if (!state) {
            return -ENOMEM;
        }
        struct stat status;
        *state =
            (struct bs_descriptor_state){.descriptor = *bs_open_at(p, i), .flags = -1, .position = -1, .length = -1};
        const struct bs_file *file = state->descriptor.file;
        if (file->dup >= 0) {
            state->flags = fcntl(file->dup, F_GETFL);
        }
        if (file->dup >= 0 && S_ISREG(file->mode)) {
            state->position = lseek(file->dup, 0, SEEK_CUR);
            state->length = fstat(file->dup, &status) == 0 ? status.st_size : -1;
        }
    }
    return save_closed(p, states);
}
