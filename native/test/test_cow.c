// SPDX-License-Identifier: Apache-2.0
/*
 * Held writes, page by page: a child of ours does as it is told, and looks at its own memory; what is saved must be what
 * it had before. usage: test_cow DIRECTORY-OF-VICTIMS [measure]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cow.h"
#include "process.h"
#include "state.h"
#include "test.h"

#define PAGES 2048ULL
#define FRAMES (16 * PAGES)
#define PATIENCE_NS 20000000000ULL

enum order { NONE, WRITE, READ_INTO, GIVE_BACK, FORK, THREADS, MOVE, PATCH, END };

/* Shared with the child, which writes to nothing else but its pages and its stack. */
static struct {
    volatile enum order order;
    volatile uint64_t first, count, step, value;
    volatile uint64_t done; /* orders carried out */
    volatile uint64_t written; /* pages, by the order in hand */
    volatile uint64_t failed;
    volatile uint64_t took_ns;
} *shared;

static char *memory; /* the child's pages, at the same place here, but for what it writes */
static char *patch;  /* one more, a mapping of its own, never touched */
static uint64_t frames[FRAMES];
static char *arena;

static uint64_t now_after(uint64_t ns) {
    return bs_now_ns() + ns;
}

/* ---- the child --------------------------------------------------------------------------------------------------- */

static void *write_some(void *argument) {
    uint64_t from = (uint64_t) (uintptr_t) argument;
    for (uint64_t i = from; i < shared->count; i += 4) {
        memory[(shared->first + i) * BS_PAGE_SIZE] = (char) shared->value;
    }
    return NULL;
}

static void carry_out(int zeros) {
    pthread_t threads[4];
    char *start = memory + shared->first * BS_PAGE_SIZE;
    switch (shared->order) {
        case WRITE:
            for (uint64_t i = 0; i < shared->count; i++) {
                memory[(shared->first + i * shared->step) * BS_PAGE_SIZE] = (char) shared->value;
                shared->written = i + 1;
            }
            break;
        case READ_INTO: /* the kernel writes */
            shared->failed =
                pread(zeros, start, shared->count * BS_PAGE_SIZE, 0) != (ssize_t) (shared->count * BS_PAGE_SIZE);
            break;
        case GIVE_BACK: madvise(start, shared->count * BS_PAGE_SIZE, MADV_DONTNEED); break;
        case FORK: {
            int status;
            pid_t child = fork();
            if (child == 0) {
                for (uint64_t i = 0; i < shared->count; i++) {
                    start[i * BS_PAGE_SIZE] = 77;
                }
                _exit(0);
            }
            shared->failed = waitpid(child, &status, 0) != child || status != 0;
            break;
        }
        case THREADS:
            for (uintptr_t i = 0; i < 4; i++) {
                pthread_create(threads + i, NULL, write_some, (void *) i);
            }
            for (int i = 0; i < 4; i++) {
                pthread_join(threads[i], NULL);
            }
            break;
        case MOVE: /* away and back: the pages are the same, their marks are not */
            shared->failed = mremap(start, shared->count * BS_PAGE_SIZE, shared->count * BS_PAGE_SIZE,
                                    MREMAP_MAYMOVE | MREMAP_FIXED, memory + PAGES * BS_PAGE_SIZE) == MAP_FAILED ||
                             mremap(memory + PAGES * BS_PAGE_SIZE, shared->count * BS_PAGE_SIZE,
                                    shared->count * BS_PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, start) == MAP_FAILED;
            break;
        case PATCH: /* what the page is joined to loses its registration, but not its marks */
            shared->failed = (shared->first > 0 && madvise(memory, start - memory, MADV_DONTDUMP) != 0) ||
                             mremap(patch, BS_PAGE_SIZE, BS_PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
                                    memory + (PAGES + 10) * BS_PAGE_SIZE) == MAP_FAILED;
            break;
        default: _exit(0);
    }
}

