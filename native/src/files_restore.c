// SPDX-License-Identifier: Apache-2.0
/*
 * The target's descriptors are given back what they meant at a checkpoint: number, offset, status flags, and the length
 * of files that grew. What would make that impossible is looked at before anything is touched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "files.h"

static const char *kind_of(const struct bs_file *file) {
    return S_ISFIFO(file->mode) ? "a pipe" : S_ISSOCK(file->mode) ? "a socket" : "a file that could not be kept";
}

static bool has_grown(const struct bs_descriptor_state *wanted) {
    struct stat status;
    return bs_can_write(wanted->descriptor.file) && fstat(wanted->descriptor.file->dup, &status) == 0 &&
           status.st_size > wanted->length;
}

static bool must_keep_length(int ours) {
    unsigned long attributes = 0;
    struct statvfs system;
    int seals = fcntl(ours, F_GET_SEALS);
    return (ioctl(ours, FS_IOC_GETFLAGS, &attributes) == 0 && (attributes & (FS_APPEND_FL | FS_IMMUTABLE_FL))) ||
           (seals >= 0 && (seals & F_SEAL_SHRINK)) || (fstatvfs(ours, &system) == 0 && (system.f_flag & ST_RDONLY));
}

int bs_files_check(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct bs_descriptor *descriptor = &wanted[i].descriptor;
        if (descriptor->fd >= 0 && descriptor->file->dup < 0 && !bs_is_still(p, descriptor->file, descriptor->fd)) {
            return bs_fail(BS_EREFUSED, "process %d closed descriptor %d (%s), which cannot be opened again",
                           (int) p->pid, descriptor->fd, kind_of(descriptor->file));
        }
        if (wanted[i].length >= 0 && has_grown(wanted + i) && must_keep_length(descriptor->file->dup)) {
            char path[4096];
            bs_path_of(descriptor->file->dup, path, sizeof path);
            return bs_fail(BS_EREFUSED, "%s has grown and cannot be cut back: it is append-only, sealed or read-only",
                           path);
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
    for (size_t i = 0; result == 0 && i < bs_open_count(p); i++) {
        if (!find(wanted, count, bs_open_at(p, i)->fd)) {
            result = bs_remote_close(p, bs_open_at(p, i)->fd);
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
        bs_path_of(ours, path, sizeof path);
        errno = reason;
        return bs_fail_errno("cut %s back to %lld bytes for process %d", path, (long long) length, (int) p->pid);
    }
    return 0;
}

/* Files whose length of then is known, by whatever descriptor, and that are open for writing now. */
static int cut_what_is_open(const struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        int ours = wanted[i].length < 0 ? -1 : bs_open_for_writing(p, wanted[i].descriptor.file);
        result = ours < 0 ? 0 : cut_back(p, ours, wanted[i].length);
    }
    return result;
}

static bool has_known_length(const struct bs_descriptor_state *wanted, size_t count, const struct bs_file *file) {
    for (size_t i = 0; i < count; i++) {
        if (wanted[i].length >= 0 && bs_is_same_file(wanted[i].descriptor.file, file)) {
            return true;
        }
    }
    return false;
}

/* Of files that are open for writing now and whose length of then is not known, nothing is taken back. */
static int note_what_is_left(struct bs_process *p, const struct bs_descriptor_state *wanted, size_t count) {
    p->left_files.size = 0;
    for (size_t i = 0; i < bs_open_count(p); i++) {
        const struct bs_file *file = bs_open_at(p, i)->file;
        struct stat status;
        if (!bs_can_write(file) || has_known_length(wanted, count, file) || fstat(file->dup, &status) < 0 ||
            status.st_nlink == 0 || status.st_size == 0) {
            continue;
        }
        char path[4096];
        ssize_t length = bs_path_of(file->dup, path, sizeof path);
        char *place = length <= 0 ? NULL : bs_vector_extend(&p->left_files, (size_t) length + 1);
        if (place) {
            memcpy(place, path, (size_t) length + 1);
        } else if (length > 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int restore_file(const struct bs_process *p, const struct bs_descriptor_state *wanted) {
    const struct bs_file *file = wanted->descriptor.file;
    if (wanted->flags >= 0 && fcntl(file->dup, F_GETFL) != wanted->flags) {
        fcntl(file->dup, F_SETFL, wanted->flags); /* what cannot be set was not changed either */
    }
    if (wanted->position < 0) {
        return 0;
    }
    int result = bs_can_write(file) && wanted->length >= 0 ? cut_back(p, file->dup, wanted->length) : 0;
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
        if (descriptor->fd >= 0 && !bs_is_still(p, descriptor->file, descriptor->fd)) {
            result = open_again(p, descriptor);
        }
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = restore_file(p, wanted + i);
    }
    return result < 0 ? result : bs_files_refresh(p);
}
