// SPDX-License-Identifier: Apache-2.0
/*
 * Held writes of another process, to memory that is private, of a memfd, or a private copy of one, against plain copies: random writes, memory given back,
 * captures that are given up, rollbacks and what is written in their midst, too few frames.
 * usage: test_guest_held [DIRECTORY ON A DISK] [SEED]
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "machine.h"

#define ROUNDS 600
#define MOMENTS 4
#define FEW 64
#define LARGE (8ULL << 20) /* the kernel can take the page tables away, too */
#define HUGE_PAGE (2 << 20)

static unsigned char moments[MOMENTS][ALL][BS_PAGE_SIZE]; /* newest first */
static unsigned char changed[MOMENTS][ALL];               /* since that moment, as captures told */
static int valid;                                         /* moments that can be restored */
static unsigned char found[ALL][BS_PAGE_SIZE];
static unsigned char told[ALL];
static unsigned char arena[4 * ALL][BS_PAGE_SIZE];
static uint64_t pool[ALL], frames[3 * ALL];
static bs_guest *guest;
static bs_cow *cow;
static int refused, lost_moments, overflowed;
static uint64_t last_lost;
static bool keeps_all; /* nothing is given back at random now */
static unsigned char *large; /* a memfd of its own */
static int large_file;

static void let_write_on(void) {
    let_write(next_random() % 12 == 0 && !keeps_all);
}

static void tell(uint64_t page) {
    told[index_of(page)] = 1;
}

static void tell_ranges(uint64_t address, uint64_t count) {
    const struct bs_range *ranges = (const struct bs_range *) (uintptr_t) address;
    for (uint64_t i = 0; i < count; i++) {
        for (uint64_t page = ranges[i].first; page < ranges[i].end; page++) {
            tell(page);
        }
    }
}

/* What was saved must be what the page held at the newest moment. */
static void check_saved(const struct bs_saved *saved) {
    static const unsigned char zeros[BS_PAGE_SIZE];
    const uint64_t *pages = (const uint64_t *) (uintptr_t) saved->pages;
    const uint64_t *their_frames = (const uint64_t *) (uintptr_t) saved->frames;
    for (uint64_t i = 0; i < saved->count; i++) {
        const void *bytes = their_frames[i] ? (const void *) (uintptr_t) their_frames[i] : zeros;
        CHECK(i == 0 || pages[i] > pages[i - 1]);
        tell(pages[i]);
        if (valid > 0 && memcmp(bytes, moments[0][index_of(pages[i])], BS_PAGE_SIZE) != 0) {
            fprintf(stderr, "page %" PRIu64 " was saved otherwise than it was\n", index_of(pages[i]));
            CHECK(0);
        }
    }
}

static uint64_t choose_predicted(struct bs_range *into) {
    uint64_t count = next_random() % 8;
    for (uint64_t i = 0; i < count; i++) {
        into[i].first = number_of(i * ALL / 8 + next_random() % 100);
        into[i].end = into[i].first + 1 + next_random() % 20;
    }
    return count;
}

static void try_capture(struct bs_capture *c) {
    int result;
    c->flags = 0;
    c->frame_count = next_random() % 30;
    while ((result = bs_guest_capture(guest, c)) == BS_MORE_FRAMES) {
        if (next_random() % 4 == 0) {
            bs_guest_capture_abandon(guest);
            let_write_on();
            c->flags = 0;
        } else {
            CHECK(c->page_count <= 2 * ALL);
            c->flags = BS_CAPTURE_CONTINUE;
            c->frame_count = c->page_count;
        }
    }
    CHECK_OK(result);
}

static void compare(uint64_t lost) {
    for (uint64_t index = 0; index < ALL && valid > 0 && lost == 0; index++) {
        if (!told[index] && memcmp(moments[0][index], found[index], BS_PAGE_SIZE) != 0) {
            fprintf(stderr, "page %" PRIu64 " of kind %" PRIu64 " was overlooked\n", index % PAGES, index / PAGES);
            CHECK(0);
        }
    }
}

