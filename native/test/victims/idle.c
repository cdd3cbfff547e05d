// SPDX-License-Identifier: Apache-2.0
//
// Tests: the price of a capture when nothing is dirty: the fixed part of a pause, and of a scan over much memory.
//
// Fills MIB of anonymous memory, sleeps in one blocking call after another for SECONDS while writing next to nothing,
// and verifies the memory at the end. A capture that takes clean pages for dirty shows in its numbers, and one that
// disturbs them, here.
//
// usage: idle MIB SECONDS
#include "victim.h"

#include <sys/mman.h>

enum { NAP_NS = 100000000 };

int main(int argc, char **argv)
{
    victim_start(argc, argv, "MIB SECONDS");
    uint64_t words = victim_number(0, 64, 1, 1 << 20) << 17;
    uint64_t seconds = victim_number(1, 1, 0, 1000000);

    uint64_t *memory = mmap(NULL, words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(memory != MAP_FAILED, "mmap");
    for (uint64_t i = 0; i < words; i++) {
        memory[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    }

    int64_t end_ns = monotonic_ns() + (int64_t)seconds * 1000000000;
    for (int64_t now_ns; (now_ns = monotonic_ns()) < end_ns;) {
        int64_t left_ns = end_ns - now_ns;
        struct timespec nap = timespec_of_ns(left_ns < NAP_NS ? left_ns : NAP_NS);
        nanosleep(&nap, NULL);
    }

    for (uint64_t i = 0; i < words; i++) {
        CHECK(memory[i] == i * UINT64_C(0x9e3779b97f4a7c15), "word %" PRIu64 " holds %016" PRIx64, i, memory[i]);
    }
    return victim_finish(digest_words(DIGEST_START, memory, words));
}
