// SPDX-License-Identifier: Apache-2.0
/* What is asked of userfaultfd descriptors. */
#ifndef BS_UFFD_H
#define BS_UFFD_H

#include <stdint.h>
#include <sys/types.h>

#include "vector.h"

/* Registers memory of a process for write-protection: addresses. */
int bs_uffd_register(int uffd, pid_t pid, uint64_t start, uint64_t end);

/* Lifts the protection of pages, which count as written from here on. 0, or -errno where not all are registered. */
int bs_uffd_lift(int uffd, uint64_t first, uint64_t end);

/* The same of all ranges; those of which that fails are passed over, and lifted becomes the rest. 0 or -ENOMEM. */
int bs_uffd_lift_all(int uffd, const struct bs_vector *pages, struct bs_vector *lifted);

#endif
