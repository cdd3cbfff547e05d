// SPDX-License-Identifier: Apache-2.0
/* The text of the last failure, kept per thread, and the codes that go with it. */
#ifndef BS_ERROR_H
#define BS_ERROR_H

#include "backstep.h"

/* Notes "what: errno by name" and returns -errno. */
int bs_fail_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Notes the text and returns the code. */
int bs_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