static void obey(int zeros) {
    for (;;) {
        while (shared->order == NONE) {
            struct timespec moment = {0, 100000};
            nanosleep(&moment, NULL);
        }
        shared->failed = shared->written = 0;
        uint64_t start = bs_now_ns();
        carry_out(zeros);
        shared->took_ns = bs_now_ns() - start;
        shared->order = NONE;
        shared->done++;
    }
}

/* A mapping that is not inherited: what was is not joined to others. */
static void fill_pages(void) {
    CHECK(mmap(memory, 2 * PAGES * BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) == memory);
    madvise(memory, 2 * PAGES * BS_PAGE_SIZE, MADV_NOHUGEPAGE);
    for (uint64_t i = 0; i < PAGES; i++) {
        memset(memory + i * BS_PAGE_SIZE, (int) (1 + i % 100), BS_PAGE_SIZE);
    }
}

/* ---- the tracer -------------------------------------------------------------------------------------------------- */

static bs_process *process;
static bs_cow *cow;
static struct bs_capture c;
static struct bs_saved saved;
static struct bs_event event;

static int hold = 1; /* 0: the copy discipline, to compare with */

static bs_process *begin(uint64_t pool) {
    uint64_t interrupted;
    memset((void *) shared, 0, sizeof *shared);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fill_pages();
        int zeros = memfd_create("zeros", MFD_CLOEXEC); /* a signal does not interrupt its reading */
        CHECK(ftruncate(zeros, PAGES * BS_PAGE_SIZE) == 0);
        shared->done = 1;
        obey(zeros);
    }
    while (shared->done == 0) {
        sched_yield();
    }
    CHECK_OK(bs_process_attach(child, &process));
    if (hold) {
        CHECK_OK(bs_cow_open(&cow));
        CHECK_OK(bs_process_hold_writes(process, cow));
        CHECK_OK(bs_cow_feed(process->cow, (uint64_t) (uintptr_t) (frames + FRAMES / 2), pool, 0));
    }
    int tracked = bs_process_track(process, &interrupted);
    if (tracked == BS_EUNFIT) {
        printf("skipped: %s\n", bs_last_error());
        exit(0);
    }
    CHECK_OK(tracked);
    return process;
}

static void capture(void) {
    c = (struct bs_capture){.frames = (uint64_t) (uintptr_t) frames, .frame_count = FRAMES / 2};
    CHECK(bs_process_capture(process, &c) == 0);
    if (hold) {
        CHECK_OK(bs_cow_saved(process->cow, (uint64_t) (uintptr_t) (frames + c.page_count), FRAMES / 2 - c.page_count,
                                  &saved));
    }
}

static void give_order(enum order order, uint64_t first, uint64_t count) {
    shared->first = first;
    shared->count = count;
    shared->step = 1;
    shared->value = 101;
    shared->order = order;
}

static void await_done(void) {
    uint64_t limit = now_after(PATIENCE_NS);
    while (shared->order != NONE) {
        CHECK(bs_now_ns() < limit);
        CHECK_OK(bs_process_wait(process, now_after(1000000), &event));
        CHECK(event.kind == BS_EVENT_NONE);
    }
    CHECK(shared->failed == 0);
}

static void carry_out_now(enum order order, uint64_t first, uint64_t count) {
    give_order(order, first, count);
    await_done();
}

static uint64_t page_of(uint64_t index) {
    return (uint64_t) (uintptr_t) memory / BS_PAGE_SIZE + index;
}

/* The frame that was saved of one of the child's pages; 0: none. */
static const char *pre_image(uint64_t index) {
    const uint64_t *pages = (const uint64_t *) (uintptr_t) saved.pages;
    for (uint64_t i = 0; i < saved.count; i++) {
        if (pages[i] == page_of(index)) {
            return (const char *) (uintptr_t) ((const uint64_t *) (uintptr_t) saved.frames)[i];
        }
    }
    return NULL;
}

