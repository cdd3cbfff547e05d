// SPDX-License-Identifier: Apache-2.0
//
// Tests: threads that are inside a blocking system call when they are frozen or rolled back.
//
// Created once, never ending: a sleeper (nanosleep, clock_nanosleep), a poller (poll, ppoll with a timeout on a pipe
// that stays quiet), a pair that waits for each other's turn (futex through condition variables, with and without
// timeout), and a reader blocked in read on a pipe. Each judges what its call returned: a wait that timed out must have
// lasted its time, a quiet pipe must not be readable, a turn must come in order. A rollback that restores a
// thread without restarting its call makes a call return garbage; one that lets the kernel restart the call the thread
// was in later, instead of the one in the checkpoint, makes a wait end early or never.
//
// The content of a pipe is kernel state and is not rolled back. In `idle` the reader's pipe is empty until the very
// end, and then gets equal bytes until the reader has noticed, so a rollback is harmless at any moment. In
// `traffic` a writer sends numbered messages through it: fit for captures, not for rollbacks across a message.
//
// EINTR from sleep, poll and read is tolerated, as POSIX allows it; with --strict it counts as broken, which is what
// captures without a rollback should satisfy.
//
// usage: blocking SEED STEPS [idle | traffic] [--strict]
#include "victim.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum { WAIT_MAX_US = 12000, RETURN_MAX_US = 6000, RALLY_MAX = 8, MESSAGE_WORDS = 8, WORKERS = 5 };
#define PATIENCE_NS INT64_C(2000000000)

static bool strict;
static uint64_t budget_us;
static int quiet_pipe[2];
static int reader_pipe[2];
static _Atomic uint64_t interruptions;
static uint64_t digests[WORKERS];
static uint64_t seeds[WORKERS];

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_cond_t never;
    unsigned count;
} finished = {.mutex = PTHREAD_MUTEX_INITIALIZER, .never = PTHREAD_COND_INITIALIZER};

static void interrupted(const char *call)
{
    CHECK(!strict, "%s was interrupted", call);
    atomic_fetch_add(&interruptions, 1);
}

/* Ends a thread's work without ending the thread. */
_Noreturn static void park(void)
{
    pthread_mutex_lock(&finished.mutex);
    finished.count++;
    pthread_cond_broadcast(&finished.changed);
    for (;;) {
        pthread_cond_wait(&finished.never, &finished.mutex);
    }
}

static void lasted(const char *call, int64_t start_ns, int64_t least_ns)
{
    int64_t took_ns = monotonic_ns() - start_ns;
    CHECK(took_ns >= least_ns, "%s ended after %" PRId64 " ns of %" PRId64, call, took_ns, least_ns);
}

static void sleep_relative(int64_t ns)
{
    int64_t start_ns = monotonic_ns();
    struct timespec wanted = timespec_of_ns(ns);
    for (;;) {
        struct timespec left = wanted;
        if (nanosleep(&wanted, &left) == 0) {
            break;
        }
        CHECK(errno == EINTR, "nanosleep: %s", strerror(errno));
        interrupted("nanosleep");
        wanted = left;
    }
    lasted("nanosleep", start_ns, ns);
}

static void sleep_until(int64_t ns)
{
    int64_t start_ns = monotonic_ns();
    struct timespec deadline = timespec_of_ns(start_ns + ns);
    int error;
    while ((error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL)) != 0) {
        CHECK(error == EINTR, "clock_nanosleep: %s", strerror(error));
        interrupted("clock_nanosleep");
    }
    lasted("clock_nanosleep", start_ns, ns);
}

static void *sleeper(void *argument)
{
    unsigned index = *(unsigned *)argument;
    struct rng rng = {seeds[index]};
    for (uint64_t spent_us = 0; spent_us < budget_us;) {
        uint64_t us = rng_between(&rng, 1, WAIT_MAX_US);
        if (rng_below(&rng, 2) == 0) {
            sleep_relative((int64_t)us * 1000);
        } else {
            sleep_until((int64_t)us * 1000);
        }
        digests[index] = digest_word(digests[index], us);
        spent_us += us;
    }
    park();
}

static int wait_quiet(bool with_ppoll, int64_t timeout_ns)
{
    struct pollfd quiet = {.fd = quiet_pipe[0], .events = POLLIN};
    if (with_ppoll) {
        struct timespec timeout = timespec_of_ns(timeout_ns);
        return ppoll(&quiet, 1, &timeout, NULL);
    }
    return poll(&quiet, 1, (int)(timeout_ns / 1000000));
}

