// SPDX-License-Identifier: Apache-2.0
/* Random numbers of a test, which a seed repeats. */
#ifndef BS_RANDOM_H
#define BS_RANDOM_H

#include <stdint.h>

static uint64_t seed;

/* SplitMix64 (Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014). */
static uint64_t next_random(void) {
    uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

#endif
