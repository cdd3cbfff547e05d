// SPDX-License-Identifier: Apache-2.0
/*
 * Live captures of a running victim, then some with a pause each, with what is done ahead of it, and one of the victim
 * that stands: what they gave together must be what its pages hold then. Where most of a block of 512 pages is
 * written all the time it becomes a huge page meanwhile, if the host lets it.
 * usage: test_live DIRECTORY-OF-VICTIMS [SEED]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "random.h"
#include "test.h"

#define FRAMES 65536ULL
#define SLOTS (4 * FRAMES)
#define LIVE_ROUNDS 4
#define PREDICTIONS 64

static uint64_t frames[FRAMES];
static uint64_t mirrored[SLOTS]; /* a page number, or 0; open addressing */
static uint64_t taken[SLOTS];    /* slots that are */
static uint64_t taken_count;
static char *mirror;

struct plan {
    const char *victim;
    const char *arguments[4];
    int comparisons;
    uint64_t captures; /* between two of them, less than so many */
    uint64_t apart_ns; /* captures, at most; one in eight comes later */
    uint64_t dense;    /* pages that are predicted together now and then */
    int rounds;
};

static const struct plan plans[] = {
    {"writers", {"100000"}, 8, 8, 3000000, 2048, 4},
    {"layout", {"100000"}, 8, 8, 3000000, 2048, 4},
    {"shuffle", {NULL}, 500, 8, 200000, 2048, 4},
    {"blocks", {"100000"}, 16, 8, 3000000, 2048, 4},
    {"blocks", {"100000", "--forks"}, 8, 8, 3000000, 2048, 4},
    {"blocks", {"100000", "2000", "2000", "--forks"}, 40, 200, 200000, 4, 1},
};

static void sleep_us(uint64_t us) {
    struct timespec time = {(time_t) (us / 1000000), (long) (us % 1000000 * 1000)};
    nanosleep(&time, NULL);
}

static uint64_t now_after(uint64_t ns) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000ULL + (uint64_t) now.tv_nsec + ns;
}

static char *place_of(uint64_t page) {
    uint64_t slot = page * 0x9e3779b97f4a7c15ULL % SLOTS;
    while (mirrored[slot] && mirrored[slot] != page) {
        slot = (slot + 1) % SLOTS;
    }
    if (!mirrored[slot]) {
        mirrored[slot] = page;
        taken[taken_count++] = slot;
    }
    return mirror + slot * BS_PAGE_SIZE;
}

static int is_held(const struct bs_capture *c, uint64_t page) {
    const struct bs_range *held = (const struct bs_range *) (uintptr_t) c->held;
    uint64_t low = 0, high = c->held_count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (held[middle].end <= page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < c->held_count && held[low].first <= page;
}

/* Pages that are no longer held have no content. */
static void drop_others(const struct bs_capture *c) {
    for (uint64_t i = 0; i < taken_count; i++) {
        if (!is_held(c, mirrored[taken[i]])) {
            memset(mirror + taken[i] * BS_PAGE_SIZE, 0, BS_PAGE_SIZE);
        }
    }
}

/* Some of the pages that the last capture gave, with their neighbours, now and then with very many. */
static uint64_t predict(const struct plan *plan, const struct bs_capture *last, struct bs_range *predicted) {
    const uint64_t *pages = (const uint64_t *) (uintptr_t) last->pages;
    uint64_t count = 0, end = 0;
    for (uint64_t i = 0; i < last->page_count && count < PREDICTIONS; i++) {
        if (pages[i] >= end && next_random() % 8 == 0) {
            end = pages[i] + 1 + next_random() % (next_random() % 4 == 0 ? plan->dense : 4);
            predicted[count++] = (struct bs_range){pages[i], end};
            end++; /* ranges do not touch */
        }
    }
    return count;
}

static void capture(bs_process *process, const struct plan *plan, uint64_t flags, struct bs_capture *c) {
    struct bs_range predicted[PREDICTIONS], lifted[PREDICTIONS];
    uint64_t before = c->pages, before_count = c->page_count, count = predict(plan, c, predicted);
    uint64_t lifted_count = predict(plan, c, lifted);
    uint64_t frame_count = next_random() % 2 ? FRAMES : next_random() % 4096;
    *c = (struct bs_capture){.flags = flags,
                             .frames = (uint64_t) (uintptr_t) frames,
                             .frame_count = frame_count,
                             .predicted = (uint64_t) (uintptr_t) predicted,
                             .predicted_count = count,
                             .lifted = (uint64_t) (uintptr_t) lifted,
                             .lifted_count = lifted_count,
                             .written_before = before,
                             .written_before_count = before_count};
    int result;
    while ((result = bs_process_capture(process, c)) > 0) {
        bool guessed = result == BS_FRAMES_AHEAD && next_random() % 4 == 0; /* then too few will do */
        c->frame_count = guessed ? c->frame_count : c->page_count;
        c->flags |= BS_CAPTURE_CONTINUE;
        CHECK(c->frame_count <= FRAMES);
    }
    if (result < 0 && (flags & BS_CAPTURE_LIVE)) {
        c->page_count = 0;
        return; /* a mapping can vanish before it is tracked: nothing is forgotten */
    }
    CHECK(result == 0);
    drop_others(c);
    for (uint64_t i = 0; i < c->page_count; i++) {
        memcpy(place_of(((const uint64_t *) (uintptr_t) c->pages)[i]), (const void *) (uintptr_t) frames[i],
               BS_PAGE_SIZE);
    }
}

static void compare(pid_t pid, const struct bs_capture *c) {
    char path[64], page[BS_PAGE_SIZE];
    snprintf(path, sizeof path, "/proc/%d/mem", (int) pid);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    const struct bs_range *held = (const struct bs_range *) (uintptr_t) c->held;
    int differences = 0;
    for (uint64_t i = 0; i < c->held_count; i++) {
        for (uint64_t number = held[i].first; number < held[i].end; number++) {
            CHECK(pread(memory, page, sizeof page, (off_t) (number * BS_PAGE_SIZE)) == sizeof page);
            if (memcmp(page, place_of(number), sizeof page) != 0) {
                fprintf(stderr, "page %" PRIx64 " differs\n", number);
                differences++;
            }
        }
    }
    close(memory);
    CHECK(differences == 0);
}

static uint64_t huge_kib(pid_t pid) {
    char path[64], line[256];
    uint64_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int) pid);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) && sscanf(line, "AnonHugePages: %" SCNu64, &kib) != 1) {
    }
    fclose(file);
    return kib;
}