static void capture(void) {
    struct bs_range predicted[8];
    struct bs_saved saved;
    struct bs_capture c = {.frames = (uint64_t) (uintptr_t) frames,
                           .predicted = (uint64_t) (uintptr_t) predicted,
                           .predicted_count = choose_predicted(predicted)};
    try_capture(&c);
    while (next_random() % 6 == 0) { /* complete, and given up all the same */
        if (next_random() % 2) {
            let_write_on();
        }
        bs_guest_capture_abandon(guest);
        let_write_on();
        try_capture(&c);
    }
    look(found);
    if (next_random() % 2) {
        let_write_on(); /* it runs again before it is asked what was saved */
    }
    memset(told, 0, sizeof told);
    const uint64_t *pages = (const uint64_t *) (uintptr_t) c.pages;
    for (uint64_t i = 0; i < c.page_count; i++) {
        CHECK(memcmp((void *) (uintptr_t) frames[i], found[index_of(pages[i])], BS_PAGE_SIZE) == 0);
        tell(pages[i]);
    }
    CHECK_OK(bs_cow_saved(cow, (uint64_t) (uintptr_t) (frames + c.page_count), 3 * ALL - c.page_count, &saved));
    overflowed += saved.spare_used > 0;
    tell_ranges(saved.released, saved.released_count);
    check_saved(&saved);
    compare(saved.lost);
    uint64_t addresses[FEW], taken; /* all frames are ours again, and those of the pool go back */
    const uint64_t *used = (const uint64_t *) (uintptr_t) saved.frames;
    for (uint64_t i = 0; i < saved.count; i++) {
        int is_spare = 0;
        for (uint64_t k = 0; k < 3 * ALL; k++) {
            is_spare = is_spare || frames[k] == used[i];
        }
        if (used[i] && !is_spare) {
            CHECK_OK(bs_cow_feed(cow, (uint64_t) (uintptr_t) (used + i), 1, 0));
        }
    }
    taken = (uint64_t) bs_cow_take_frames(cow, (uint64_t) (uintptr_t) addresses, next_random() % FEW);
    CHECK_OK(bs_cow_feed(cow, (uint64_t) (uintptr_t) addresses, taken, 0));
    memmove(moments[1], moments[0], sizeof moments - sizeof moments[0]);
    memmove(changed[1], changed[0], sizeof changed - sizeof changed[0]);
    memset(changed[0], 0, sizeof changed[0]);
    memcpy(moments[0], found, sizeof found);
    lost_moments += saved.lost > 0;
    last_lost = saved.lost;
    valid = saved.lost > 0 ? 1 : valid < MOMENTS ? valid + 1 : MOMENTS;
    for (int moment = 1; moment < MOMENTS; moment++) {
        for (uint64_t index = 0; index < ALL; index++) {
            changed[moment][index] |= told[index];
        }
    }
}

/* What is put back comes from copies, or from the frames that were saved since the last capture. */
static uint64_t source_of(const struct bs_saved *saved, int moment, uint64_t index, int from_log) {
    const uint64_t *pages = (const uint64_t *) (uintptr_t) saved->pages;
    const uint64_t *their_frames = (const uint64_t *) (uintptr_t) saved->frames;
    for (uint64_t i = 0; from_log && moment == 0 && i < saved->count; i++) {
        if (pages[i] == number_of(index) && their_frames[i]) {
            return their_frames[i];
        }
    }
    return (uint64_t) (uintptr_t) moments[moment][index];
}

