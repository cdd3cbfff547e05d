// SPDX-License-Identifier: Apache-2.0
/* A process with memory of three kinds, which writes to it and gives it back at random when it is told to. */
#ifndef BS_TEST_MACHINE_H
#define BS_TEST_MACHINE_H

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "random.h"
#include "test.h"

#define PAGES 600 /* of each kind */
#define KINDS 3
#define ALL (KINDS * PAGES)

#define SPECIAL 2ULL /* a command */

enum kind { PRIVATE, SHARED, FILE_COPY };

static unsigned char *memory[KINDS]; /* mapped at the same place in the other process, which alone touches it */
static int files[KINDS];
static int commands[2], answers[2];
static pid_t machine;
static void (*special_order)(void); /* the process does this when it gets SPECIAL */
static int gives_copies_back; /* then what the file has is seen again */

/* ---- the machine's process --------------------------------------------------------------------------------------- */

static void give_back(int kind, uint64_t page) {
    uint64_t run = 1 + next_random() % 5;
    run = page + run > PAGES ? PAGES - page : run;
    if (kind == SHARED) { /* as QEMU discards memory of a memfd */
        CHECK(fallocate(files[kind], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) (page * BS_PAGE_SIZE),
                        (off_t) (run * BS_PAGE_SIZE)) == 0);
    }
    if (kind != FILE_COPY || gives_copies_back) {
        CHECK(madvise(memory[kind] + page * BS_PAGE_SIZE, run * BS_PAGE_SIZE, MADV_DONTNEED) == 0);
    }
}

static void disturb(int gives_back) {
    for (uint64_t i = next_random() % 90; i > 0; i--) {
        int kind = (int) (next_random() % KINDS);
        uint64_t page = next_random() % PAGES;
        unsigned char *bytes = memory[kind] + page * BS_PAGE_SIZE;
        if (next_random() % 8 == 0 && gives_back) {
            give_back(kind, page);
        } else if (next_random() % 4 == 0 && kind != SHARED) {
            volatile unsigned char byte = *bytes; /* reading is not writing */
            (void) byte;
        } else {
            bytes[next_random() % BS_PAGE_SIZE] = (unsigned char) next_random();
        }
    }
}

static void run_machine(void) {
    uint64_t command;
    while (read(commands[0], &command, sizeof command) == sizeof command) {
        seed = command & ~1ULL;
        if (command == SPECIAL) {
            special_order();
        } else {
            disturb((int) (command & 1));
        }
        CHECK(write(answers[1], "", 1) == 1);
    }
    _exit(0);
}

static void begin_to_carry_out(uint64_t command) {
    CHECK(write(commands[1], &command, sizeof command) == sizeof command);
}

static void await_carried_out(void) {
    char answer;
    CHECK(read(answers[0], &answer, 1) == 1);
}

static void let_carry_out(uint64_t command) {
    begin_to_carry_out(command);
    await_carried_out();
}

static uint64_t some_writes(int gives_back) {
    return (next_random() & ~1ULL) | (unsigned) gives_back;
}

static void let_write(int gives_back) {
    let_carry_out(some_writes(gives_back));
}

static void let_disturb(void) {
    let_write(1);
}

static void look(unsigned char (*into)[BS_PAGE_SIZE]) {
    for (int kind = 0; kind < KINDS; kind++) {
        struct iovec ours = {into + kind * PAGES, PAGES * BS_PAGE_SIZE}, theirs = {memory[kind], PAGES * BS_PAGE_SIZE};
        if (kind == SHARED) { /* to read holes through a mapping would fill them */
            CHECK(pread(files[kind], into + kind * PAGES, PAGES * BS_PAGE_SIZE, 0) == PAGES * BS_PAGE_SIZE);
            continue;
        }
        CHECK(process_vm_readv(machine, &ours, 1, &theirs, 1, 0) == PAGES * BS_PAGE_SIZE);
    }
}

static uint64_t number_of(uint64_t index) {
    return (uint64_t) (uintptr_t) memory[index / PAGES] / BS_PAGE_SIZE + index % PAGES;
}

static uint64_t index_of(uint64_t number) {
    for (uint64_t kind = 0; kind < KINDS; kind++) {
        uint64_t first = number_of(kind * PAGES);
        if (number >= first && number < first + PAGES) {
            return kind * PAGES + (number - first);
        }
    }
    CHECK(0 && "a page that is not tracked");
    return 0;
}

/* ---- set-up ------------------------------------------------------------------------------------------------------ */

/* One after the other, so that page numbers ascend with the kinds. */
static void map_memory(void) {
    unsigned char *room = mmap(NULL, (ALL + 2 * KINDS) * BS_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED);
    for (int kind = 0; kind < KINDS; kind++) {
        files[kind] = kind == PRIVATE ? -1 : memfd_create("memory", 0);
        CHECK(kind == PRIVATE || ftruncate(files[kind], PAGES * BS_PAGE_SIZE) == 0);
        int flags = MAP_FIXED | (kind == SHARED ? MAP_SHARED : MAP_PRIVATE) | (kind == PRIVATE ? MAP_ANONYMOUS : 0);
        memory[kind] = mmap(room + kind * (PAGES + 2) * BS_PAGE_SIZE, PAGES * BS_PAGE_SIZE, PROT_READ | PROT_WRITE,
                            flags, files[kind], 0);
        CHECK(memory[kind] != MAP_FAILED);
    }
    for (uint64_t page = 0; page < PAGES; page += 3) { /* content that the machine has not looked at yet */
        uint64_t word = page + 1;
        CHECK(pwrite(files[SHARED], &word, sizeof word, (off_t) (page * BS_PAGE_SIZE)) == sizeof word);
        CHECK(pwrite(files[FILE_COPY], &word, sizeof word, (off_t) (page * BS_PAGE_SIZE)) == sizeof word);
    }
}

static void start_machine(void) {
    CHECK(pipe(commands) == 0 && pipe(answers) == 0);
    machine = fork();
    if (machine == 0) {
        close(commands[1]);
        run_machine();
    }
}

#endif
