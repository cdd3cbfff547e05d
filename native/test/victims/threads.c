// SPDX-License-Identifier: Apache-2.0
//
// Tests: registers, stacks and thread-local memory of many threads, rolled back together to one moment.
//
// N threads, created once, transfer amounts between accounts under pairs of mutexes, move amounts between atomic
// cells, update a pair of words under a reader-writer lock, and change data of their own. The sums are conserved. At
// the end of each phase they pass a token by condition variable and meet at a barrier, where one audits everything.
// If one thread were rolled back to another moment than the memory or the other threads, an amount would be moved twice
// or never, a lock would have no owner, or the barrier would never be full. Amounts do not depend on balances, so
// the final table does not depend on scheduling. No thread ends before the process does.
//
// usage: threads SEED STEPS [THREADS, 4]
#include "victim.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ACCOUNTS = 64, CELLS = 16, OWN_WORDS = 4096, THREADS_MAX = 64, STEPS_PER_PHASE = 16, WORK_PER_STEP = 40000 };

struct account {
    pthread_mutex_t mutex;
    uint64_t balance;
    uint64_t seal;
} __attribute__((aligned(64)));

struct worker {
    unsigned index;
    struct rng rng;
    uint64_t operations;
    uint64_t digest;
    uint64_t own_sum;
    uint64_t own[OWN_WORDS];
} __attribute__((aligned(PAGE_BYTES)));

static unsigned worker_count;
static uint64_t steps;
static uint64_t operations_per_step;
static struct worker *workers;
static __thread uint64_t local_operations;

static struct account accounts[ACCOUNTS];
static uint64_t total;

static _Atomic uint64_t cells[CELLS];
static _Atomic uint64_t all_operations;

static struct {
    pthread_rwlock_t lock;
    uint64_t value;
    uint64_t seal;
} pair = {.lock = PTHREAD_RWLOCK_INITIALIZER};

static pthread_barrier_t barrier;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t passed;
    unsigned holder;
    uint64_t chain;
} token = {.mutex = PTHREAD_MUTEX_INITIALIZER, .passed = PTHREAD_COND_INITIALIZER, .chain = DIGEST_START};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_cond_t never;
    unsigned count;
} finished = {.mutex = PTHREAD_MUTEX_INITIALIZER,
              .changed = PTHREAD_COND_INITIALIZER,
              .never = PTHREAD_COND_INITIALIZER};

static uint64_t account_seal(size_t index)
{
    return mix64(accounts[index].balance ^ (index << 48));
}

static void verify_account(size_t index)
{
    CHECK(accounts[index].seal == account_seal(index), "account %zu: balance %" PRIu64 " does not match its seal",
          index, accounts[index].balance);
}

static void transfer(struct worker *worker)
{
    size_t from = rng_below(&worker->rng, ACCOUNTS);
    size_t to = (from + rng_between(&worker->rng, 1, ACCOUNTS - 1)) % ACCOUNTS;
    uint64_t amount = rng_below(&worker->rng, 1000);
    size_t first = from < to ? from : to;
    size_t second = from < to ? to : from;
    pthread_mutex_lock(&accounts[first].mutex);
    pthread_mutex_lock(&accounts[second].mutex);
    verify_account(from);
    verify_account(to);
    accounts[from].balance -= amount;
    accounts[from].seal = account_seal(from);
    accounts[to].balance += amount;
    accounts[to].seal = account_seal(to);
    pthread_mutex_unlock(&accounts[second].mutex);
    pthread_mutex_unlock(&accounts[first].mutex);
    worker->digest = digest_word(worker->digest, from * ACCOUNTS + to + (amount << 16));
}

static void move_atomically(struct worker *worker)
{
    uint64_t amount = rng_next(&worker->rng);
    atomic_fetch_add(&cells[amount % CELLS], amount);
    _Atomic uint64_t *cell = &cells[(amount >> 32) % CELLS];
    uint64_t seen = atomic_load(cell);
    while (!atomic_compare_exchange_weak(cell, &seen, seen - amount)) {
    }
}

static void use_pair(struct worker *worker)
{
    if (rng_below(&worker->rng, 8) == 0) {
        pthread_rwlock_wrlock(&pair.lock);
        pair.value += rng_below(&worker->rng, 100);
        pair.seal = mix64(pair.value);
    } else {
        pthread_rwlock_rdlock(&pair.lock);
    }
    CHECK(pair.seal == mix64(pair.value), "pair: value %" PRIu64 " does not match its seal", pair.value);
    pthread_rwlock_unlock(&pair.lock);
}

static void change_own(struct worker *worker)
{
    uint64_t *word = &worker->own[rng_below(&worker->rng, OWN_WORDS)];
    uint64_t value = rng_next(&worker->rng);
    worker->own_sum += value - *word;
    worker->digest = digest_word(worker->digest, *word);
    *word = value;
}

static void operate(struct worker *worker)
{
    uint64_t choice = rng_below(&worker->rng, 16);
    if (choice < 5) {
        transfer(worker);
    } else if (choice < 8) {
        move_atomically(worker);
    } else if (choice < 9) {
        use_pair(worker);
    } else {
        change_own(worker);
    }
    worker->operations++;
    local_operations++;
    atomic_fetch_add_explicit(&all_operations, 1, memory_order_relaxed);
}

