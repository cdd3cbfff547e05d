// SPDX-License-Identifier: Apache-2.0
/* What is asked of userfaultfd descriptors. */
#ifndef BS_UFFD_H
#define BS_UFFD_H

#include <stdint.h>
#include <sys/types.h>

/* Registers memory of a process for write-protection: addresses. */
int bs_uffd_register(int uffd, pid_t pid, uint64_t start, uint64_t end);

#endif
