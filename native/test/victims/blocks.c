// SPDX-License-Identifier: Apache-2.0
//
// Tests: memory that is worth huge pages. Of some blocks of 2 MiB a few are hot for a while: most of their pages are
// written in each step. Between steps parts of blocks are given back, made read-only, moved away and back, shared with
// a child by fork; and blocks cool down and others get hot. A kernel puts such blocks together and takes them apart at
// any of these. Each page has a seed kept elsewhere, of which all its words are made, and is verified at later visits.
// Where disturbances are far apart the others lie quiet.
//
// usage: blocks SEED STEPS [HOT, steps at most, 300] [APART, steps between disturbances, 16] [--forks]
#include "victim.h"

#include <sys/mman.h>
#include <sys/wait.h>

enum { BLOCKS = 8, BLOCK_PAGES = 512, PAGES = BLOCKS * BLOCK_PAGES, RUN_MAX = 96 };
enum { VISITS_PER_STEP = 200, WRITES_PER_STEP = 3000 };

#define ARENA_ADDRESS UINT64_C(0x200000000000)
#define ASIDE_ADDRESS UINT64_C(0x210000000000)

static uint64_t seeds[PAGES]; /* 0: never written since it had no content */
static bool read_only[PAGES];
static struct rng rng;
static uint64_t digest = DIGEST_START;

static char *at(size_t page)
{
    return (char *)ARENA_ADDRESS + page * PAGE_BYTES;
}

static uint64_t word_of(size_t page, size_t index)
{
    return seeds[page] ? seeds[page] + index * UINT64_C(0x9e3779b97f4a7c15) : 0;
}

static void write_page(size_t page)
{
    if (read_only[page]) {
        return;
    }
    seeds[page] = rng_next(&rng) | 1;
    uint64_t *words = (uint64_t *)at(page);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        words[i] = word_of(page, i);
    }
}

static void verify(size_t page)
{
    const volatile uint64_t *words = (const volatile uint64_t *)at(page);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        uint64_t found = words[i];
        uint64_t expected = word_of(page, i);
        CHECK(found == expected, "page %zu word %zu: found %016" PRIx64 ", expected %016" PRIx64, page, i, found,
              expected);
    }
}

static void give_back(size_t first, size_t count)
{
    CHECK_CALL(madvise(at(first), count * PAGE_BYTES, MADV_DONTNEED));
    memset(seeds + first, 0, count * sizeof *seeds);
}

static void protect(size_t first, size_t count)
{
    bool off = rng_below(&rng, 2) == 0;
    CHECK_CALL(mprotect(at(first), count * PAGE_BYTES, off ? PROT_READ : PROT_READ | PROT_WRITE));
    for (size_t i = first; i < first + count; i++) {
        read_only[i] = off;
    }
}

static void move_there_and_back(size_t first, size_t count)
{
    char *aside = (char *)ASIDE_ADDRESS;
    for (size_t i = 0; i < count; i++) { /* one by one: a call over several mappings fails */
        void *moved = mremap(at(first + i), PAGE_BYTES, PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, aside);
        CHECK(moved == aside, "mremap of page %zu: %s", first + i, strerror(errno));
        moved = mremap(aside, PAGE_BYTES, PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, at(first + i));
        CHECK(moved == at(first + i), "mremap of page %zu back: %s", first + i, strerror(errno));
    }
}

static void share_for_a_moment(size_t first, size_t count)
{
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0, "fork: %s", strerror(errno));
    if (child == 0) {
        for (size_t i = first; i < first + count; i++) {
            write_page(i);
            verify(i);
        }
        _exit(0);
    }
    for (size_t i = first; i < first + count; i++) {
        write_page(i);
    }
    int status;
    while (waitpid(child, &status, 0) < 0) {
        CHECK(errno == EINTR, "waitpid: %s", strerror(errno));
    }
    CHECK(status == 0, "the child ended with %x", (unsigned)status);
}

static void disturb(bool forks)
{
    size_t first = rng_below(&rng, PAGES), count = rng_between(&rng, 1, RUN_MAX);
    count = count < PAGES - first ? count : PAGES - first;
    switch (rng_below(&rng, forks ? 6 : 5)) {
    case 0:
        give_back(first, count);
        break;
    case 1:
    case 2:
        protect(first, count);
        break;
    case 3:
    case 4:
        move_there_and_back(first, count < 4 ? count : 4);
        break;
    default:
        share_for_a_moment(first, count); /* --forks */
    }
}

/* Of the hot blocks, one after the other, most pages in a random order. */
static void step(size_t hot, size_t hot_count)
{
    for (int i = 0; i < WRITES_PER_STEP; i++) {
        write_page((hot * BLOCK_PAGES + rng_below(&rng, hot_count * BLOCK_PAGES)) % PAGES);
    }
    for (int i = 0; i < VISITS_PER_STEP; i++) {
        size_t page = rng_below(&rng, PAGES);
        verify(page);
        digest = digest_word(digest, seeds[page]);
    }
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [HOT] [APART] [--forks]");
    rng.state = victim_seed();
    uint64_t steps = victim_steps();
    uint64_t hot_most = victim_number(2, 300, 1, 1000000);
    uint64_t apart = victim_number(3, 16, 1, 1000000);
    bool forks = victim_flag("--forks");
    void *arena = mmap((void *)ARENA_ADDRESS, (size_t)PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    NEED(arena == (void *)ARENA_ADDRESS, "mmap");
    for (size_t i = 0; i < PAGES; i++) {
        write_page(i);
    }
    size_t hot = 0, hot_count = 1;
    for (uint64_t i = 0, until = 0; i < steps; i++) {
        if (i == until) {
            hot = rng_below(&rng, BLOCKS);
            hot_count = rng_between(&rng, 1, 3);
            until = i + rng_between(&rng, 1, hot_most);
        }
        step(hot, hot_count);
        if (rng_below(&rng, apart) == 0) {
            disturb(forks);
        }
    }
    for (size_t i = 0; i < PAGES; i++) {
        verify(i);
        digest = digest_word(digest, seeds[i]);
    }
    return victim_finish(digest);
}
