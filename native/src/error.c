// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[512] = "no error";

int bs_fail_errno(const char *format, ...) {
    int number = errno;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t) length < sizeof last_error) {
        const char *name = strerrorname_np(number);
        snprintf(last_error + length, sizeof last_error - (size_t) length, ": %s (%s)", name ? name : "?",
                 strerror(number));
    }
    return number == 0 ? -EIO : -number;
}

int bs_fail(int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return code;
}

const char *bs_last_error(void) {
    return last_error;
}

uint32_t bs_abi_version(void) {
    return BS_ABI_VERSION;
}

uint32_t bs_struct_size(uint32_t index) {
    switch (index) {
        case 0: return sizeof(struct bs_host);
        case 1: return sizeof(struct bs_event);
        case 2: return sizeof(struct bs_capture);
        case 3: return sizeof(struct bs_restore);
        case 4: return sizeof(struct bs_restore_pages);
        case 5: return sizeof(struct bs_program);
        case 6: return sizeof(struct bs_saved);
        default: return 0;
    }
}

_Static_assert(sizeof(struct bs_range) == 16, "two page numbers");
_Static_assert(sizeof(struct bs_event) == 6 * 8, "six words");
_Static_assert(sizeof(struct bs_capture) == 29 * 8, "29 words");
_Static_assert(sizeof(struct bs_restore) == 6 * 8, "six words");
_Static_assert(sizeof(struct bs_restore_pages) == 5 * 8, "five words");
_Static_assert(sizeof(struct bs_program) == 7 * 8, "seven words");
_Static_assert(sizeof(struct bs_saved) == 8 * 8, "eight words");
_Static_assert(sizeof(struct bs_host) == 11 * 8, "eleven words");
