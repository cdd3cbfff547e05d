// SPDX-License-Identifier: Apache-2.0
/* Checks for the native tests: the first that fails says where and why, and ends the test. */
#ifndef BS_TEST_H
#define BS_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "backstep.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", __FILE__, __LINE__, #condition,               \
                    bs_last_error());                                                                                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define CHECK_OK(call)                                                                                                 \
    do {                                                                                                               \
        int result_ = (call);                                                                                          \
        if (result_ < 0) {                                                                                             \
            fprintf(stderr, "%s:%d: %s gave %d: %s\n", __FILE__, __LINE__, #call, result_, bs_last_error());           \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define PASSED(name) printf("passed: %s\n", name)

#endif
