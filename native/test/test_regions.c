// SPDX-License-Identifier: Apache-2.0
/*
 * Regions of this process against plain copies: random writes, pages given back, captures with too few frames, rollbacks
 * to any of the last moments. usage: test_regions [IGNORED] [SEED]
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "random.h"
#include "test.h"

#define PAGES 600
#define ROUNDS 3000
#define MOMENTS 4

static unsigned char *memory;                                /* two regions with a gap between */
static unsigned char moments[MOMENTS][PAGES * BS_PAGE_SIZE]; /* newest first */
static unsigned char changed[MOMENTS][PAGES];                /* since that moment, as captures told */
static unsigned char frames[PAGES][BS_PAGE_SIZE];
static uint64_t frame_addresses[PAGES];
static unsigned char mirror[PAGES * BS_PAGE_SIZE]; /* made of what captures gave */

static uint64_t first_page(void) {
    return (uint64_t) (uintptr_t) memory / BS_PAGE_SIZE;
}

static int is_tracked(uint64_t page) {
    return page < 200 || page >= 210;
}

static void disturb(void) {
    for (uint64_t i = next_random() % 60; i > 0; i--) {
        uint64_t page = next_random() % PAGES;
        if (!is_tracked(page)) {
            continue;
        }
        if (next_random() % 8 == 0) {
            uint64_t end = page < 200 ? 200 : PAGES, run = 1 + next_random() % 5;
            run = page + run > end ? end - page : run;
            CHECK(madvise(memory + page * BS_PAGE_SIZE, run * BS_PAGE_SIZE, MADV_DONTNEED) == 0);
        } else if (next_random() % 4 == 0) {
            volatile unsigned char byte = memory[page * BS_PAGE_SIZE]; /* reading is not writing */
            (void) byte;
        } else {
            memory[page * BS_PAGE_SIZE + next_random() % BS_PAGE_SIZE] = (unsigned char) next_random();
        }
    }
}

static void capture(bs_regions *regions) {
    struct bs_capture c = {.frames = (uint64_t) (uintptr_t) frame_addresses, .frame_count = next_random() % 30};
    int result;
    while ((result = bs_regions_capture(regions, &c)) == BS_MORE_FRAMES) {
        if (next_random() % 4 == 0) {
            bs_regions_capture_abandon(regions);
            disturb();
            c.flags = 0;
        } else {
            c.flags = BS_CAPTURE_CONTINUE;
            c.frame_count = c.page_count;
        }
    }
    CHECK_OK(result);
    memmove(moments[1], moments[0], sizeof moments - sizeof moments[0]);
    memmove(changed[1], changed[0], sizeof changed - sizeof changed[0]);
    memset(changed[0], 0, sizeof changed[0]);
    const uint64_t *pages = (const uint64_t *) (uintptr_t) c.pages;
    for (uint64_t i = 0; i < c.page_count; i++) {
        uint64_t page = pages[i] - first_page();
        CHECK(page < PAGES && is_tracked(page) && (i == 0 || pages[i] > pages[i - 1]));
        memcpy(mirror + page * BS_PAGE_SIZE, frames[i], BS_PAGE_SIZE);
        for (int moment = 1; moment < MOMENTS; moment++) {
            changed[moment][page] = 1;
        }
    }
    memcpy(moments[0], memory, sizeof moments[0]);
    for (uint64_t page = 0; page < PAGES; page++) {
        CHECK(!is_tracked(page) || memcmp(mirror + page * BS_PAGE_SIZE, memory + page * BS_PAGE_SIZE, BS_PAGE_SIZE) == 0);
    }
}

static void roll_back(bs_regions *regions, int moment) {
    static const unsigned char zeros[BS_PAGE_SIZE];
    struct bs_restore restore;
    uint64_t pages[PAGES], addresses[PAGES], dropped[PAGES];
    struct bs_restore_pages writes = {.pages = (uint64_t) (uintptr_t) pages,
                                      .frames = (uint64_t) (uintptr_t) addresses,
                                      .dropped = (uint64_t) (uintptr_t) dropped};
    CHECK_OK(bs_regions_restore_begin(regions, &restore));
    const struct bs_range *ranges = (const struct bs_range *) (uintptr_t) restore.written;
    for (uint64_t i = 0; i < restore.written_count; i++) {
        for (uint64_t page = ranges[i].first; page < ranges[i].end; page++) {
            changed[moment][page - first_page()] = 1;
        }
    }
    for (uint64_t page = 0; page < PAGES; page++) {
        unsigned char *then = moments[moment] + page * BS_PAGE_SIZE;
        if (!changed[moment][page]) {
            continue;
        }
        if (memcmp(then, zeros, BS_PAGE_SIZE) == 0 && next_random() % 2) {
            dropped[writes.dropped_count++] = page + first_page();
        } else {
            pages[writes.count] = page + first_page();
            addresses[writes.count++] = (uint64_t) (uintptr_t) then;
        }
    }
    CHECK_OK(bs_regions_restore_finish(regions, &writes));
    CHECK(memcmp(memory, moments[moment], sizeof moments[0]) == 0);
    memmove(moments[0], moments[moment], sizeof moments - (size_t) moment * sizeof moments[0]);
    memmove(changed[0], changed[moment], sizeof changed - (size_t) moment * sizeof changed[0]);
    memset(changed[0], 0, sizeof changed[0]);
    memcpy(mirror, memory, sizeof mirror);
}

int main(int count, char **arguments) {
    seed = count > 2 ? strtoull(arguments[2], NULL, 10) : (uint64_t) time(NULL) * 1000003;
    printf("seed %" PRIu64 "\n", seed);
    uint64_t address;
    CHECK_OK(bs_memory_map(PAGES * BS_PAGE_SIZE, &address));
    memory = (unsigned char *) (uintptr_t) address;
    for (int i = 0; i < PAGES; i++) {
        frame_addresses[i] = (uint64_t) (uintptr_t) frames[i];
    }
    disturb();
    bs_regions *regions;
    CHECK_OK(bs_regions_open(&regions));
    CHECK_OK(bs_regions_add(regions, address + 210 * BS_PAGE_SIZE, (PAGES - 210) * BS_PAGE_SIZE));
    CHECK_OK(bs_regions_add(regions, address, 200 * BS_PAGE_SIZE));
    CHECK(bs_regions_add(regions, address + 199 * BS_PAGE_SIZE, BS_PAGE_SIZE) < 0);
    CHECK(bs_regions_add(regions, address + 200 * BS_PAGE_SIZE + 8, BS_PAGE_SIZE) < 0);
    void *shared = mmap(NULL, BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(bs_regions_add(regions, (uint64_t) (uintptr_t) shared, BS_PAGE_SIZE) == BS_EUNFIT);
    munmap(shared, BS_PAGE_SIZE);
    CHECK(bs_regions_add(regions, (uint64_t) (uintptr_t) shared, BS_PAGE_SIZE) == BS_EUNFIT);
    for (int i = 0; i < MOMENTS; i++) {
        disturb();
        capture(regions);
    }
    for (int round = 0; round < ROUNDS; round++) {
        disturb();
        if (next_random() % 4 == 0) {
            roll_back(regions, (int) (next_random() % MOMENTS));
            for (int i = 0; i < MOMENTS; i++) {
                capture(regions); /* as many moments as before */
            }
        } else {
            capture(regions);
        }
    }
    bs_regions_close(regions);
    disturb();
    bs_memory_unmap(address, PAGES * BS_PAGE_SIZE);
    PASSED("regions");
    return 0;
}
