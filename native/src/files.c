// SPDX-License-Identifier: Apache-2.0
/*
 * The target's descriptors. A copy of each is fetched once (pidfd_getfd); it shares the open file with the target, so
 * its offset and length are read and set here, without the target's help, and a kcmp per capture tells whether the
 * number still means the same open file. Pipes and sockets are not kept: a copy of ours would hide from their other end
 * that the target closed it. For those the identity is all we know.
 *
 * A bs_file is counted: by the table of now and by each saved state that names it.
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

static size_t open_count(const struct bs_process *p) {
    return p->open_files.size / sizeof(struct bs_descriptor);
}

static struct bs_descriptor *open_at(const struct bs_process *p, size_t index) {
    return (struct bs_descriptor *) p->open_files.data + index;
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
    p->open_files.size = 0;
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
            const struct bs_descriptor *known = (const struct bs_descriptor *) old.data + i;
            if (known->fd == fd && is_still(p, known->file, fd)) {
                file = known->file;
                file->references++;
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
        bs_file_release(((struct bs_descriptor *) old.data + i)->file);
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
    return 0;
}

/* ---- putting back ------------------------------------------------------------------------------------------------ */

static const char *kind_of(const struct bs_file *file) {
    return S_ISFIFO(file->mode) ? "a pipe" : S_ISSOCK(file->mode) ? "a socket" : "a file that could not be kept";
}

int bs_files_check(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct bs_descriptor *descriptor = &wanted[i].descriptor;
        if (!is_still(p, descriptor->file, descriptor->fd) && descriptor->file->dup < 0) {
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
    int result = bs_files_refresh(p);
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

static int restore_length_and_position(const struct bs_process *p, const struct bs_descriptor_state *wanted) {
    const struct bs_file *file = wanted->descriptor.file;
    struct stat status;
    if (wanted->position < 0) {
        return 0;
    }
    bool writes = (file->open_flags & O_ACCMODE) != O_RDONLY;
    if (writes && wanted->length >= 0 && fstat(file->dup, &status) == 0 && status.st_size > wanted->length &&
        ftruncate(file->dup, wanted->length) < 0) {
        return bs_fail_errno("cut descriptor %d of process %d back to %lld bytes", wanted->descriptor.fd, (int) p->pid,
                             (long long) wanted->length);
    }
    if (lseek(file->dup, wanted->position, SEEK_SET) < 0) {
        return bs_fail_errno("set descriptor %d of process %d to offset %lld", wanted->descriptor.fd, (int) p->pid,
                             (long long) wanted->position);
    }
    return 0;
}

int bs_files_restore(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    int result = close_those_opened_since(p, wanted, count);
    for (size_t i = 0; result == 0 && i < count; i++) {
        if (!is_still(p, wanted[i].descriptor.file, wanted[i].descriptor.fd)) {
            result = open_again(p, &wanted[i].descriptor);
        }
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = restore_length_and_position(p, wanted + i);
    }
    return result < 0 ? result : bs_files_refresh(p);
}