static void check_saved(uint64_t first, uint64_t count) {
    char before[BS_PAGE_SIZE];
    for (uint64_t i = first; i < first + count; i++) {
        memset(before, (int) (1 + i % 100), sizeof before);
        CHECK(pre_image(i) != NULL && memcmp(pre_image(i), before, sizeof before) == 0);
    }
}

static void end(void) {
    CHECK_OK(bs_process_kill(process));
    bs_process_close(process);
    bs_cow_close(cow);
    cow = NULL;
}

/* ---- what is promised -------------------------------------------------------------------------------------------- */

static void should_save_each_page_at_its_first_write(void) {
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    shared->value = 101;
    give_order(WRITE, 3, 50);
    shared->step = 7;
    await_done();
    carry_out_now(WRITE, 1000, 100);
    capture();
    for (uint64_t i = 0; i < 50; i++) {
        check_saved(3 + 7 * i, 1);
    }
    check_saved(1000, 100);
    CHECK(saved.lost == 0 && pre_image(4) == NULL && pre_image(999) == NULL);
    carry_out_now(WRITE, 1000, 100);
    capture();
    for (uint64_t i = 0; i < 100; i++) {
        CHECK(pre_image(1000 + i) && *pre_image(1000 + i) == 101);
    }
    end();
    PASSED("each page is saved at its first write");
}

static void should_hold_writes_of_the_kernel(void) {
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    carry_out_now(READ_INTO, 100, 300);
    capture();
    check_saved(100, 300);
    end();
    PASSED("writes of the kernel are held");
}

static void should_save_for_many_threads(void) {
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    for (int i = 0; i < 5; i++) {
        carry_out_now(THREADS, 0, 1000);
        capture();
        CHECK(saved.lost == 0);
        if (i == 0) {
            check_saved(0, 1000);
        }
        for (uint64_t k = 0; k < saved.count; k++) {
            uint64_t *frame = (uint64_t *) (uintptr_t) saved.frames + k;
            if (*frame) {
                CHECK_OK(bs_cow_feed(process->cow, (uint64_t) (uintptr_t) frame, 1, 0));
            }
        }
    }
    end();
    PASSED("several threads");
}

static void should_wait_for_frames_and_ask_for_them(void) {
    begin(10);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    give_order(WRITE, 0, 100);
    while (bs_cow_pooled(process->cow) > 0) {
        CHECK_OK(bs_process_wait(process, now_after(1000000), &event));
    }
    CHECK_OK(bs_process_wait(process, now_after(50000000), &event)); /* is woken, or waits in vain */
    uint64_t written = shared->written, start;
    CHECK_OK(bs_process_wait(process, now_after(50000000), &event));
    CHECK(shared->order == WRITE && shared->written == written && written < 100);
    CHECK_OK(bs_cow_feed(process->cow, (uint64_t) (uintptr_t) (frames + FRAMES / 2 + 10), 60, 10));
    start = bs_now_ns();
    CHECK_OK(bs_process_wait(process, now_after(PATIENCE_NS), &event)); /* few are left */
    CHECK(bs_now_ns() - start < PATIENCE_NS / 2 && bs_cow_pooled(process->cow) < 10);
    CHECK_OK(bs_cow_feed(process->cow, (uint64_t) (uintptr_t) (frames + FRAMES / 2 + 70), 100, 0));
    await_done();
    capture();
    check_saved(0, 100);
    end();
    PASSED("frames are asked and waited for");
}

