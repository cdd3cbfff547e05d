// SPDX-License-Identifier: Apache-2.0
//
// Tests: the races of tracking. Maps, unmaps, moves, gives back, reads and writes pages of a small arena as fast as it
// can, so that each stop meets some of it half done.
//
// It does not verify itself, for that would take most of its time: whoever tracks it compares. It ends by being killed.
//
// usage: shuffle SEED
#include "victim.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { ARENA_PAGES = 256, RUN_MAX = 16, FILE_RUN_MAX = 4, MOVE_MAX = 3 };
enum { HOLE = -1 };

#define ARENA_ADDRESS UINT64_C(0x200000000000)

static int protections[ARENA_PAGES];
static struct rng rng;
static int file;

static char *at(size_t page)
{
    return (char *)ARENA_ADDRESS + page * PAGE_BYTES;
}

static bool all_mapped(size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        if (protections[i] == HOLE) {
            return false;
        }
    }
    return true;
}

static void set(size_t first, size_t count, int protection)
{
    for (size_t i = first; i < first + count; i++) {
        protections[i] = protection;
    }
}

static void map(size_t first, size_t count, int flags, int descriptor)
{
    int protection = PROT_READ | PROT_WRITE;
    char *mapped = mmap(at(first), count * PAGE_BYTES, protection, MAP_PRIVATE | MAP_FIXED | flags, descriptor, 0);
    CHECK(mapped == at(first), "mmap of %zu pages: %s", count, strerror(errno));
    set(first, count, protection);
}

/* One by one: a call over several mappings fails. */
static void move(size_t first, size_t count)
{
    size_t to = rng_below(&rng, ARENA_PAGES - MOVE_MAX);
    if (to < first + count && first < to + count) {
        return;
    }
    for (size_t i = 0; i < count && protections[first + i] != HOLE; i++) {
        void *moved = mremap(at(first + i), PAGE_BYTES, PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, at(to + i));
        CHECK(moved == at(to + i), "mremap of a page: %s", strerror(errno));
        protections[to + i] = protections[first + i];
        protections[first + i] = HOLE;
    }
}

static void protect(size_t first, size_t count)
{
    int protection = rng_below(&rng, 2) == 0 ? PROT_READ : PROT_READ | PROT_WRITE;
    CHECK_CALL(mprotect(at(first), count * PAGE_BYTES, protection));
    set(first, count, protection);
}

static void touch(size_t first, size_t count, bool write)
{
    static uint64_t number;
    for (size_t i = first; i < first + count; i++) {
        volatile uint64_t *words = (volatile uint64_t *)at(i);
        if (write && protections[i] == (PROT_READ | PROT_WRITE) && rng_below(&rng, 2) == 0) {
            words[rng_below(&rng, PAGE_WORDS)] = ++number;
        } else if (!write && protections[i] != HOLE) {
            (void)words[0];
        }
    }
}

static void operate(void)
{
    size_t first = rng_below(&rng, ARENA_PAGES);
    size_t most = ARENA_PAGES - first, count = rng_between(&rng, 1, RUN_MAX);
    count = count < most ? count : most;
    uint64_t choice = rng_below(&rng, 24);
    if (choice < 2) {
        map(first, count, MAP_ANONYMOUS, -1);
    } else if (choice < 5) {
        map(first, count < FILE_RUN_MAX ? count : FILE_RUN_MAX, 0, file);
    } else if (choice < 6) {
        CHECK_CALL(munmap(at(first), count * PAGE_BYTES));
        set(first, count, HOLE);
    } else if (choice < 9) {
        move(first, count < MOVE_MAX ? count : MOVE_MAX);
    } else if (choice < 18) {
        touch(first, count, choice < 15);
    } else if (all_mapped(first, count) && choice < 22) {
        CHECK_CALL(madvise(at(first), count * PAGE_BYTES, MADV_DONTNEED));
    } else if (all_mapped(first, count)) {
        protect(first, count);
    }
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED");
    rng.state = victim_seed();
    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    NEED(file >= 0, "its own executable");
    set(0, ARENA_PAGES, HOLE);
    for (;;) {
        operate();
    }
}
