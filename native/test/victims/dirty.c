// SPDX-License-Identifier: Apache-2.0
//
// Tests: the price of a capture against the number of dirty pages, and that each of those pages is put back. Also the
// price against what is not written: resident memory, mappings and threads.
//
// Writes exactly PAGES pages per round, one word in each (--whole: all of it), and starts a round every MS milliseconds
// (0: at once). Writes next to nothing else, so a capture finds what the arguments say:
//
//   random      anywhere; some pages may be written twice in a round
//   sequential  a window that moves through the memory and wraps
//   hot         the same pages in every round
//
// A page carries how often it was written and a word made from that, checked at each write; at the end the counts
// are compared with those of a second pass over the same plan. A page that is not rolled back has a count too high.
//
// Only the first WINDOW MIB of the memory are written. Beside it there are MAPPINGS of one page each, none next to
// another, and so many threads that there are THREADS; these sleep.
//
// usage: dirty MIB PAGES MS ROUNDS [random | sequential | hot] [SEED, 1] [WINDOW, MIB] [MAPPINGS, 0] [THREADS, 1]
//        [--whole]
#include "victim.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

enum { THREADS_MAX = 256 };

struct plan {
    struct rng rng;
    char pattern;
    uint64_t next;
    uint64_t pages;
    uint64_t hot_stride;
};

static uint64_t next_page(struct plan *plan, uint64_t index_in_round)
{
    switch (plan->pattern) {
    case 'r':
        return rng_below(&plan->rng, plan->pages);
    case 's':
        plan->next = plan->next + 1 < plan->pages ? plan->next + 1 : 0;
        return plan->next;
    default:
        return index_in_round * plan->hot_stride % plan->pages;
    }
}

/* The words of a page that was written so many times; the first of them is the count itself. */
static uint64_t word_of(uint64_t page, uint64_t count, uint64_t index)
{
    if (count == 0) {
        return page * index;
    }
    return index == 0 ? count : mix64(page ^ count << 32) + index;
}

static void write_page(uint64_t *words, uint64_t page, bool whole)
{
    uint64_t count = words[0];
    CHECK(words[1] == word_of(page, count, 1), "page %" PRIu64 ", written %" PRIu64 " times, holds %016" PRIx64, page,
          count, words[1]);
    uint64_t end = whole ? PAGE_WORDS : 2;
    for (uint64_t i = 0; i < end; i++) {
        words[i] = word_of(page, count + 1, i);
    }
}

static void pace(int64_t *next_ns, int64_t round_ns)
{
    int64_t now_ns = monotonic_ns();
    *next_ns += round_ns;
    if (*next_ns <= now_ns) {
        *next_ns = now_ns;
        return;
    }
    struct timespec deadline = timespec_of_ns(*next_ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR) {
    }
}

/* Every second page of a range, each a mapping of its own. */
static uint64_t *map_singly(uint64_t count)
{
    uint64_t *memory =
        mmap(NULL, (2 * count + 1) * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(memory != MAP_FAILED, "mmap");
    for (uint64_t i = 0; i < count; i++) {
        NEED(munmap(memory + 2 * i * PAGE_WORDS, PAGE_BYTES) == 0, "munmap");
        memory[(2 * i + 1) * PAGE_WORDS] = mix64(i);
    }
    NEED(munmap(memory + 2 * count * PAGE_WORDS, PAGE_BYTES) == 0, "munmap");
    return memory;
}

static sem_t end_of_sleep;

static void *sleep_to_the_end(void *none)
{
    while (sem_wait(&end_of_sleep) != 0) {
        CHECK(errno == EINTR, "sem_wait: %s", strerror(errno));
    }
    return none;
}

static void start_sleepers(pthread_t *sleepers, uint64_t count)
{
    pthread_attr_t small;
    NEED(sem_init(&end_of_sleep, 0, 0) == 0, "sem_init");
    NEED(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 1 << 16) == 0, "pthread_attr");
    for (uint64_t i = 0; i < count; i++) {
        NEED(pthread_create(&sleepers[i], &small, sleep_to_the_end, NULL) == 0, "pthread_create");
    }
}

