// SPDX-License-Identifier: Apache-2.0
//
// What all victims share: arguments, seeded numbers, digests, and how a broken invariant is told.
//
// A victim is a program that verifies itself while it is frozen, broken and rolled back. Its standard output is a pure
// function of its arguments. It exits with 0 when every invariant held, with 1 when one was broken (--abort: it calls
// abort() instead, so that a detector sees it), with 2 when it could not start. It trusts private memory, registers,
// the layout of its mappings, and the offsets and lengths of regular files; never a clock, a pid or an address.
//
// Every victim takes SEED and STEPS first unless its own comment says otherwise; a step is about a millisecond.
// Include this file before any other: it asks for the GNU interfaces.
#ifndef VICTIM_H
#define VICTIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, PAGE_WORDS = PAGE_BYTES / 8 };

// ---- arguments ----

enum { VICTIM_WORDS_MAX = 16 };

static struct {
    const char *name;
    const char *usage;
    const char *words[VICTIM_WORDS_MAX];
    size_t word_count;
    const char *flags[VICTIM_WORDS_MAX];
    size_t flag_count;
    bool abort_when_broken;
} victim;

_Noreturn static inline void victim_usage(const char *complaint)
{
    fprintf(stderr, "%s: %s\nusage: %s [--abort] %s\n", victim.name, complaint, victim.name, victim.usage);
    exit(2);
}

/* Sorts the arguments into words and flags; a flag is known when the usage line names it. */
static inline void victim_start(int argc, char **argv, const char *usage)
{
    const char *slash = strrchr(argv[0], '/');
    victim.name = slash ? slash + 1 : argv[0];
    victim.usage = usage;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--abort") == 0) {
            victim.abort_when_broken = true;
        } else if (strncmp(argv[i], "--", 2) == 0) {
            if (!strstr(usage, argv[i]) || victim.flag_count == VICTIM_WORDS_MAX) {
                victim_usage("unknown option");
            }
            victim.flags[victim.flag_count++] = argv[i];
        } else {
            if (victim.word_count == VICTIM_WORDS_MAX) {
                victim_usage("too many arguments");
            }
            victim.words[victim.word_count++] = argv[i];
        }
    }
}

static inline bool victim_flag(const char *flag)
{
    for (size_t i = 0; i < victim.flag_count; i++) {
        if (strcmp(victim.flags[i], flag) == 0) {
            return true;
        }
    }
    return false;
}

static inline const char *victim_word(size_t index, const char *fallback)
{
    return index < victim.word_count ? victim.words[index] : fallback;
}

static inline uint64_t victim_number(size_t index, uint64_t fallback, uint64_t least, uint64_t most)
{
    if (index >= victim.word_count) {
        return fallback;
    }
    char *end;
    errno = 0;
    uint64_t number = strtoull(victim.words[index], &end, 0);
    if (errno || *end || end == victim.words[index] || number < least || number > most) {
        victim_usage("a number is malformed or out of range");
    }
    return number;
}

static inline uint64_t victim_seed(void)
{
    return victim_number(0, 1, 0, UINT64_MAX);
}

static inline uint64_t victim_steps(void)
{
    return victim_number(1, 1000, 0, 1000000000);
}

// ---- verdicts ----

/* A broken invariant: says what was wrong and ends the process. Callable from any thread and from a signal handler. */
__attribute__((format(printf, 2, 3))) _Noreturn static inline void victim_broken(int line, const char *format, ...)
{
    char text[512];
    int used = snprintf(text, sizeof text, "%s: broken (line %d): ", victim.name, line);
    va_list arguments;
    va_start(arguments, format);
    used += vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    va_end(arguments);
    size_t length = (size_t)used < sizeof text - 1 ? (size_t)used : sizeof text - 2;
    text[length++] = '\n';
    if (write(STDERR_FILENO, text, length) < 0) {
        _exit(1);
    }
    if (victim.abort_when_broken) {
        abort();
    }
    _exit(1);
}

/* The invariant must hold; the rest is a printf message that says what was found. */
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0)) {                                                                       \
            victim_broken(__LINE__, __VA_ARGS__);                                                                      \
        }                                                                                                              \
    } while (0)

/* A system call that must succeed while running; names itself and its errno. */
#define CHECK_CALL(call) CHECK((call) != -1, "%s: %s", #call, strerror(errno))

/* What the victim needs before it can start; exits with 2. */
#define NEED(condition, what)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s: cannot start: %s: %s\n", victim.name, (what), strerror(errno));                       \
            exit(2);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The last line of standard output; returns main's exit status. */
static inline int victim_finish(uint64_t digest)
{
    printf("%s:", victim.name);
    for (size_t i = 0; i < victim.word_count; i++) {
        if (!strchr(victim.words[i], '/')) {
            printf(" %s", victim.words[i]);
        }
    }
    printf(" digest %016" PRIx64 "\n", digest);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "%s: standard output: %s\n", victim.name, strerror(errno));
        return 2;
    }
    return 0;
}

// ---- seeded numbers and digests ----

struct rng {
    uint64_t state;
};

static inline uint64_t mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* splitmix64 */
static inline uint64_t rng_next(struct rng *rng)
{
    return mix64(rng->state += UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return rng_next(rng) % bound;
}

static inline uint64_t rng_between(struct rng *rng, uint64_t least, uint64_t most)
{
    return least + rng_below(rng, most - least + 1);
}

/* Between 2^least and 2^most, each magnitude as likely as the next. */
static inline uint64_t rng_magnitude(struct rng *rng, unsigned least, unsigned most)
{
    uint64_t base = UINT64_C(1) << rng_between(rng, least, most - 1);
    return base + rng_below(rng, base + 1);
}

#define DIGEST_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a, a 64-bit word at a time, folded so that high bits reach low ones. */
static inline uint64_t digest_word(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * UINT64_C(0x100000001b3);
    return digest ^ (digest >> 29);
}

static inline uint64_t digest_words(uint64_t digest, const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        digest = digest_word(digest, words[i]);
    }
    return digest;
}

/* FNV-1a */
static inline uint64_t digest_bytes(uint64_t digest, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++) {
        digest = (digest ^ byte[i]) * UINT64_C(0x100000001b3);
    }
    return digest;
}

// ---- time: to pace and to judge a wait, never to print ----

static inline int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline struct timespec timespec_of_ns(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

#endif
