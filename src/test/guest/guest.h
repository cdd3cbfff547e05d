// SPDX-License-Identifier: Apache-2.0
//
// What the victims inside the guest share beside victim.h: how they tell that what they see cannot be.
#ifndef GUEST_H
#define GUEST_H

#include "victim.h"

#include <fcntl.h>

/* Says what is wrong and takes the whole guest down, so that the host hears of it. */
__attribute__((format(printf, 1, 2))) _Noreturn static inline void inconsistent(const char *format, ...)
{
    char text[512] = "inconsistent: ";
    int used = (int)strlen(text);
    used += snprintf(text + used, sizeof text - (size_t)used, "%s: ", victim.name);
    va_list arguments;
    va_start(arguments, format);
    used += vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    va_end(arguments);
    size_t length = (size_t)used < sizeof text - 1 ? (size_t)used : sizeof text - 2;
    text[length++] = '\n';
    int trigger = open("/proc/sysrq-trigger", O_WRONLY);
    if (write(STDOUT_FILENO, text, length) < 0 || trigger < 0 || write(trigger, "c", 1) < 0) {
        _exit(1);
    }
    _exit(1);
}

/* What must hold as long as memory, processor and disk are right; the rest is a printf message. */
#define HOLDS(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0)) {                                                                       \
            inconsistent(__VA_ARGS__);                                                                                 \
        }                                                                                                              \
    } while (0)

/* A system call that must succeed. */
#define HOLDS_CALL(call) HOLDS((call) != -1, "%s: %s", #call, strerror(errno))

static inline void write_all(int fd, const void *bytes, size_t length, off_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = pwrite(fd, (const char *)bytes + done, length - done, offset + (off_t)done);
        HOLDS(count > 0 || (count < 0 && errno == EINTR), "pwrite: %s", strerror(errno));
        done += count > 0 ? (size_t)count : 0;
    }
}

static inline void read_all(int fd, void *bytes, size_t length, off_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = pread(fd, (char *)bytes + done, length - done, offset + (off_t)done);
        HOLDS(count > 0 || (count < 0 && errno == EINTR), "pread: %s", count ? strerror(errno) : "file too short");
        done += count > 0 ? (size_t)count : 0;
    }
}

#endif