static void join_sleepers(const pthread_t *sleepers, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        CHECK_CALL(sem_post(&end_of_sleep));
    }
    for (uint64_t i = 0; i < count; i++) {
        CHECK(pthread_join(sleepers[i], NULL) == 0, "pthread_join of sleeper %" PRIu64, i);
    }
}

int main(int argc, char **argv)
{
    victim_start(argc, argv,
                 "MIB PAGES MS ROUNDS [random|sequential|hot] [SEED] [WINDOW] [MAPPINGS] [THREADS] [--whole]");
    uint64_t pages = victim_number(0, 64, 1, 1 << 20) * 256;
    uint64_t pages_per_round = victim_number(1, 100, 0, UINT32_MAX);
    int64_t round_ns = (int64_t)victim_number(2, 10, 0, 1000000) * 1000000;
    uint64_t rounds = victim_number(3, 100, 0, 1000000000);
    const char *pattern = victim_word(4, "random");
    uint64_t seed = victim_number(5, 1, 0, UINT64_MAX);
    uint64_t window = victim_number(6, pages / 256, 1, pages / 256) * 256;
    uint64_t singles = victim_number(7, 0, 0, 60000);
    uint64_t sleeper_count = victim_number(8, 1, 1, THREADS_MAX) - 1;
    bool whole = victim_flag("--whole");
    if (strcmp(pattern, "random") != 0 && strcmp(pattern, "sequential") != 0 && strcmp(pattern, "hot") != 0) {
        victim_usage("no such pattern");
    }
    uint64_t stride = pages_per_round > 0 && pages_per_round < window ? window / pages_per_round : 1;
    const struct plan start = {.rng = {seed}, .pattern = pattern[0], .pages = window, .hot_stride = stride};

    uint64_t *memory = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(memory != MAP_FAILED, "mmap");
    for (uint64_t page = 0; page < pages; page++) {
        for (uint64_t i = 0; i < PAGE_WORDS; i++) {
            memory[page * PAGE_WORDS + i] = word_of(page, 0, i);
        }
    }
    const uint64_t *single = map_singly(singles);
    pthread_t sleepers[THREADS_MAX];
    start_sleepers(sleepers, sleeper_count);

    struct plan plan = start;
    int64_t next_ns = monotonic_ns();
    for (uint64_t round = 0; round < rounds; round++) {
        for (uint64_t i = 0; i < pages_per_round; i++) {
            uint64_t page = next_page(&plan, i);
            write_page(memory + page * PAGE_WORDS, page, whole);
        }
        if (round_ns > 0) {
            pace(&next_ns, round_ns);
        }
    }

    uint64_t *counts = calloc(pages, sizeof *counts);
    CHECK(counts, "calloc of %" PRIu64 " counts", pages);
    plan = start;
    for (uint64_t round = 0; round < rounds; round++) {
        for (uint64_t i = 0; i < pages_per_round; i++) {
            counts[next_page(&plan, i)]++;
        }
    }
    uint64_t digest = DIGEST_START;
    for (uint64_t page = 0; page < pages; page++) {
        const uint64_t *words = memory + page * PAGE_WORDS;
        for (uint64_t i = 0; i < PAGE_WORDS; i++) {
            uint64_t expected = word_of(page, i < 2 || whole ? counts[page] : 0, i);
            CHECK(words[i] == expected, "page %" PRIu64 " word %" PRIu64 " holds %016" PRIx64 ", expected %016" PRIx64,
                  page, i, words[i], expected);
        }
        digest = digest_word(digest, words[0] + words[1]);
    }
    free(counts);
    join_sleepers(sleepers, sleeper_count);
    for (uint64_t i = 0; i < singles; i++) {
        uint64_t word = single[(2 * i + 1) * PAGE_WORDS];
        CHECK(word == mix64(i), "mapping %" PRIu64 " holds %016" PRIx64, i, word);
    }
    return victim_finish(digest);
}
