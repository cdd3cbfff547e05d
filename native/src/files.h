// SPDX-License-Identifier: Apache-2.0
/* What the two files about descriptors share: files.c knows the table of now, files_restore.c puts one of then back. */
#ifndef BS_FILES_H
#define BS_FILES_H

#include "process.h"

static inline size_t bs_open_count(const struct bs_process *p) {
    return p->open_files.size / sizeof(struct bs_descriptor);
}

static inline struct bs_descriptor *bs_open_at(const struct bs_process *p, size_t index) {
    return (struct bs_descriptor *) p->open_files.data + index;
}

bool bs_is_same_file(const struct bs_file *a, const struct bs_file *b);

/* Is this a regular file, open for writing? */
bool bs_can_write(const struct bs_file *file);

/* Our descriptor through which the target has this file open for writing now, or -1. */
int bs_open_for_writing(const struct bs_process *p, const struct bs_file *file);

/* Does this number of the target's still mean that open file? */
bool bs_is_still(const struct bs_process *p, const struct bs_file *file, int fd);

/* The path that a descriptor of ours leads to; its length, or a negative number and an empty path. */
ssize_t bs_path_of(int ours, char *path, size_t room);

#endif