static void verify_own(const struct worker *worker)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < OWN_WORDS; i++) {
        sum += worker->own[i];
    }
    CHECK(sum == worker->own_sum, "thread %u: own data sum %016" PRIx64 ", expected %016" PRIx64, worker->index, sum,
          worker->own_sum);
    CHECK(local_operations == worker->operations, "thread %u: %" PRIu64 " operations in thread-local memory, %" PRIu64
          " expected", worker->index, local_operations, worker->operations);
}

/* Takes every lock in order, so it may run beside transfers. */
static void audit_running(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        pthread_mutex_lock(&accounts[i].mutex);
        verify_account(i);
        sum += accounts[i].balance;
    }
    for (size_t i = ACCOUNTS; i-- > 0;) {
        pthread_mutex_unlock(&accounts[i].mutex);
    }
    CHECK(sum == total, "accounts hold %" PRIu64 ", expected %" PRIu64, sum, total);
}

/* Runs while every other thread waits at the barrier. */
static void audit_still(uint64_t steps_done)
{
    audit_running();
    uint64_t sum = 0;
    for (size_t i = 0; i < CELLS; i++) {
        sum += atomic_load(&cells[i]);
    }
    CHECK(sum == 0, "atomic cells sum to %016" PRIx64 ", expected 0", sum);
    uint64_t expected = steps_done * operations_per_step * worker_count;
    CHECK(atomic_load(&all_operations) == expected, "%" PRIu64 " operations after %" PRIu64 " steps, expected %" PRIu64,
          atomic_load(&all_operations), steps_done, expected);
    CHECK(token.holder == worker_count, "token with %u at the barrier, expected %u", token.holder, worker_count);
    token.holder = 0;
}

static void pass_token(struct worker *worker)
{
    pthread_mutex_lock(&token.mutex);
    while (token.holder != worker->index) {
        pthread_cond_wait(&token.passed, &token.mutex);
    }
    token.chain = digest_word(token.chain, worker->digest);
    token.holder++;
    pthread_cond_broadcast(&token.passed);
    pthread_mutex_unlock(&token.mutex);
}

/* Ends a thread's work without ending the thread. */
_Noreturn static void park(void)
{
    pthread_mutex_lock(&finished.mutex);
    finished.count++;
    pthread_cond_signal(&finished.changed);
    for (;;) {
        pthread_cond_wait(&finished.never, &finished.mutex);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    uint64_t done = 0;
    while (done < steps) {
        uint64_t phase = steps - done < STEPS_PER_PHASE ? steps - done : STEPS_PER_PHASE;
        for (uint64_t i = 0; i < phase * operations_per_step; i++) {
            operate(worker);
        }
        done += phase;
        verify_own(worker);
        if (rng_below(&worker->rng, 2) == 0) {
            audit_running();
        }
        pass_token(worker);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
            audit_still(done);
        }
        pthread_barrier_wait(&barrier);
    }
    park();
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [THREADS]");
    struct rng rng = {victim_seed()};
    steps = victim_steps();
    worker_count = (unsigned)victim_number(2, 4, 1, THREADS_MAX);
    operations_per_step = WORK_PER_STEP / worker_count;

    for (size_t i = 0; i < ACCOUNTS; i++) {
        pthread_mutex_init(&accounts[i].mutex, NULL);
        accounts[i].balance = 1000000 + rng_below(&rng, 1000000);
        accounts[i].seal = account_seal(i);
        total += accounts[i].balance;
    }
    pair.seal = mix64(pair.value);
    NEED((errno = pthread_barrier_init(&barrier, NULL, worker_count)) == 0, "pthread_barrier_init");
    workers = aligned_alloc(PAGE_BYTES, worker_count * sizeof *workers);
    NEED(workers, "aligned_alloc");
    memset(workers, 0, worker_count * sizeof *workers);
    for (unsigned i = 0; i < worker_count; i++) {
        workers[i].index = i;
        workers[i].rng.state = rng_next(&rng);
        workers[i].digest = DIGEST_START;
    }
    for (unsigned i = 0; i < worker_count; i++) {
        pthread_t thread;
        NEED((errno = pthread_create(&thread, NULL, work, &workers[i])) == 0, "pthread_create");
    }

    pthread_mutex_lock(&finished.mutex);
    while (finished.count < worker_count) {
        pthread_cond_wait(&finished.changed, &finished.mutex);
    }
    pthread_mutex_unlock(&finished.mutex);

    uint64_t digest = digest_word(token.chain, pair.value);
    for (size_t i = 0; i < ACCOUNTS; i++) {
        verify_account(i);
        digest = digest_word(digest, accounts[i].balance);
    }
    for (size_t i = 0; i < CELLS; i++) {
        digest = digest_word(digest, atomic_load(&cells[i]));
    }
    for (unsigned i = 0; i < worker_count; i++) {
        digest = digest_words(digest, workers[i].own, OWN_WORDS);
    }
    return victim_finish(digest);
}
