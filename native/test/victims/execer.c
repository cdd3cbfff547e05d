// SPDX-License-Identifier: Apache-2.0
//
// Tests: execve, which replaces the memory, the layout and all threads but one of a process that is being followed.
//
// Computes for a third of its steps, prints a line and executes itself for the next stage, three stages in all; the
// digest travels in the arguments. A rollback to a checkpoint of the program before the exec would write its pages into
// the one after it: those checkpoints have to be dropped. With `thread` a second thread makes the call, so that the
// process continues under its leader's id while that thread's disappears.
//
// usage: execer SEED STEPS [main | thread]    (STAGE and DIGEST follow when it executes itself)
#include "victim.h"

#include <pthread.h>

enum { STAGES = 3, BLOCK_WORDS = 1 << 16, WORDS_PER_STEP = 3 << 18 };

static char **next_arguments;

static void *exec_next(void *unused)
{
    (void)unused;
    execv("/proc/self/exe", next_arguments);
    CHECK(false, "execv: %s", strerror(errno));
    return NULL;
}

static uint64_t compute(uint64_t seed, uint64_t steps)
{
    uint64_t *words = calloc(BLOCK_WORDS, 8);
    CHECK(words, "calloc");
    struct rng rng = {seed};
    uint64_t sum = 0, digest = DIGEST_START;
    for (uint64_t i = 0; i < steps; i++) {
        for (int w = 0; w < WORDS_PER_STEP; w++) {
            uint64_t value = rng_next(&rng);
            uint64_t *word = &words[value % BLOCK_WORDS];
            sum += value - *word;
            *word = value;
        }
        uint64_t found = 0;
        for (int w = 0; w < BLOCK_WORDS; w++) {
            found += words[w];
        }
        CHECK(found == sum, "block sums to %016" PRIx64 ", expected %016" PRIx64, found, sum);
        digest = digest_word(digest, found);
    }
    digest = digest_words(digest, words, BLOCK_WORDS);
    free(words);
    return digest;
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [main|thread] [STAGE DIGEST]");
    uint64_t seed = victim_seed();
    uint64_t steps = victim_steps();
    const char *caller = victim_word(2, "main");
    uint64_t stage = victim_number(3, 1, 1, STAGES);
    uint64_t carried = victim_number(4, DIGEST_START, 0, UINT64_MAX);
    bool from_thread = strcmp(caller, "thread") == 0;
    if (!from_thread && strcmp(caller, "main") != 0) {
        victim_usage("neither main nor thread");
    }

    carried = digest_word(carried, compute(seed ^ stage << 56, steps / STAGES + (stage <= steps % STAGES)));
    if (stage == STAGES) {
        victim.word_count = victim.word_count < 3 ? victim.word_count : 3;
        return victim_finish(carried);
    }
    printf("execer: stage %" PRIu64 " done, digest %016" PRIx64 "\n", stage, carried);
    fflush(stdout);

    char numbers[4][32];
    snprintf(numbers[0], sizeof numbers[0], "%" PRIu64, seed);
    snprintf(numbers[1], sizeof numbers[1], "%" PRIu64, steps);
    snprintf(numbers[2], sizeof numbers[2], "%" PRIu64, stage + 1);
    snprintf(numbers[3], sizeof numbers[3], "%" PRIu64, carried);
    char how[8];
    snprintf(how, sizeof how, "%s", from_thread ? "thread" : "main");
    char *arguments[] = {argv[0], numbers[0], numbers[1], how, numbers[2], numbers[3],
                         victim.abort_when_broken ? "--abort" : NULL, NULL};
    next_arguments = arguments;
    if (!from_thread) {
        exec_next(NULL);
    }
    pthread_t thread;
    int error = pthread_create(&thread, NULL, exec_next, NULL);
    CHECK(error == 0, "pthread_create: %s", strerror(error));
    pthread_join(thread, NULL);
    CHECK(false, "the thread that was to execute has ended");
}