static void roll_back(int moment) {
    static const unsigned char zeros[BS_PAGE_SIZE];
    static uint64_t pages[ALL], addresses[ALL], dropped[ALL];
    struct bs_restore restore;
    struct bs_saved saved;
    struct bs_restore_pages writes = {.pages = (uint64_t) (uintptr_t) pages,
                                      .frames = (uint64_t) (uintptr_t) addresses,
                                      .dropped = (uint64_t) (uintptr_t) dropped};
    int result = bs_guest_restore_begin(guest, &restore);
    if (result == BS_EREFUSED) {
        refused++;
        return;
    }
    CHECK_OK(result);
    memset(told, 0, sizeof told);
    tell_ranges(restore.written, restore.written_count);
    CHECK_OK(bs_cow_saved(cow, 0, 0, &saved));
    check_saved(&saved);
    for (uint64_t index = 0; index < ALL; index++) {
        if (!changed[moment][index] && !told[index]) {
            continue;
        }
        if (memcmp(moments[moment][index], zeros, BS_PAGE_SIZE) == 0 && next_random() % 2) {
            dropped[writes.dropped_count++] = number_of(index);
        } else {
            pages[writes.count] = number_of(index);
            addresses[writes.count++] = source_of(&saved, moment, index, next_random() % 2);
        }
    }
    CHECK_OK(bs_guest_restore_finish(guest, &writes));
    CHECK_OK(bs_guest_undo(guest)); /* nothing was written */
    for (uint64_t again = next_random() % 3; again > 0; again--) {
        let_write(0); /* as devices do when they are loaded */
        CHECK_OK(bs_guest_undo(guest));
    }
    look(found);
    CHECK(memcmp(found, moments[moment], ALL * BS_PAGE_SIZE) == 0);
    memmove(moments[0], moments[moment], sizeof moments - (size_t) moment * sizeof moments[0]);
    memmove(changed[0], changed[moment], sizeof changed - (size_t) moment * sizeof changed[0]);
    memset(changed[0], 0, sizeof changed[0]);
    valid -= moment;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static void *await_want(void *argument) {
    (void) argument;
    return bs_cow_await_want(cow) == 1 ? &guest : NULL;
}

static int is_answered(int for_ms) {
    struct pollfd answer = {.fd = answers[0], .events = POLLIN};
    return poll(&answer, 1, for_ms) > 0;
}

static void order(void) {
    uint64_t command = next_random() & ~1ULL;
    CHECK(write(commands[1], &command, sizeof command) == sizeof command);
}

static void take_all_frames(void) {
    static uint64_t taken[4 * ALL];
    CHECK(bs_cow_take_frames(cow, (uint64_t) (uintptr_t) taken, 4 * ALL) >= 0);
}

static void should_wait_for_frames_at_leisure_only(void) {
    pthread_t waiting;
    void *woken;
    char answer;
    capture();
    take_all_frames();
    bs_guest_at_leisure(guest, 1);
    CHECK(pthread_create(&waiting, NULL, await_want, NULL) == 0);
    while (!is_answered(20)) { /* orders that write nothing are possible */
        order();
        if (!is_answered(20)) {
            break;
        }
        CHECK(read(answers[0], &answer, 1) == 1);
    }
    CHECK(pthread_join(waiting, &woken) == 0 && woken == &guest); /* frames were asked for */
    bs_guest_at_leisure(guest, 0); /* and now nobody could bring them */
    CHECK(is_answered(20000));
    CHECK(read(answers[0], &answer, 1) == 1);
    PASSED("held writes wait for frames only while somebody can bring them");
}

static void discard_large(void) {
    CHECK(fallocate(large_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LARGE) == 0);
    CHECK(madvise(large, LARGE, MADV_DONTNEED) == 0);
}

static void map_large(void) {
    large_file = memfd_create("large", 0);
    CHECK(large_file >= 0 && ftruncate(large_file, LARGE) == 0);
    large = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, large_file, 0);
    CHECK(large != MAP_FAILED);
    special_order = discard_large;
}

static void should_tell_of_large_pieces_given_back(void) {
    keeps_all = true;
    capture();
    capture();
    CHECK(last_lost == 0);
    let_carry_out(SPECIAL);
    capture();
    CHECK(last_lost == LARGE / BS_PAGE_SIZE);
    capture();
    CHECK(last_lost == 0);
    keeps_all = false;
    PASSED("large pieces given back are told");
}

static void should_let_writers_go_at_the_end(void) {
    char answer;
    take_all_frames();
    bs_guest_at_leisure(guest, 1);
    do {
        order();
    } while (is_answered(20) && read(answers[0], &answer, 1) == 1);
    bs_guest_close(guest);
    CHECK(is_answered(20000));
    PASSED("writers are let go at the end");
}

