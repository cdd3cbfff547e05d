// SPDX-License-Identifier: Apache-2.0
/* Sets of page ranges against plain bitmaps, with random content. usage: test_vector [IGNORED] [SEED] */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "random.h"
#include "test.h"
#include "vector.h"

#define PAGES 200
#define ROUNDS 20000


static void fill(struct bs_vector *ranges, char *map) {
    ranges->size = 0;
    memset(map, 0, PAGES);
    for (uint64_t at = next_random() % 20; at < PAGES;) {
        uint64_t end = at + 1 + next_random() % 15;
        end = end < PAGES ? end : PAGES;
        CHECK_OK(bs_ranges_add(ranges, at, end));
        memset(map + at, 1, end - at);
        at = end + next_random() % 20; /* sometimes a neighbour */
    }
}

static void compare(const struct bs_vector *ranges, const char *map) {
    char got[PAGES] = {0};
    for (size_t i = 0; i < bs_ranges_count(ranges); i++) {
        const struct bs_range *range = bs_ranges_at(ranges, i);
        CHECK(range->first < range->end && range->end <= PAGES);
        CHECK(i == 0 || bs_ranges_at(ranges, i - 1)->end < range->first);
        memset(got + range->first, 1, range->end - range->first);
    }
    CHECK(memcmp(got, map, PAGES) == 0);
}

/* Asked for pages and stretches of pages in ascending order. */
static void ask(const struct bs_vector *ranges, const char *map) {
    size_t page_cursor = 0, any_cursor = 0;
    for (uint64_t page = next_random() % 3; page < PAGES; page += 1 + next_random() % 4) {
        uint64_t end = page + 1 + next_random() % (PAGES - page);
        CHECK(bs_ranges_have(ranges, page, &page_cursor) == (map[page] != 0));
        CHECK(bs_ranges_have_any(ranges, page, end, &any_cursor) == (memchr(map + page, 1, end - page) != NULL));
    }
}

static void add_in_any_order(struct bs_vector *ranges) {
    char expected[PAGES] = {0};
    ranges->size = 0;
    for (uint64_t i = next_random() % 30; i > 0; i--) {
        uint64_t first = next_random() % PAGES, end = first + 1 + next_random() % 12;
        end = end < PAGES ? end : PAGES;
        CHECK_OK(bs_ranges_add(ranges, first, end));
        memset(expected + first, 1, end - first);
    }
    compare(ranges, expected);
}

static void one_round(struct bs_vector *a, struct bs_vector *b, struct bs_vector *result, struct bs_vector *scratch) {
    char of_a[PAGES], of_b[PAGES], expected[PAGES];
    fill(a, of_a);
    fill(b, of_b);
    ask(a, of_a);
    CHECK_OK(bs_ranges_union(result, a, b));
    for (int i = 0; i < PAGES; i++) {
        expected[i] = of_a[i] | of_b[i];
    }
    compare(result, expected);
    CHECK_OK(bs_vector_copy(result, a));
    CHECK_OK(bs_ranges_add_all(result, b, scratch));
    compare(result, expected);
    CHECK_OK(bs_ranges_intersect(result, a, b));
    for (int i = 0; i < PAGES; i++) {
        expected[i] = of_a[i] & of_b[i];
    }
    compare(result, expected);
    CHECK_OK(bs_ranges_subtract(result, a, b));
    for (int i = 0; i < PAGES; i++) {
        expected[i] = of_a[i] & !of_b[i];
    }
    compare(result, expected);
}

int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t) now.tv_nsec;
    printf("seed %" PRIu64 "\n", seed);
    struct bs_vector a = {0}, b = {0}, result = {0}, scratch = {0};
    for (int i = 0; i < ROUNDS; i++) {
        one_round(&a, &b, &result, &scratch);
        add_in_any_order(&result);
    }
    bs_vector_fini(&a);
    bs_vector_fini(&b);
    bs_vector_fini(&result);
    bs_vector_fini(&scratch);
    PASSED("page ranges");
    return 0;
}
