// SPDX-License-Identifier: Apache-2.0
//
// Tests: threads that end, or appear, between a checkpoint and the rollback to it.
//
// Each step starts some threads, which compute on memory of their own and check thread-local memory, joins them, and
// then computes alone for a while. A rollback across the end of a thread must bring the thread back, or refuse and
// take a checkpoint at which the same threads lived; if it merely restores memory, the join waits for ever, and a
// thread that was born since goes on in memory that no longer knows it.
//
// usage: churn SEED STEPS [threads per step, 4]
#include "victim.h"

#include <pthread.h>

enum { THREADS_MAX = 64, BLOCK_WORDS = 2048, PASSES = 6, ALONE_PASSES = 40, TABLE_WORDS = 8192 };

struct job {
    pthread_t thread;
    uint64_t seed;
    uint64_t result;
};

static __thread uint64_t local_seed;
static uint64_t table[TABLE_WORDS];
static uint64_t table_seal;

static uint64_t scramble(uint64_t *words, size_t count, uint64_t seed)
{
    struct rng rng = {seed};
    for (size_t i = 0; i < count; i++) {
        words[i] = rng_next(&rng);
    }
    return digest_words(seed, words, count);
}

static void *run_job(void *argument)
{
    struct job *job = argument;
    CHECK(local_seed == 0, "a new thread found %016" PRIx64 " in its thread-local memory", local_seed);
    local_seed = job->seed;
    uint64_t *block = malloc(BLOCK_WORDS * 8);
    CHECK(block, "malloc");
    uint64_t digest = DIGEST_START;
    for (unsigned pass = 0; pass < PASSES; pass++) {
        uint64_t seal = scramble(block, BLOCK_WORDS, job->seed + pass);
        uint64_t found = digest_words(job->seed + pass, block, BLOCK_WORDS);
        CHECK(found == seal, "a thread's block: digest %016" PRIx64 ", expected %016" PRIx64, found, seal);
        digest = digest_word(digest, seal);
    }
    CHECK(local_seed == job->seed, "thread-local memory holds %016" PRIx64 ", expected %016" PRIx64, local_seed,
          job->seed);
    free(block);
    job->result = digest;
    return job;
}

static void compute_alone(struct rng *rng)
{
    for (int i = 0; i < ALONE_PASSES; i++) {
        uint64_t found = digest_words(DIGEST_START, table, TABLE_WORDS);
        CHECK(found == table_seal, "table: digest %016" PRIx64 ", expected %016" PRIx64, found, table_seal);
        table[rng_below(rng, TABLE_WORDS)] = rng_next(rng);
        table_seal = digest_words(DIGEST_START, table, TABLE_WORDS);
    }
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [THREADS]");
    struct rng rng = {victim_seed()};
    uint64_t steps = victim_steps();
    unsigned thread_count = (unsigned)victim_number(2, 4, 1, THREADS_MAX);
    table_seal = digest_words(DIGEST_START, table, TABLE_WORDS);
    uint64_t digest = DIGEST_START;

    for (uint64_t i = 0; i < steps; i++) {
        struct job jobs[THREADS_MAX];
        for (unsigned t = 0; t < thread_count; t++) {
            jobs[t] = (struct job){.seed = rng_next(&rng)};
            int error = pthread_create(&jobs[t].thread, NULL, run_job, &jobs[t]);
            CHECK(error == 0, "pthread_create: %s", strerror(error));
        }
        for (unsigned t = 0; t < thread_count; t++) {
            void *returned;
            int error = pthread_join(jobs[t].thread, &returned);
            CHECK(error == 0 && returned == &jobs[t], "pthread_join: %s", strerror(error));
            digest = digest_word(digest, jobs[t].result);
        }
        compute_alone(&rng);
        digest = digest_word(digest, table_seal);
    }
    return victim_finish(digest);
}