/* A thread that the kernel writes for cannot be stopped in between, however much there is to be saved. */
static void should_stop_though_no_frame_is_left(void) {
    begin(100);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    give_order(READ_INTO, 0, 1500);
    CHECK_OK(bs_process_wait(process, now_after(20000000), &event));
    while (bs_cow_pooled(process->cow) > 0) {
        CHECK_OK(bs_process_wait(process, now_after(1000000), &event));
    }
    CHECK(shared->order == READ_INTO);
    c = (struct bs_capture){.frames = (uint64_t) (uintptr_t) frames, .frame_count = 0};
    CHECK(bs_process_capture(process, &c) == BS_MORE_FRAMES);
    CHECK(c.page_count >= 1400);
    c = (struct bs_capture){
        .flags = BS_CAPTURE_CONTINUE, .frames = (uint64_t) (uintptr_t) frames, .frame_count = c.page_count};
    uint64_t room = c.frame_count;
    CHECK(bs_process_capture(process, &c) == 0);
    CHECK_OK(bs_cow_saved(process->cow, (uint64_t) (uintptr_t) (frames + c.page_count), room - c.page_count, &saved));
    CHECK(saved.spare_used >= 1400 && saved.spare_used <= room - c.page_count);
    check_saved(0, 1500);
    CHECK_OK(bs_cow_feed(process->cow, (uint64_t) (uintptr_t) (frames + FRAMES / 2 + 100), 1000, 0));
    await_done();
    end();
    PASSED("a target without frames can be stopped");
}

static void should_wait_for_a_slow_handler(void) {
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    give_order(WRITE, 0, 200);
    for (int i = 0; i < 20; i++) {
        bs_cow_lock(process->cow);
        struct timespec moment = {0, 5000000};
        nanosleep(&moment, NULL);
        pthread_mutex_unlock(&process->cow->lock);
        capture();
        CHECK(saved.lost == 0);
    }
    await_done();
    end();
    PASSED("a slow handler");
}

static void should_tell_that_memory_was_given_back(void) {
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    carry_out_now(GIVE_BACK, 10, 5);
    capture();
    CHECK(saved.lost == 5);
    capture();
    CHECK(saved.lost == 0);
    carry_out_now(GIVE_BACK, 20, 3);
    carry_out_now(WRITE, 20, 3); /* has content again, but another */
    capture();
    CHECK(saved.lost == 3);
    carry_out_now(WRITE, 30, 4);
    carry_out_now(GIVE_BACK, 30, 4); /* was saved before */
    capture();
    CHECK(saved.lost == 0);
    check_saved(30, 4);
    carry_out_now(MOVE, 40, 6);
    capture();
    CHECK(saved.lost == 6);
    carry_out_now(WRITE, 40, 6); /* and is held there again */
    capture();
    CHECK(saved.lost == 0);
    check_saved(40, 6);
    end();
    PASSED("memory that was given back");
}

static void should_tell_that_marks_were_left_behind(void) {
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    carry_out_now(PATCH, 0, 0); /* the mappings look as before */
    carry_out_now(WRITE, 10, 5); /* unseen */
    capture();
    CHECK(saved.lost == PAGES);
    carry_out_now(WRITE, 30, 5); /* and are held again */
    capture();
    CHECK(saved.lost == 0);
    check_saved(30, 5);
    end();
    PASSED("marks that were left behind in mappings that look as before");
}

static void should_save_ahead_only_what_is_registered(void) {
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    carry_out_now(PATCH, 100, 0);
    carry_out_now(WRITE, 105, 1); /* unseen */
    carry_out_now(WRITE, 80, 20); /* up to 16 are saved at a time */
    capture();
    check_saved(80, 20);
    for (uint64_t i = 100; i < PAGES; i++) {
        CHECK(pre_image(i) == NULL);
    }
    CHECK(saved.lost == PAGES - 100);
    end();
    PASSED("saving ahead up to what is not registered");
}

static void should_refuse_a_rollback_behind_memory_given_back(void) {
    struct bs_restore restore;
    begin(PAGES);
    capture();
    char *state = keep_state(&c);
    CHECK_OK(bs_process_resume(process, 0));
    carry_out_now(GIVE_BACK, 10, 5);
    CHECK(bs_process_restore_begin(process, (uint64_t) (uintptr_t) state, &restore) == BS_EREFUSED);
    CHECK(strstr(bs_last_error(), "gave memory back") != NULL);
    CHECK_OK(bs_process_resume(process, 0));
    carry_out_now(WRITE, 10, 5);
    drop_state(state);
    end();
    PASSED("a rollback behind it is refused");
}