static void *poller(void *argument)
{
    unsigned index = *(unsigned *)argument;
    struct rng rng = {seeds[index]};
    for (uint64_t spent_us = 0; spent_us < budget_us;) {
        uint64_t ms = rng_between(&rng, 1, WAIT_MAX_US / 1000);
        bool with_ppoll = rng_below(&rng, 2);
        int64_t start_ns, timeout_ns = (int64_t)ms * 1000000;
        int ready;
        do {
            start_ns = monotonic_ns();
            ready = wait_quiet(with_ppoll, timeout_ns);
            CHECK(ready >= 0 || errno == EINTR, "poll: %s", strerror(errno));
            if (ready < 0) {
                interrupted("poll");
            }
        } while (ready < 0);
        CHECK(ready == 0, "poll returned %d on a quiet pipe", ready);
        lasted(with_ppoll ? "ppoll" : "poll", start_ns, timeout_ns);
        digests[index] = digest_word(digests[index], ms * 2 + with_ppoll);
        spent_us += ms * 1000;
    }
    park();
}

// ---- two threads that take turns; the server also waits on a condition nobody signals ----

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t served;
    pthread_cond_t returned;
    pthread_cond_t unsignalled;
    bool in_return;
    bool over;
    uint64_t exchanges;
    uint64_t ball;
} game = {.mutex = PTHREAD_MUTEX_INITIALIZER, .served = PTHREAD_COND_INITIALIZER};

/* Holds the game's mutex. */
static void wait_unsignalled(int64_t ns)
{
    int64_t start_ns = monotonic_ns();
    struct timespec deadline = timespec_of_ns(start_ns + ns);
    int error;
    while ((error = pthread_cond_timedwait(&game.unsignalled, &game.mutex, &deadline)) == 0) {
    }
    CHECK(error == ETIMEDOUT, "pthread_cond_timedwait: %s", strerror(error));
    lasted("pthread_cond_timedwait", start_ns, ns);
}

/* Holds the game's mutex. Far from timing out: it does so only if the kernel restarts some shorter wait instead. */
static void wait_returned(void)
{
    while (game.in_return) {
        int64_t start_ns = monotonic_ns();
        struct timespec deadline = timespec_of_ns(start_ns + PATIENCE_NS);
        int error = pthread_cond_timedwait(&game.returned, &game.mutex, &deadline);
        CHECK(error == 0 || error == ETIMEDOUT, "pthread_cond_timedwait: %s", strerror(error));
        if (error == ETIMEDOUT) {
            lasted("pthread_cond_timedwait", start_ns, PATIENCE_NS);
        }
    }
}

static void *serving(void *argument)
{
    unsigned index = *(unsigned *)argument;
    struct rng rng = {seeds[index]};
    pthread_mutex_lock(&game.mutex);
    for (uint64_t spent_us = 0; spent_us < budget_us;) {
        uint64_t us = rng_between(&rng, 1, WAIT_MAX_US);
        wait_unsignalled((int64_t)us * 1000);
        for (uint64_t rally = rng_between(&rng, 1, RALLY_MAX); rally > 0; rally--) {
            uint64_t sent = rng_next(&rng);
            game.ball = sent;
            game.in_return = true;
            pthread_cond_signal(&game.served);
            wait_returned();
            CHECK(game.ball == mix64(sent ^ game.exchanges), "exchange %" PRIu64 " returned %016" PRIx64,
                  game.exchanges, game.ball);
            digests[index] = digest_word(digests[index], game.ball);
            us += RETURN_MAX_US / 2;
        }
        spent_us += us;
    }
    game.over = true;
    pthread_cond_signal(&game.served);
    pthread_mutex_unlock(&game.mutex);
    park();
}

static void *returning(void *argument)
{
    unsigned index = *(unsigned *)argument;
    struct rng rng = {seeds[index]};
    pthread_mutex_lock(&game.mutex);
    while (!game.over) {
        if (!game.in_return) {
            pthread_cond_wait(&game.served, &game.mutex);
            continue;
        }
        pthread_mutex_unlock(&game.mutex);
        sleep_relative((int64_t)rng_between(&rng, 1, RETURN_MAX_US) * 1000);
        pthread_mutex_lock(&game.mutex);
        game.exchanges++;
        game.ball = mix64(game.ball ^ game.exchanges);
        game.in_return = false;
        digests[index] = digest_word(digests[index], game.ball);
        pthread_cond_signal(&game.returned);
    }
    pthread_mutex_unlock(&game.mutex);
    park();
}

// ---- the reader's pipe ----

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool noticed;
} reading = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void read_fully(void *buffer, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = read(reader_pipe[0], (char *)buffer + done, length - done);
        if (got < 0) {
            CHECK(errno == EINTR, "read: %s", strerror(errno));
            interrupted("read");
            continue;
        }
        CHECK(got > 0, "read: end of a pipe whose writing end is open");
        done += (size_t)got;
    }
}

