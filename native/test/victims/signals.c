// SPDX-License-Identifier: Apache-2.0
//
// Tests: a program that lives with signals of its own - masks, handler frames, an alternate stack, and faults that it
// handles itself, which are no errors.
//
// A timer ticks by SIGALRM; critical sections block it and leave a pair of words unequal while they do, which the
// handler would notice. SIGUSR1 is sent to itself, blocked and unblocked. A guarded area is protected at the start of a
// round and unprotected page by page by its own SIGSEGV handler on an alternate stack; the number of faults is exact.
// A rollback that forgets a thread's signal mask lets a tick into a critical section; one that forgets protections
// changes the number of faults; a detector that takes every SIGSEGV for an error rolls back a program that is well.
//
// The number of ticks depends on time and stays out of the output. A signal that is pending at a checkpoint may be lost
// or come twice after a rollback: SIGUSR1 is sent again when its handler has not run. With --strict that is broken.
//
// usage: signals SEED STEPS [microseconds between ticks, 1000; 0 for none] [--strict]
#include "victim.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum { GUARDED_PAGES = 64, TABLE_WORDS = 16384, ALTERNATE_BYTES = 65536, RESENDS_MAX = 1000 };
enum { SECTIONS_PER_STEP = 1100, REQUESTS_EVERY = 300, GUARDED_EVERY = 4 };

static struct rng rng;
static uint64_t digest = DIGEST_START;
static bool strict;
static sigset_t section_signals;

/* Changed only inside critical sections; equal outside them. */
static volatile uint64_t left, right;
static volatile sig_atomic_t in_section;

static volatile uint64_t ticks, ticks_mirror;
static volatile uint64_t requested, handled;
static volatile uint64_t requests_digest = DIGEST_START;

static char *guarded;
static uint64_t guarded_words[GUARDED_PAGES];
static volatile sig_atomic_t page_protected[GUARDED_PAGES];
static volatile uint64_t faults;
static char alternate[ALTERNATE_BYTES] __attribute__((aligned(4096)));

static uint64_t table[TABLE_WORDS];
static uint64_t table_sum;

/* Handlers run with both signals blocked, sections too. */
static void check_mask(bool blocked)
{
    sigset_t mask;
    CHECK_CALL(sigprocmask(SIG_SETMASK, NULL, &mask));
    CHECK(sigismember(&mask, SIGALRM) == blocked && sigismember(&mask, SIGUSR1) == blocked,
          "signal mask: SIGALRM %d SIGUSR1 %d, expected %d", sigismember(&mask, SIGALRM), sigismember(&mask, SIGUSR1),
          blocked);
}

static void on_tick(int signal)
{
    CHECK(!in_section, "signal %d inside a section that blocks it", signal);
    CHECK(left == right, "tick: pair %016" PRIx64 " and %016" PRIx64 " outside a section", left, right);
    CHECK(ticks == ticks_mirror, "tick: %" PRIu64 " ticks, mirror %" PRIu64, ticks, ticks_mirror);
    ticks++;
    ticks_mirror++;
    check_mask(true);
}

/* May run once too often after a rollback: only a request not yet handled counts. */
static void on_request(int signal)
{
    CHECK(!in_section, "signal %d inside a section that blocks it", signal);
    if (handled != requested) {
        handled = requested;
        requests_digest = digest_word(requests_digest, requested);
    }
    check_mask(true);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    char here;
    volatile char *local = &here;
    CHECK((uintptr_t)local - (uintptr_t)alternate < ALTERNATE_BYTES, "fault handled outside the alternate stack");
    uintptr_t offset = (uintptr_t)info->si_addr - (uintptr_t)guarded;
    CHECK(offset < GUARDED_PAGES * PAGE_BYTES, "fault outside the guarded area");
    size_t page = offset / PAGE_BYTES;
    CHECK(page_protected[page], "fault on guarded page %zu, which was unprotected", page);
    CHECK_CALL(mprotect(guarded + page * PAGE_BYTES, PAGE_BYTES, PROT_READ | PROT_WRITE));
    page_protected[page] = 0;
    faults++;
}

static void enter_section(void)
{
    CHECK_CALL(sigprocmask(SIG_BLOCK, &section_signals, NULL));
    in_section = 1;
}

static void leave_section(void)
{
    in_section = 0;
    CHECK_CALL(sigprocmask(SIG_UNBLOCK, &section_signals, NULL));
}