/* Null if that file system is in memory. */
static unsigned char *map_disk(const char *directory) {
    char path[4096];
    struct statfs system;
    snprintf(path, sizeof path, "%s/memory.%d", directory, (int) getpid());
    int file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(file >= 0 && unlink(path) == 0 && fstatfs(file, &system) == 0 && ftruncate(file, BS_PAGE_SIZE) == 0);
    unsigned char *mapped = mmap(NULL, BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(mapped != MAP_FAILED);
    return system.f_type == TMPFS_MAGIC ? NULL : mapped;
}

/* Null if there are none. They are not touched. */
static unsigned char *map_huge_page(void) {
    int file = memfd_create("huge", MFD_HUGETLB);
    unsigned char *mapped = file < 0 || ftruncate(file, HUGE_PAGE) < 0
                                ? MAP_FAILED
                                : mmap(NULL, HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    seed = count > 2 ? strtoull(arguments[2], NULL, 10) : (uint64_t) time(NULL);
    printf("test_guest_held: seed %" PRIu64 "\n", seed);
    map_memory();
    gives_copies_back = 1;
    map_large();
    unsigned char *of_disk = map_disk(count > 1 ? arguments[1] : ".");
    unsigned char *of_huge_pages = map_huge_page();
    start_machine();
    for (uint64_t i = 0; i < ALL; i++) {
        pool[i] = (uint64_t) (uintptr_t) arena[i];
    }
    for (uint64_t i = 0; i < 3 * ALL; i++) {
        frames[i] = (uint64_t) (uintptr_t) arena[ALL + i];
    }
    let_disturb();
    uint64_t interrupted_ns;
    CHECK_OK(bs_cow_open(&cow));
    CHECK_OK(bs_cow_feed(cow, (uint64_t) (uintptr_t) pool, FEW, 0));
    int opened = bs_guest_open(machine, cow, &interrupted_ns, &guest);
    if (opened == BS_EUNFIT) {
        printf("skipped: %s\n", bs_last_error());
        return 0;
    }
    CHECK_OK(opened);
    for (int kind = 0; kind < KINDS; kind++) {
        CHECK_OK(bs_guest_add(guest, (uint64_t) (uintptr_t) memory[kind], PAGES * BS_PAGE_SIZE));
        CHECK(bs_guest_add(guest, (uint64_t) (uintptr_t) memory[kind], BS_PAGE_SIZE) < 0);
    }
    CHECK_OK(bs_guest_add(guest, (uint64_t) (uintptr_t) large, LARGE));
    CHECK(bs_guest_add(guest, BS_PAGE_SIZE, BS_PAGE_SIZE) == BS_EUNFIT);
    if (of_disk) {
        CHECK(bs_guest_add(guest, (uint64_t) (uintptr_t) of_disk, BS_PAGE_SIZE) == BS_EUNFIT);
        CHECK(strstr(bs_last_error(), "a file on a disk") != NULL);
        PASSED("memory in a file on a disk is refused");
    }
    if (of_huge_pages) {
        CHECK(bs_guest_add(guest, (uint64_t) (uintptr_t) of_huge_pages, HUGE_PAGE) == BS_EUNFIT);
        CHECK(strstr(bs_last_error(), "huge pages") != NULL);
        PASSED("memory on huge pages is refused");
    }
    for (int round = 0; round < ROUNDS; round++) {
        capture();
        let_write_on();
        if (next_random() % 3 == 0 && valid > 0) {
            roll_back((int) (next_random() % (unsigned) valid));
            let_write(0);
        }
    }
    printf("%d rollbacks refused, %d captures told of memory given back, %d had frames to pay back\n", refused,
           lost_moments, overflowed);
    CHECK(refused > 0 && lost_moments > 0 && overflowed > 0);
    PASSED("held writes of another process");
    should_tell_of_large_pieces_given_back();
    should_wait_for_frames_at_leisure_only();
    should_let_writers_go_at_the_end();
    bs_cow_close(cow);
    kill(machine, SIGKILL);
    waitpid(machine, NULL, 0);
    return 0;
}