static size_t count_heard(void) {
    bs_cow_lock(process->cow);
    size_t count = bs_numbers_count(&process->cow->waiting);
    pthread_mutex_unlock(&process->cow->lock);
    return count;
}

/* The child's pages that a rollback would put back. */
static size_t count_dirty(void) {
    struct bs_range all = {page_of(0), page_of(PAGES)};
    struct bs_vector pages = {(char *) &all, sizeof all, sizeof all}, dirty = {0};
    CHECK_OK(bs_ranges_intersect(&dirty, &process->dirty, &pages));
    size_t count = bs_ranges_pages(&dirty);
    bs_vector_fini(&dirty);
    return count;
}

/* Held writes that the thread which saves pages has heard of and not served when the writers are stopped. */
static void should_open_nothing_behind_a_look_back(void) {
    struct bs_restore restore;
    uint64_t next = FRAMES / 2 + 4, limit = now_after(PATIENCE_NS);
    begin(4);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    give_order(THREADS, 0, 1000);
    while (count_heard() == 0) {
        CHECK(bs_now_ns() < limit && next < FRAMES);
        if (bs_cow_pooled(process->cow) == 0) {
            CHECK_OK(bs_cow_feed(process->cow, (uint64_t) (uintptr_t) (frames + next++), 1, 0));
        }
        CHECK_OK(bs_process_wait(process, now_after(1000000), &event));
    }
    bs_cow_hold(process->cow);
    CHECK_OK(bs_process_halt(process));
    CHECK_OK(bs_process_look_back(process, &restore));
    size_t told = count_dirty();
    bs_cow_release(process->cow);
    bs_cow_urgent(process->cow, true);
    while (count_heard() > 0) {
        CHECK(bs_now_ns() < limit);
        sched_yield();
    }
    CHECK_OK(bs_process_restore_begin(process, c.state, &restore));
    CHECK(count_dirty() == told);
    end();
    PASSED("nothing is opened behind a look back");
}

static void should_leave_children_alone(void) {
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    carry_out_now(FORK, 0, 500);
    capture();
    CHECK(saved.lost == 0 && pre_image(0) == NULL && pre_image(499) == NULL);
    carry_out_now(WRITE, 0, 500);
    capture();
    check_saved(0, 500);
    end();
    PASSED("children are left alone");
}

