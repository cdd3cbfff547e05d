// SPDX-License-Identifier: Apache-2.0
//
// Tests: giving up. A fault that is part of the program comes back after every rollback, so the engine must escalate,
// run out of checkpoints, say so, and let the fault take its course: the process ends by that very signal.
//
// Computes for STEPS steps, printing ten progress lines, and then fails. With `none` it ends well.
//
// usage: crasher SEED STEPS [segv | abrt | fpe | ill | bus | sys | none]
#include "victim.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { TABLE_WORDS = 1 << 16, WRITES_PER_STEP = 900000 };

static uint64_t table[TABLE_WORDS];

static void fail_segv(void)
{
    volatile uint64_t *nowhere = NULL;
    __asm__ volatile("" : "+r"(nowhere));
    *nowhere = 1;
}

static void fail_fpe(void)
{
    uint32_t quotient = 1, remainder = 0, divisor = 0;
    __asm__ volatile("divl %2" : "+a"(quotient), "+d"(remainder) : "r"(divisor));
}

static void fail_ill(void)
{
    __asm__ volatile("ud2");
}

/* A page of a mapped file that lies beyond the file's end. */
static void fail_bus(void)
{
    int descriptor = memfd_create("crasher", MFD_CLOEXEC);
    NEED(descriptor >= 0, "memfd_create");
    volatile char *beyond = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0);
    NEED(beyond != MAP_FAILED, "mmap");
    *beyond = 1;
}

/* Turns one obsolete system call into SIGSYS, and calls it. */
static void fail_sys(void)
{
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uselib, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof instructions / sizeof instructions[0], .filter = instructions};
    NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "prctl(PR_SET_NO_NEW_PRIVS)");
    NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "prctl(PR_SET_SECCOMP)");
    syscall(SYS_uselib, NULL);
}

static const struct {
    const char *name;
    void (*fail)(void);
} failures[] = {
    {"segv", fail_segv}, {"abrt", abort}, {"fpe", fail_fpe}, {"ill", fail_ill}, {"bus", fail_bus}, {"sys", fail_sys},
};

static void (*failure_named(const char *name))(void)
{
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        if (strcmp(name, failures[i].name) == 0) {
            return failures[i].fail;
        }
    }
    if (strcmp(name, "none") != 0) {
        victim_usage("no such failure");
    }
    return NULL;
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [segv|abrt|fpe|ill|bus|sys|none]");
    struct rng rng = {victim_seed()};
    uint64_t steps = victim_steps();
    void (*fail)(void) = failure_named(victim_word(2, "segv"));
    uint64_t sum = 0;

    for (uint64_t i = 0; i < steps; i++) {
        for (int w = 0; w < WRITES_PER_STEP; w++) {
            uint64_t value = rng_next(&rng);
            uint64_t *word = &table[value % TABLE_WORDS];
            sum += value - *word;
            *word = value;
        }
        if (i * 10 / steps != (i + 1) * 10 / steps) {
            printf("crasher: %" PRIu64 " tenths, sum %016" PRIx64 "\n", (i + 1) * 10 / steps, sum);
            fflush(stdout);
        }
    }
    for (size_t i = 0; i < TABLE_WORDS; i++) {
        sum -= table[i];
    }
    CHECK(sum == 0, "table and its sum differ by %016" PRIx64, sum);
    if (fail) {
        fail();
        victim_broken(__LINE__, "still running after the failure");
    }
    return victim_finish(digest_words(DIGEST_START, table, TABLE_WORDS));
}
