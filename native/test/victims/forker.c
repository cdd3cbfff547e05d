// SPDX-License-Identifier: Apache-2.0
//
// Tests: children. fork copies the memory of a process that is being tracked, vfork and posix_spawn lend it.
//
// Now and then starts up to three children by fork, vfork or posix_spawn, which verify what they inherited, compute and
// exit with a code that the parent knows beforehand, and waits for each. A child that inherits the tracking, or is
// stopped or rolled back with its parent, ends in another way or never. The parent's memory must stay as it was.
//
// The parent trusts the kernel for nothing but exit codes: when a rollback goes back to before a wait that was done,
// that child is gone, and ECHILD is tolerated; with --strict it counts as broken, as captures alone must not cause it.
//
// usage: forker SEED STEPS [steps between births, 8] [--strict]    (--child: what posix_spawn executes)
#include "victim.h"

#include <spawn.h>
#include <sys/wait.h>

enum { TABLE_WORDS = 1 << 15, WRITES_PER_STEP = 400000, CHILD_WORDS = 100000, CHILDREN_MAX = 3, BIRTHS = 3 };

static uint64_t table[TABLE_WORDS];
static uint64_t table_sum;
static uint64_t digest = DIGEST_START;
static bool strict;

static int code_of(uint64_t seed)
{
    struct rng rng = {seed};
    uint64_t digest = DIGEST_START;
    for (int i = 0; i < CHILD_WORDS; i++) {
        digest = digest_word(digest, rng_next(&rng));
    }
    return 64 + (int)(digest & 63);
}

static void verify_table(const char *who)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < TABLE_WORDS; i++) {
        sum += table[i];
    }
    CHECK(sum == table_sum, "%s: table sums to %016" PRIx64 ", expected %016" PRIx64, who, sum, table_sum);
}

static pid_t born_by_fork(uint64_t seed)
{
    pid_t child = fork();
    if (child == 0) {
        verify_table("child");
        table_sum = 0;
        memset(table, 0xff, sizeof table);
        _exit(code_of(seed));
    }
    return child;
}

/* Everything that the child needs is ready before it borrows the memory; it only exits. */
__attribute__((noinline)) static pid_t born_by_vfork(int code)
{
    pid_t child = vfork();
    if (child == 0) {
        _exit(code);
    }
    return child;
}

static pid_t born_by_spawn(uint64_t seed)
{
    char name[] = "forker", child_flag[] = "--child", number[32];
    snprintf(number, sizeof number, "%" PRIu64, seed);
    char *arguments[] = {name, number, child_flag, NULL};
    pid_t child;
    errno = posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ);
    return errno ? -1 : child;
}

static void await_child(pid_t child, int code)
{
    int status;
    pid_t ended;
    while ((ended = waitpid(child, &status, 0)) < 0 && errno == EINTR) {
    }
    if (ended < 0 && errno == ECHILD && !strict) {
        return;
    }
    CHECK(ended == child, "waitpid: %s", strerror(errno));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code, "child ended with status %x, expected code %d",
          (unsigned)status, code);
}

static void bear_children(struct rng *rng)
{
    pid_t children[CHILDREN_MAX];
    int codes[CHILDREN_MAX];
    uint64_t count = rng_between(rng, 1, CHILDREN_MAX);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t seed = rng_next(rng);
        codes[i] = code_of(seed);
        switch (rng_below(rng, BIRTHS)) {
        case 0:
            children[i] = born_by_fork(seed);
            break;
        case 1:
            children[i] = born_by_vfork(codes[i]);
            break;
        default:
            children[i] = born_by_spawn(seed);
        }
        CHECK(children[i] > 0, "no child: %s", strerror(errno));
        digest = digest_word(digest, (uint64_t)codes[i]);
    }
    verify_table("parent");
    for (uint64_t i = 0; i < count; i++) {
        await_child(children[i], codes[i]);
    }
    verify_table("parent");
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [STEPS-BETWEEN] [--strict] [--child]");
    struct rng rng = {victim_seed()};
    if (victim_flag("--child")) {
        return code_of(rng.state);
    }
    uint64_t steps = victim_steps();
    uint64_t between = victim_number(2, 8, 1, 1000000);
    strict = victim_flag("--strict");

    for (uint64_t i = 0; i < steps; i++) {
        for (int w = 0; w < WRITES_PER_STEP; w++) {
            uint64_t value = rng_next(&rng);
            uint64_t *word = &table[value % TABLE_WORDS];
            table_sum += value - *word;
            *word = value;
        }
        digest = digest_word(digest, table_sum);
        if ((i + 1) % between == 0) {
            bear_children(&rng);
        }
    }
    verify_table("parent");
    return victim_finish(digest_words(digest, table, TABLE_WORDS));
}
