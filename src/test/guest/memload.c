// SPDX-License-Identifier: Apache-2.0
//
// Writes to RATE MiB of pages in each second, scattered over the memory: one word in each page, which also counts how
// often that page was written; the count is checked at each write. Writes every 10 ms, and in between sleeps; what it
// could not do in time it does late, so that the number of writes depends on the arguments only.
//
// Prints `memload K s P pages` every second and `result D` at the end.
//
// usage: memload RATE [MIB, 64] [SECONDS, 0: without end] [SEED, 1]
#include "guest.h"

#include <sys/mman.h>

enum { ROUND_NS = 10 * 1000 * 1000, ROUNDS_PER_SECOND = 100, PAGES_PER_MIB = 256 };

/* The last word of a page's own history: its address keeps pages apart. */
static uint64_t stamp(uint64_t page, uint64_t count)
{
    return count ? mix64(page * UINT64_C(0x9e3779b97f4a7c15) + count) : 0;
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "RATE [MIB] [SECONDS] [SEED]");
    uint64_t rate = victim_number(0, 16, 1, 1024 * 1024);
    uint64_t mib = victim_number(1, 64, 1, 1024 * 1024);
    uint64_t seconds = victim_number(2, 0, 0, 1000000000);
    struct rng rng = {.state = victim_number(3, 1, 0, UINT64_MAX)};
    uint64_t page_count = mib * PAGES_PER_MIB;
    uint64_t *memory = mmap(NULL, page_count * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(memory != MAP_FAILED, "memory");
    setvbuf(stdout, NULL, _IOLBF, 0);

    uint64_t digest = DIGEST_START;
    uint64_t pages = 0;
    uint64_t round = 0;
    int64_t next_ns = monotonic_ns();
    while (seconds == 0 || round < seconds * ROUNDS_PER_SECOND) {
        round++;
        for (; pages < round * rate * PAGES_PER_MIB / ROUNDS_PER_SECOND; pages++) {
            uint64_t page = rng_below(&rng, page_count);
            uint64_t *words = memory + page * PAGE_WORDS;
            HOLDS(words[1] == stamp(page, words[0]), "page %" PRIu64 ": %016" PRIx64 " after %" PRIu64 " writes", page,
                  words[1], words[0]);
            words[0]++;
            words[1] = stamp(page, words[0]);
            digest = digest_word(digest, words[1]);
        }
        if (round % ROUNDS_PER_SECOND == 0) {
            printf("memload %" PRIu64 " s %" PRIu64 " pages\n", round / ROUNDS_PER_SECOND, pages);
        }
        next_ns += ROUND_NS;
        struct timespec next = timespec_of_ns(next_ns);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR) {
        }
    }
    printf("result %016" PRIx64 "\n", digest);
    return 0;
}