static void send_request(void)
{
    CHECK_CALL(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
}

/* Nothing is blocked: a request sent before this has been handled, unless a rollback lost it. */
static void await_request(void)
{
    for (int resends = 0; handled != requested; resends++) {
        CHECK(!strict && resends < RESENDS_MAX, "request %" PRIu64 " was not handled", requested);
        send_request();
    }
}

static void compute_in_section(void)
{
    enter_section();
    CHECK(left == right, "pair %016" PRIx64 " and %016" PRIx64 " at the start of a section", left, right);
    left = rng_next(&rng);
    for (int i = 0; i < 64; i++) {
        uint64_t *word = &table[rng_below(&rng, TABLE_WORDS)];
        uint64_t value = *word + left;
        table_sum += value - *word;
        *word = value;
    }
    check_mask(true);
    right = left;
    leave_section();
    digest = digest_word(digest, left);
}

static void request_unblocked(void)
{
    requested++;
    send_request();
    await_request();
}

static void request_blocked(void)
{
    enter_section();
    requested++;
    send_request();
    CHECK(handled != requested, "request %" PRIu64 " was handled while blocked", requested);
    leave_section();
    await_request();
    check_mask(false);
}

static void guarded_round(void)
{
    CHECK_CALL(mprotect(guarded, GUARDED_PAGES * PAGE_BYTES, PROT_READ));
    for (size_t i = 0; i < GUARDED_PAGES; i++) {
        page_protected[i] = 1;
    }
    uint64_t faults_before = faults, touched = 0, expected = 0;
    for (uint64_t writes = rng_between(&rng, 1, GUARDED_PAGES); writes > 0; writes--) {
        size_t page = rng_below(&rng, GUARDED_PAGES);
        expected += !(touched >> page & 1);
        touched |= UINT64_C(1) << page;
        volatile uint64_t *word = (volatile uint64_t *)(guarded + page * PAGE_BYTES) + page;
        CHECK(*word == guarded_words[page], "guarded page %zu holds %016" PRIx64 ", expected %016" PRIx64, page, *word,
              guarded_words[page]);
        guarded_words[page] = rng_next(&rng);
        *word = guarded_words[page];
    }
    CHECK(faults - faults_before == expected, "%" PRIu64 " faults in a round of %" PRIu64 " pages",
          faults - faults_before, expected);
    digest = digest_word(digest, faults);
}

static void verify_table(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < TABLE_WORDS; i++) {
        sum += table[i];
    }
    CHECK(sum == table_sum, "table sums to %016" PRIx64 ", expected %016" PRIx64, sum, table_sum);
}

static void step(uint64_t number)
{
    for (int i = 0; i < SECTIONS_PER_STEP; i++) {
        compute_in_section();
        if (i % REQUESTS_EVERY == 0) {
            request_unblocked();
            request_blocked();
        }
    }
    if (number % GUARDED_EVERY == 0) {
        guarded_round();
    }
    verify_table();
}

static void install(int signal, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_mask = section_signals, .sa_flags = SA_RESTART};
    NEED(sigaction(signal, &action, NULL) == 0, "sigaction");
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [TICK-US] [--strict]");
    rng.state = victim_seed();
    uint64_t steps = victim_steps();
    uint64_t tick_us = victim_number(2, 1000, 0, 999999);
    strict = victim_flag("--strict");

    guarded = mmap(NULL, GUARDED_PAGES * PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(guarded != MAP_FAILED, "mmap");
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    NEED(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    struct sigaction on_segv = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    NEED(sigaction(SIGSEGV, &on_segv, NULL) == 0, "sigaction");
    sigemptyset(&section_signals);
    sigaddset(&section_signals, SIGALRM);
    sigaddset(&section_signals, SIGUSR1);
    install(SIGALRM, on_tick);
    install(SIGUSR1, on_request);
    struct itimerval timer = {.it_interval.tv_usec = (suseconds_t)tick_us, .it_value.tv_usec = (suseconds_t)tick_us};
    NEED(setitimer(ITIMER_REAL, &timer, NULL) == 0, "setitimer");

    for (uint64_t i = 0; i < steps; i++) {
        step(i);
    }

    digest = digest_word(digest, requests_digest);
    return victim_finish(digest_words(digest, table, TABLE_WORDS));
}
