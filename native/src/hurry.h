// SPDX-License-Identifier: Apache-2.0
/*
 * Priority. As long as a target stands, the thread that made it stand goes before the others of its processor, where it
 * may (CAP_SYS_NICE, or RLIMIT_RTPRIO): otherwise one of the JVM's compiler threads that takes the processor while this
 * thread waits for the stop keeps it for a slice of the scheduler, milliseconds.
 */
#ifndef BS_HURRY_H
#define BS_HURRY_H

#include <stdbool.h>

/* Whether it does. */
bool bs_hurry(void);
void bs_hurry_end(void);

#endif