static bool are_huge_pages_allowed(void) {
    char setting[64] = "[never]";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    bool known = file && fgets(setting, sizeof setting, file);
    if (file) {
        fclose(file);
    }
    return known && !strstr(setting, "[never]");
}

/* The most memory that was seen in huge pages. */
static uint64_t attach_to(const char *victims, const struct plan *plan) {
    char path[4096], number[32];
    uint64_t most_kib = 0;
    snprintf(path, sizeof path, "%s/%s", victims, plan->victim);
    snprintf(number, sizeof number, "%" PRIu64, next_random() % 1000000 + 1);
    int started[2]; /* closed by exec */
    CHECK_OK(pipe2(started, O_CLOEXEC));
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        execl(path, plan->victim, number, plan->arguments[0], plan->arguments[1], plan->arguments[2],
              plan->arguments[3], (char *) NULL);
        _exit(127);
    }
    close(started[1]);
    CHECK(read(started[0], path, 1) == 0);
    close(started[0]);
    sleep_us(20000 + next_random() % 100000);
    bs_process *process;
    struct bs_event event;
    struct bs_capture c = {0};
    uint64_t interrupted;
    CHECK_OK(bs_process_attach(child, &process));
    CHECK_OK(bs_process_track(process, &interrupted));
    CHECK_OK(bs_process_resume(process, 0));
    memset(mirrored, 0, sizeof mirrored);
    taken_count = 0;
    madvise(mirror, SLOTS * BS_PAGE_SIZE, MADV_DONTNEED);
    for (int i = 0; i < LIVE_ROUNDS; i++) {
        capture(process, plan, BS_CAPTURE_LIVE, &c);
    }
    for (int i = 0; i < plan->comparisons; i++) {
        for (uint64_t captures = next_random() % plan->captures; captures > 0; captures--) {
            uint64_t longest = next_random() % 8 == 0 ? 12 * plan->apart_ns : plan->apart_ns;
            CHECK_OK(bs_process_wait(process, now_after(next_random() % longest), &event));
            CHECK(event.kind == BS_EVENT_NONE);
            capture(process, plan, 0, &c);
        }
        CHECK_OK(bs_process_halt(process));
        capture(process, plan, 0, &c);
        compare(child, &c);
        uint64_t kib = huge_kib(child);
        most_kib = kib > most_kib ? kib : most_kib;
        CHECK_OK(bs_process_resume(process, 0));
    }
    CHECK_OK(bs_process_kill(process));
    bs_process_close(process);
    return most_kib;
}

int main(int argc, char **argv) {
    const char *victims = argc > 1 ? argv[1] : ".";
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t) time(NULL) * 1000003;
    printf("seed %" PRIu64 "\n", seed);
    char *arena =
        mmap(NULL, FRAMES * BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mirror =
        mmap(NULL, SLOTS * BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(arena != MAP_FAILED && mirror != MAP_FAILED);
    for (uint64_t i = 0; i < FRAMES; i++) {
        frames[i] = (uint64_t) (uintptr_t) arena + i * BS_PAGE_SIZE;
    }
    uint64_t most_kib = 0;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        for (int round = 0; round < plans[i].rounds; round++) {
            uint64_t kib = attach_to(victims, plans + i);
            most_kib = kib > most_kib ? kib : most_kib;
        }
    }
    printf("at most %" PRIu64 " KiB in huge pages\n", most_kib);
    CHECK(most_kib > 0 || !are_huge_pages_allowed() || geteuid() != 0);
    PASSED("live captures");
    return 0;
}
