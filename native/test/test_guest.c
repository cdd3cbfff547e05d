// SPDX-License-Identifier: Apache-2.0
/*
 * Memory of another process, private, of a memfd and of a private file, against plain copies: random writes, pages given
 * back, pages left writable, copies ahead while it writes, captures with too few frames, rollbacks to any of the last
 * moments. usage: test_guest [IGNORED] [SEED]
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "machine.h"

#define ROUNDS 600
#define MOMENTS 4

static unsigned char moments[MOMENTS][ALL][BS_PAGE_SIZE]; /* newest first */
static unsigned char changed[MOMENTS][ALL];               /* since that moment, as captures told */
static unsigned char frames[ALL][BS_PAGE_SIZE];
static uint64_t frame_addresses[ALL];
static unsigned char mirror[ALL][BS_PAGE_SIZE];
static unsigned char found[ALL][BS_PAGE_SIZE];
static uint64_t copied_ahead;

/* ---- captures and rollbacks -------------------------------------------------------------------------------------- */

/* Shared memory that was discarded is to captures what it was. */
static void forget_discarded(void) {
    for (uint64_t page = 0; page < PAGES; page++) {
        if (lseek(files[SHARED], (off_t) (page * BS_PAGE_SIZE), SEEK_DATA) != (off_t) (page * BS_PAGE_SIZE)) {
            memcpy(moments[0][SHARED * PAGES + page], mirror[SHARED * PAGES + page], BS_PAGE_SIZE);
        }
    }
}

/* Fills ascending ranges with some pages of each kind. */
static void predict(struct bs_range *ranges) {
    for (uint64_t kind = 0; kind < KINDS; kind++) {
        uint64_t page = next_random() % PAGES, end = page + next_random() % 100;
        ranges[kind].first = number_of(kind * PAGES + page);
        ranges[kind].end = number_of(kind * PAGES + (end < PAGES ? end : PAGES - 1)) + 1;
    }
}

static void copy_ahead(bs_guest *guest, const struct bs_capture *c) {
    if (next_random() % 2) {
        let_disturb();
    }
    begin_to_carry_out(some_writes(1));
    bs_guest_copy_ahead(guest, c);
    await_carried_out();
}

static void capture(bs_guest *guest) {
    struct bs_range predicted[KINDS], lifted[KINDS];
    struct bs_capture c = {.frames = (uint64_t) (uintptr_t) frame_addresses,
                           .frame_count = next_random() % 90,
                           .predicted = (uint64_t) (uintptr_t) predicted,
                           .predicted_count = next_random() % 2 ? KINDS : 0,
                           .lifted = (uint64_t) (uintptr_t) lifted,
                           .lifted_count = next_random() % 2 ? KINDS : 0};
    int result;
    predict(predicted);
    predict(lifted);
    if (next_random() % 2) {
        copy_ahead(guest, &c);
    }
    while ((result = bs_guest_capture(guest, &c)) == BS_MORE_FRAMES) {
        if (next_random() % 4 == 0) {
            bs_guest_capture_abandon(guest);
            let_disturb();
            c.flags = 0;
        } else {
            c.flags = BS_CAPTURE_CONTINUE;
            c.frame_count = c.page_count;
        }
    }
    CHECK_OK(result);
    if (next_random() % 8 == 0) { /* complete, and given up all the same */
        bs_guest_capture_abandon(guest);
        let_disturb();
        c.flags = 0;
        c.frame_count = ALL;
        CHECK(bs_guest_capture(guest, &c) == 0);
    }
    memmove(moments[1], moments[0], sizeof moments - sizeof moments[0]);
    memmove(changed[1], changed[0], sizeof changed - sizeof changed[0]);
    memset(changed[0], 0, sizeof changed[0]);
    const uint64_t *pages = (const uint64_t *) (uintptr_t) c.pages;
    for (uint64_t i = 0; i < c.page_count; i++) {
        uint64_t index = index_of(pages[i]);
        CHECK(i == 0 || pages[i] > pages[i - 1]);
        memcpy(mirror[index], (const void *) (uintptr_t) frame_addresses[i], BS_PAGE_SIZE);
        for (int moment = 1; moment < MOMENTS; moment++) {
            changed[moment][index] = 1;
        }
    }
    copied_ahead += c.ahead;
    look(moments[0]);
    forget_discarded();
    for (uint64_t index = 0; index < ALL; index++) {
        if (memcmp(mirror[index], moments[0][index], BS_PAGE_SIZE) != 0) {
            fprintf(stderr, "page %" PRIu64 " of kind %" PRIu64 " was overlooked\n", index % PAGES, index / PAGES);
            CHECK(0);
        }
    }
}