static void *idle_reader(void *argument)
{
    unsigned index = *(unsigned *)argument;
    /* Left over from before a rollback, it may come early; it may not come from nowhere. */
    unsigned char byte = 0;
    read_fully(&byte, 1);
    CHECK(byte == 0x5a, "read returned byte %02x, expected 5a", byte);
    digests[index] = digest_word(digests[index], byte);
    pthread_mutex_lock(&reading.mutex);
    reading.noticed = true;
    pthread_cond_broadcast(&reading.changed);
    pthread_mutex_unlock(&reading.mutex);
    park();
}

/* Equal bytes, until one has been seen: whichever of them a rollback lets vanish or come twice, nobody can tell. */
static void wake_idle_reader(void)
{
    pthread_mutex_lock(&reading.mutex);
    while (!reading.noticed) {
        CHECK_CALL(write(reader_pipe[1], "\x5a", 1));
        struct timespec deadline = timespec_of_ns(monotonic_ns() + 50000000);
        pthread_cond_timedwait(&reading.changed, &reading.mutex, &deadline);
    }
    pthread_mutex_unlock(&reading.mutex);
}

static void fill_message(uint64_t *message, struct rng *rng, uint64_t number)
{
    message[0] = number;
    for (size_t i = 1; i < MESSAGE_WORDS; i++) {
        message[i] = rng_next(rng);
    }
}

static uint64_t traffic_messages(void)
{
    return budget_us / (WAIT_MAX_US / 2) + 1;
}

static void *traffic_reader(void *argument)
{
    unsigned index = *(unsigned *)argument;
    struct rng rng = {seeds[index]};
    for (uint64_t number = 0; number < traffic_messages(); number++) {
        uint64_t expected[MESSAGE_WORDS], found[MESSAGE_WORDS];
        fill_message(expected, &rng, number);
        read_fully(found, sizeof found);
        CHECK(memcmp(found, expected, sizeof found) == 0, "message %" PRIu64 " found, %" PRIu64 " expected", found[0],
              number);
        digests[index] = digest_words(digests[index], found, MESSAGE_WORDS);
    }
    park();
}

static void *traffic_writer(void *argument)
{
    unsigned index = *(unsigned *)argument;
    struct rng rng = {seeds[index]};
    struct rng waits = {seeds[index] + 1};
    for (uint64_t number = 0; number < traffic_messages(); number++) {
        uint64_t message[MESSAGE_WORDS];
        fill_message(message, &rng, number);
        sleep_relative((int64_t)rng_between(&waits, 1, WAIT_MAX_US) * 1000);
        ssize_t sent;
        while ((sent = write(reader_pipe[1], message, sizeof message)) < 0) {
            CHECK(errno == EINTR, "write: %s", strerror(errno));
            interrupted("write");
        }
        CHECK(sent == (ssize_t)sizeof message, "write of a message wrote %zd bytes", sent);
    }
    park();
}

static void start(void *(*body)(void *), unsigned *index)
{
    pthread_t thread;
    NEED((errno = pthread_create(&thread, NULL, body, index)) == 0, "pthread_create");
}

static void await_finished(unsigned count)
{
    pthread_mutex_lock(&finished.mutex);
    while (finished.count < count) {
        pthread_cond_wait(&finished.changed, &finished.mutex);
    }
    pthread_mutex_unlock(&finished.mutex);
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [idle|traffic] [--strict]");
    struct rng rng = {victim_seed()};
    budget_us = victim_steps() * 1000;
    bool traffic = strcmp(victim_word(2, "idle"), "traffic") == 0;
    strict = victim_flag("--strict");
    if (!traffic && strcmp(victim_word(2, "idle"), "idle") != 0) {
        victim_usage("neither idle nor traffic");
    }

    NEED(pipe(quiet_pipe) == 0 && pipe(reader_pipe) == 0, "pipe");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&game.unsignalled, &monotonic);
    pthread_cond_init(&game.returned, &monotonic);
    pthread_cond_init(&reading.changed, &monotonic);
    pthread_cond_init(&finished.changed, NULL);

    unsigned indexes[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) {
        indexes[i] = i;
        seeds[i] = rng_next(&rng);
        digests[i] = DIGEST_START;
    }
    start(sleeper, &indexes[0]);
    start(poller, &indexes[1]);
    start(serving, &indexes[2]);
    start(returning, &indexes[3]);
    if (traffic) {
        start(traffic_reader, &indexes[4]);
        start(traffic_writer, &indexes[4]);
        await_finished(6);
    } else {
        start(idle_reader, &indexes[4]);
        await_finished(4);
        wake_idle_reader();
        await_finished(5);
    }

    uint64_t digest = DIGEST_START;
    for (unsigned i = 0; i < WORKERS; i++) {
        digest = digest_word(digest, digests[i]);
    }
    return victim_finish(digest_word(digest, game.exchanges));
}
