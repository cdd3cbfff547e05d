// SPDX-License-Identifier: Apache-2.0
/* The execution state of a capture, kept beyond the next one. */
#ifndef BS_TEST_STATE_H
#define BS_TEST_STATE_H

#include <string.h>

#include "test.h"

static char *keep_state(const struct bs_capture *c) {
    char *state = malloc(c->state_size);
    CHECK(state != NULL);
    memcpy(state, (const void *) (uintptr_t) c->state, c->state_size);
    bs_state_retain((uint64_t) (uintptr_t) state);
    return state;
}

static void drop_state(char *state) {
    bs_state_release((uint64_t) (uintptr_t) state);
    free(state);
}

#endif