static void roll_back(bs_guest *guest, int moment) {
    static const unsigned char zeros[BS_PAGE_SIZE];
    static uint64_t pages[ALL], addresses[ALL], dropped[ALL];
    struct bs_restore restore;
    struct bs_restore_pages writes = {.pages = (uint64_t) (uintptr_t) pages,
                                      .frames = (uint64_t) (uintptr_t) addresses,
                                      .dropped = (uint64_t) (uintptr_t) dropped};
    CHECK_OK(bs_guest_restore_begin(guest, &restore));
    const struct bs_range *ranges = (const struct bs_range *) (uintptr_t) restore.written;
    for (uint64_t i = 0; i < restore.written_count; i++) {
        for (uint64_t page = ranges[i].first; page < ranges[i].end; page++) {
            changed[moment][index_of(page)] = 1;
        }
    }
    for (uint64_t index = 0; index < ALL; index++) {
        if (!changed[moment][index]) {
            continue;
        }
        if (memcmp(moments[moment][index], zeros, BS_PAGE_SIZE) == 0 && next_random() % 2) {
            dropped[writes.dropped_count++] = number_of(index);
        } else {
            pages[writes.count] = number_of(index);
            addresses[writes.count++] = (uint64_t) (uintptr_t) moments[moment][index];
        }
    }
    CHECK_OK(bs_guest_restore_finish(guest, &writes));
    look(found);
    CHECK(memcmp(found, moments[moment], sizeof found) == 0);
    memmove(moments[0], moments[moment], sizeof moments - (size_t) moment * sizeof moments[0]);
    memmove(changed[0], changed[moment], sizeof changed - (size_t) moment * sizeof changed[0]);
    memset(changed[0], 0, sizeof changed[0]);
    memcpy(mirror, moments[0], sizeof mirror);
}

int main(int count, char **arguments) {
    seed = count > 2 ? strtoull(arguments[2], NULL, 10) : (uint64_t) time(NULL);
    printf("test_guest: seed %" PRIu64 "\n", seed);
    map_memory();
    start_machine();
    for (uint64_t i = 0; i < ALL; i++) {
        frame_addresses[i] = (uint64_t) (uintptr_t) frames[i];
    }
    let_disturb();
    bs_guest *guest;
    uint64_t interrupted_ns;
    CHECK_OK(bs_guest_open(machine, NULL, &interrupted_ns, &guest));
    for (int kind = 0; kind < KINDS; kind++) {
        CHECK_OK(bs_guest_add(guest, (uint64_t) (uintptr_t) memory[kind], PAGES * BS_PAGE_SIZE));
        CHECK(bs_guest_add(guest, (uint64_t) (uintptr_t) memory[kind], BS_PAGE_SIZE) < 0);
    }
    CHECK(bs_guest_add(guest, BS_PAGE_SIZE, BS_PAGE_SIZE) == BS_EUNFIT);
    for (int moment = 0; moment < MOMENTS; moment++) {
        capture(guest);
    }
    for (int round = 0; round < ROUNDS; round++) {
        let_disturb();
        if (next_random() % 3 == 0) {
            roll_back(guest, (int) (next_random() % MOMENTS));
            for (int moment = 0; moment < MOMENTS - 1; moment++) { /* those that were gone are made anew */
                let_disturb();
                capture(guest);
            }
        } else {
            capture(guest);
        }
    }
    CHECK(copied_ahead > 0);
    kill(machine, SIGKILL);
    waitpid(machine, NULL, 0);
    struct bs_capture c = {.frames = (uint64_t) (uintptr_t) frame_addresses, .frame_count = ALL};
    (void) !bs_guest_capture(guest, &c); /* of nobody: it must only come back */
    bs_guest_close(guest);
    PASSED("memory of another process");
    return 0;
}
