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
#include "kernel.h"
#include "process.h"

#define CLOSED_FILES_MOST 64
#define CLOSED_FILES_NS 10000000000ULL

static size_t open_count(const struct bs_process *p) {
    return p->open_files.size / sizeof(struct bs_descriptor);
}

static struct bs_descriptor *open_at(const struct bs_process *p, size_t index) {
    return (struct bs_descriptor *) p->open_files.data + index;
}

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
    for (size_t i = 0; i < open_count(p); i++) {
        bs_file_release(open_at(p, i)->file);
    }
    for (size_t i = 0; i < closed_count(p); i++) {
        bs_file_release(closed_at(p, i)->file);
    }
    p->open_files.size = p->closed_files.size = 0;
}

static bool is_same_file(const struct bs_file *a, const struct bs_file *b) {
    return a->inode == b->inode && a->device == b->device;
}

/* Is this a regular file, open for writing? */
static bool can_write(const struct bs_file *file) {
    return file->dup >= 0 && S_ISREG(file->mode) && (file->open_flags & O_ACCMODE) != O_RDONLY;
}

/* Our descriptor through which the target has this file open for writing now, or -1. */
static int open_for_writing(const struct bs_process *p, const struct bs_file *file) {
    for (size_t i = 0; i < open_count(p); i++) {
        const struct bs_file *candidate = open_at(p, i)->file;
        if (can_write(candidate) && is_same_file(candidate, file)) {
            return candidate->dup;
        }
    }
    return -1;
}