static void should_let_waiting_writers_go_when_it_ends(void) {
    for (int way = 0; way < 3; way++) {
        begin(3);
        capture();
        CHECK_OK(bs_process_resume(process, 0));
        give_order(way == 2 ? READ_INTO : WRITE, 0, 1500);
        CHECK_OK(bs_process_wait(process, now_after(20000000), &event));
        CHECK(shared->order != NONE);
        pid_t pid = bs_process_pid(process);
        if (way == 0) {
            bs_process_untrack(process);
            await_done();
            end();
            continue;
        }
        bs_process_close(process);
        bs_cow_close(cow);
        for (uint64_t limit = now_after(PATIENCE_NS); shared->order != NONE;) {
            CHECK(bs_now_ns() < limit);
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    begin(3);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    give_order(READ_INTO, 0, 1500);
    CHECK_OK(bs_process_wait(process, now_after(20000000), &event));
    end(); /* killed */
    PASSED("waiting writers are let go");
}

static void should_leave_predicted_pages_open(void) {
    struct bs_range predicted = {page_of(50), page_of(60)};
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    carry_out_now(WRITE, 40, 15);
    c = (struct bs_capture){.frames = (uint64_t) (uintptr_t) frames,
                            .frame_count = FRAMES / 2,
                            .predicted = (uint64_t) (uintptr_t) &predicted,
                            .predicted_count = 1};
    CHECK(bs_process_capture(process, &c) == 0);
    CHECK_OK(bs_cow_saved(process->cow, 0, 0, &saved));
    check_saved(40, 15);
    uint64_t copied = 0;
    for (uint64_t i = 0; i < c.page_count; i++) {
        copied += ((const uint64_t *) (uintptr_t) c.pages)[i] >= page_of(0);
    }
    CHECK(copied >= 5);
    carry_out_now(WRITE, 50, 5);
    capture();
    for (uint64_t i = 50; i < 55; i++) {
        CHECK(pre_image(i) == NULL);
    }
    CHECK(saved.lost == 0 && saved.released_count == 1);
    CHECK(((const struct bs_range *) (uintptr_t) saved.released)->first == page_of(50));
    carry_out_now(WRITE, 50, 5);
    capture();
    CHECK(pre_image(50) && *pre_image(50) == 101);
    end();
    PASSED("predicted pages are left open");
}

/* What a first write costs its writer, the least of some rounds; for the record. */
static void measure(const char *how, uint64_t step, uint64_t count) {
    uint64_t least[2] = {UINT64_MAX, UINT64_MAX}; /* the first writes of an interval, and writes to the same pages again */
    begin(PAGES);
    capture();
    CHECK_OK(bs_process_resume(process, 0));
    for (int round = 0; round < 20; round++) {
        for (int again = 0; again < 2; again++) {
            shared->first = 0;
            shared->count = count;
            shared->step = step;
            shared->value = 5;
            shared->order = WRITE;
            await_done();
            least[again] = shared->took_ns < least[again] ? shared->took_ns : least[again];
        }
        capture();
        for (uint64_t k = 0; hold && k < saved.count; k++) {
            uint64_t *frame = (uint64_t *) (uintptr_t) saved.frames + k;
            if (*frame) {
                CHECK_OK(bs_cow_feed(process->cow, (uint64_t) (uintptr_t) frame, 1, 0));
            }
        }
    }
    printf("%s: %.2f us a page\n", how, (double) (least[0] - least[1]) / 1000 / (double) count);
    end();
}

int main(int argc, char **argv) {
    (void) argv;
    setvbuf(stdout, NULL, _IOLBF, 0);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    arena = mmap(NULL, FRAMES * BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory = mmap(NULL, 2 * PAGES * BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK((void *) shared != MAP_FAILED && arena != MAP_FAILED && memory != MAP_FAILED);
    madvise(memory, 2 * PAGES * BS_PAGE_SIZE, MADV_NOHUGEPAGE);
    patch = mmap(NULL, 3 * BS_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(patch != MAP_FAILED);
    patch += BS_PAGE_SIZE;
    CHECK(mprotect(patch, BS_PAGE_SIZE, PROT_READ | PROT_WRITE) == 0);
    madvise(patch, BS_PAGE_SIZE, MADV_NOHUGEPAGE);
    for (uint64_t i = 0; i < FRAMES; i++) {
        frames[i] = (uint64_t) (uintptr_t) arena + i * BS_PAGE_SIZE;
    }
    if (argc > 2) {
        measure("held writes, scattered", 3, 600);
        measure("held writes, one after the other", 1, 1800);
        hold = 0;
        measure("noted writes, scattered", 3, 600);
        measure("noted writes, one after the other", 1, 1800);
        return 0;
    }
    should_save_each_page_at_its_first_write();
    should_hold_writes_of_the_kernel();
    should_save_for_many_threads();
    should_wait_for_frames_and_ask_for_them();
    should_stop_though_no_frame_is_left();
    should_wait_for_a_slow_handler();
    should_tell_that_memory_was_given_back();
    should_tell_that_marks_were_left_behind();
    should_save_ahead_only_what_is_registered();
    should_refuse_a_rollback_behind_memory_given_back();
    should_open_nothing_behind_a_look_back();
    should_leave_children_alone();
    should_let_waiting_writers_go_when_it_ends();
    should_leave_predicted_pages_open();
    return 0;
}
