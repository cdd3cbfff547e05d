// SPDX-License-Identifier: Apache-2.0
/* Processes that wait for the end of this one, however it ends, to finish what it left. */
#ifndef BS_STANDBY_H
#define BS_STANDBY_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Starts a shell with a script. Its standard input is the lifeline, which ends with this process; its descriptors from 1
 * on are those given. It ignores what the keyboard sends.
 */
int bs_standby_start(const char *script, const int *descriptors, size_t count, int *lifeline, pid_t *pid);

#endif