static ssize_t path_of(int ours, char *path, size_t room) {
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

static bool is_still(const struct bs_process *p, const struct bs_file *file, int fd) {
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
        if (is_same_file(closed_at(p, i)->file, file)) {
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

static int save_closed(struct bs_process *p, struct bs_vector *blob) {
    uint64_t now = bs_now_ns();
    for (size_t i = 0; i < closed_count(p);) {
        struct bs_file *file = closed_at(p, i)->file;
        struct stat status;
        if (now - closed_at(p, i)->closed_ns > CLOSED_FILES_NS || open_for_writing(p, file) >= 0 ||
            fstat(file->dup, &status) < 0 || status.st_nlink == 0) {
            drop_closed(p, i);
            continue;
        }
        struct bs_descriptor_state *state = bs_vector_extend(blob, sizeof *state);
        if (!state) {
            return -ENOMEM;
        }
        *state = (struct bs_descriptor_state){
            .descriptor = {.fd = -1, .file = file}, .position = -1, .length = status.st_size};
        i++;
    }
    return 0;
}

/* ---- the table of now -------------------------------------------------------------------------------------------- */

static bool table_is_current(const struct bs_process *p) {
    struct stat status;
    if (fstat(p->descriptors, &status) < 0 || status.st_size == 0 || (size_t) status.st_size != open_count(p)) {
        return false; /* kernels before 6.2 do not count */
    }
    for (size_t i = 0; i < open_count(p); i++) {
        if (!is_still(p, open_at(p, i)->file, open_at(p, i)->fd)) {
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
            if (known->file && known->fd == fd && is_still(p, known->file, fd)) {
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
        if (gone && can_write(gone) && open_for_writing(p, gone) < 0) {
            remember_closed(p, gone);
        }
        if (gone) {
            bs_file_release(gone);
        }
    }
    bs_vector_fini(&old);
    return 0;
}

int bs_files_save(struct bs_process *p, struct bs_vector *blob) {
    int result = bs_files_refresh(p);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < open_count(p); i++) {
        struct bs_descriptor_state *state = bs_vector_extend(blob, sizeof *state);
        if (!state) {
            return -ENOMEM;
        }
        struct stat status;
        *state = (struct bs_descriptor_state){.descriptor = *open_at(p, i), .position = -1, .length = -1};
        const struct bs_file *file = state->descriptor.file;
        if (file->dup >= 0 && S_ISREG(file->mode)) {
            state->position = lseek(file->dup, 0, SEEK_CUR);
            state->length = fstat(file->dup, &status) == 0 ? status.st_size : -1;
        }
    }
    return save_closed(p, blob);
}

/* ---- putting back ------------------------------------------------------------------------------------------------ */

static const char *kind_of(const struct bs_file *file) {
    return S_ISFIFO(file->mode) ? "a pipe" : S_ISSOCK(file->mode) ? "a socket" : "a file that could not be kept";
}

int bs_files_check(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct bs_descriptor *descriptor = &wanted[i].descriptor;
        if (descriptor->fd >= 0 && descriptor->file->dup < 0 && !is_still(p, descriptor->file, descriptor->fd)) {
            return bs_fail(BS_EREFUSED, "process %d closed descriptor %d (%s), which cannot be opened again",
                           (int) p->pid, descriptor->fd, kind_of(descriptor->file));
        }
    }
    return 0;
}

static const struct bs_descriptor_state *find(const struct bs_descriptor_state *wanted, size_t count, int fd) {
    for (size_t i = 0; i < count; i++) {
        if (wanted[i].descriptor.fd == fd) {
            return wanted + i;
        }
    }
    return NULL;
}

static int close_those_opened_since(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    int result = 0;
    for (size_t i = 0; result == 0 && i < open_count(p); i++) {
        if (!find(wanted, count, open_at(p, i)->fd)) {
            result = bs_remote_close(p, open_at(p, i)->fd);
        }
    }
    return result;
}

static int open_again(struct bs_process *p, const struct bs_descriptor *descriptor) {
    int theirs = -1;
    int64_t value = 0;
    int result = bs_remote_borrow(p, descriptor->file->dup, &theirs);
    if (result < 0) {
        return result;
    }
    if (theirs == descriptor->fd) { /* fetched descriptors are closed on exec */
        return descriptor->close_on_exec
                   ? 0
                   : bs_remote_call(p, SYS_fcntl, (uint64_t[6]){(uint64_t) theirs, F_SETFD, 0}, &value);
    }
    result = bs_remote_call(
        p, SYS_dup3,
        (uint64_t[6]){(uint64_t) theirs, (uint64_t) descriptor->fd, descriptor->close_on_exec ? O_CLOEXEC : 0}, &value);
    if (result == 0 && value < 0) {
        errno = (int) -value;
        result = bs_fail_errno("open descriptor %d of process %d again", descriptor->fd, (int) p->pid);
    }
    int closed = bs_remote_close(p, theirs);
    return result < 0 ? result : closed;
}

static int cut_back(const struct bs_process *p, int ours, int64_t length) {
    struct stat status;
    if (fstat(ours, &status) == 0 && status.st_size > length && ftruncate(ours, length) < 0) {
        int reason = errno;
        char path[4096];
        path_of(ours, path, sizeof path);
        errno = reason;
        return bs_fail_errno("cut %s back to %lld bytes for process %d", path, (long long) length, (int) p->pid);
    }
    return 0;
}

/* Files whose length of then is known, by whatever descriptor, and that are open for writing now. */
static int cut_what_is_open(const struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        int ours = wanted[i].length < 0 ? -1 : open_for_writing(p, wanted[i].descriptor.file);
        result = ours < 0 ? 0 : cut_back(p, ours, wanted[i].length);
    }
    return result;
}

static bool has_known_length(const struct bs_descriptor_state *wanted, size_t count, const struct bs_file *file) {
    for (size_t i = 0; i < count; i++) {
        if (wanted[i].length >= 0 && is_same_file(wanted[i].descriptor.file, file)) {
            return true;
        }
    }
    return false;
}

/* Of files that are open for writing now and whose length of then is not known, nothing is taken back. */
static int note_what_is_left(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    p->left_files.size = 0;
    for (size_t i = 0; i < open_count(p); i++) {
        const struct bs_file *file = open_at(p, i)->file;
        struct stat status;
        if (!can_write(file) || has_known_length(wanted, count, file) || fstat(file->dup, &status) < 0 ||
            status.st_nlink == 0 || status.st_size == 0) {
            continue;
        }
        char path[4096];
        ssize_t length = path_of(file->dup, path, sizeof path);
        char *place = length <= 0 ? NULL : bs_vector_extend(&p->left_files, (size_t) length + 1);
        if (place) {
            memcpy(place, path, (size_t) length + 1);
        } else if (length > 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int restore_length_and_position(const struct bs_process *p, const struct bs_descriptor_state *wanted) {
    const struct bs_file *file = wanted->descriptor.file;
    if (wanted->position < 0) {
        return 0;
    }
    int result = can_write(file) && wanted->length >= 0 ? cut_back(p, file->dup, wanted->length) : 0;
    if (result == 0 && lseek(file->dup, wanted->position, SEEK_SET) < 0) {
        return bs_fail_errno("set descriptor %d of process %d to offset %lld", wanted->descriptor.fd, (int) p->pid,
                             (long long) wanted->position);
    }
    return result;
}

int bs_files_restore(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    int result = bs_files_refresh(p);
    if (result < 0 || (result = note_what_is_left(p, wanted, count)) < 0 ||
        (result = cut_what_is_open(p, wanted, count)) < 0 ||
        (result = close_those_opened_since(p, wanted, count)) < 0) {
        return result;
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        const struct bs_descriptor *descriptor = &wanted[i].descriptor;
        if (descriptor->fd >= 0 && !is_still(p, descriptor->file, descriptor->fd)) {
            result = open_again(p, descriptor);
        }
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = restore_length_and_position(p, wanted + i);
    }
    return result < 0 ? result : bs_files_refresh(p);
}
