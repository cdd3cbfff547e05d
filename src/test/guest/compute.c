// SPDX-License-Identifier: Apache-2.0
//
// Computes over memory, and uses the timer, the disk and the network of a guest meanwhile. What it knows is there more
// than once, and is compared all the time:
//
//   memory   pages in pairs, the second with all bits inverted, and a digest of each; a step changes a few pairs
//   progress the step's number, three times
//   timer    a signal every 10 ms counts up two words, one inverted; the clock never goes back
//   disk     every 20 steps a record with its number goes to the next of 16 files and is synced; it and the oldest
//            record are read back past the page cache (only if /data is a disk)
//   network  every 10 steps a UDP packet goes to 10.0.2.2, port 4711 (only if there is a route):
//            "backstep SEED NUMBER STEP DIGEST", with numbers from 0 on
//
// Prints `step K digest D` every EVERY steps and `result D` at the end, which depend on the arguments only.
//
// usage: compute SEED STEPS [MIB, 8] [EVERY, 100]
#include "guest.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

enum {
    PAIRS_PER_STEP = 4,
    TICK_US = 10000,
    STEPS_PER_RECORD = 20,
    RECORD_FILES = 16,
    RECORD_WORDS = 16 * 1024 / 8,
    STEPS_PER_PACKET = 10,
    GATEWAY = 0x0a000202,
    GATEWAY_PORT = 4711,
};

static uint64_t seed;

// ---- memory ----

struct pair {
    uint64_t *words;
    uint64_t *inverted;
    uint64_t *digest;
};

static uint64_t *memory;
static uint64_t *digests;
static uint64_t pair_count;

static struct pair pair_at(uint64_t index)
{
    return (struct pair){.words = memory + index * PAGE_WORDS,
                         .inverted = memory + (pair_count + index) * PAGE_WORDS,
                         .digest = digests + index};
}

static void memory_fill(uint64_t mib)
{
    pair_count = mib * 1024 * 1024 / PAGE_BYTES / 2;
    memory = mmap(NULL, mib * 1024 * 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(memory != MAP_FAILED, "memory");
    NEED(digests = calloc(pair_count, sizeof *digests), "memory");
    struct rng rng = {.state = seed};
    for (uint64_t i = 0; i < pair_count; i++) {
        struct pair pair = pair_at(i);
        for (size_t w = 0; w < PAGE_WORDS; w++) {
            pair.words[w] = rng_next(&rng);
            pair.inverted[w] = ~pair.words[w];
        }
        *pair.digest = digest_words(DIGEST_START, pair.words, PAGE_WORDS);
    }
}

static void pair_verify(uint64_t index)
{
    struct pair pair = pair_at(index);
    for (size_t w = 0; w < PAGE_WORDS; w++) {
        HOLDS(pair.words[w] == ~pair.inverted[w], "page %" PRIu64 " word %zu: %016" PRIx64 " and %016" PRIx64, index, w,
              pair.words[w], ~pair.inverted[w]);
    }
    uint64_t digest = digest_words(DIGEST_START, pair.words, PAGE_WORDS);
    HOLDS(digest == *pair.digest, "page %" PRIu64 ": digest %016" PRIx64 " instead of %016" PRIx64, index, digest,
          *pair.digest);
}

static uint64_t pair_change(uint64_t index, uint64_t key)
{
    pair_verify(index);
    struct pair pair = pair_at(index);
    for (size_t w = 0; w < PAGE_WORDS; w++) {
        pair.words[w] = mix64(pair.words[w] + key + w);
        pair.inverted[w] = ~pair.words[w];
    }
    return *pair.digest = digest_words(DIGEST_START, pair.words, PAGE_WORDS);
}

// ---- time ----

static volatile sig_atomic_t ticks, ticks_inverted = ~0;
static int64_t latest_ns;

static void tick(int signal)
{
    (void)signal;
    HOLDS(ticks == ~ticks_inverted, "%d and %d timer signals", ticks, ~ticks_inverted);
    ticks++;
    ticks_inverted = ~ticks;
}

static void timer_start(void)
{
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    struct itimerval every = {.it_interval.tv_usec = TICK_US, .it_value.tv_usec = TICK_US};
    HOLDS_CALL(sigaction(SIGALRM, &action, NULL));
    HOLDS_CALL(setitimer(ITIMER_REAL, &every, NULL));
}

static void clock_verify(void)
{
    int64_t now_ns = monotonic_ns();
    HOLDS(now_ns >= latest_ns, "the clock went back by %" PRId64 " ns", latest_ns - now_ns);
    latest_ns = now_ns;
}

// ---- disk ----

static bool has_disk;
static uint64_t record[RECORD_WORDS], found[RECORD_WORDS];

static void disk_start(void)
{
    struct stat data, root;
    has_disk = stat("/data", &data) == 0 && stat("/", &root) == 0 && data.st_dev != root.st_dev;
    if (has_disk && mkdir("/data/compute", 0777) < 0) {
        HOLDS(errno == EEXIST, "mkdir: %s", strerror(errno));
    }
}

static uint64_t record_make(uint64_t number)
{
    struct rng rng = {.state = mix64(seed + number + 1)};
    record[0] = seed;
    record[1] = number;
    for (size_t w = 3; w < RECORD_WORDS; w++) {
        record[w] = rng_next(&rng);
    }
    return record[2] = digest_words(DIGEST_START, record + 3, RECORD_WORDS - 3);
}

static int record_open(uint64_t number, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/data/compute/record-%" PRIu64, number % RECORD_FILES);
    int fd = open(path, flags | O_CLOEXEC, 0666);
    HOLDS(fd >= 0, "%s: %s", path, strerror(errno));
    return fd;
}

/* Reads it from the disk itself: what the page cache keeps of it is dropped first. */
static void record_verify(uint64_t number)
{
    record_make(number);
    int fd = record_open(number, O_RDONLY);
    HOLDS(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
    read_all(fd, found, sizeof found, 0);
    close(fd);
    for (size_t w = 0; w < RECORD_WORDS; w++) {
        HOLDS(found[w] == record[w], "record %" PRIu64 " word %zu: %016" PRIx64 " instead of %016" PRIx64, number, w,
              found[w], record[w]);
    }
}

static uint64_t disk_step(uint64_t number)
{
    uint64_t digest = record_make(number);
    if (!has_disk) {
        return digest;
    }
    int fd = record_open(number, O_RDWR | O_CREAT);
    write_all(fd, record, sizeof record, 0);
    HOLDS_CALL(fsync(fd));
    close(fd);
    record_verify(number);
    if (number >= RECORD_FILES - 1) {
        record_verify(number - (RECORD_FILES - 1));
    }
    return digest;
}

// ---- network ----

static int udp = -1;

static void network_start(void)
{
    struct sockaddr_in gateway = {
        .sin_family = AF_INET, .sin_port = htons(GATEWAY_PORT), .sin_addr.s_addr = htonl(GATEWAY)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&gateway, sizeof gateway) == 0) {
        udp = fd;
    }
}

static void network_step(uint64_t number, uint64_t step, uint64_t digest)
{
    if (udp < 0) {
        return;
    }
    char text[128];
    int length = snprintf(text, sizeof text, "backstep %" PRIu64 " %" PRIu64 " %" PRIu64 " %016" PRIx64 "\n", seed,
                          number, step, digest);
    // Nobody needs to listen there: an earlier packet's refusal is told to the next one, which goes out when tried again.
    ssize_t sent = send(udp, text, (size_t)length, 0);
    if (sent < 0 && errno == ECONNREFUSED) {
        sent = send(udp, text, (size_t)length, 0);
    }
    HOLDS(sent == length || errno == ECONNREFUSED || errno == ENOBUFS, "send: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [MIB] [EVERY]");
    seed = victim_seed();
    uint64_t steps = victim_steps();
    uint64_t every = victim_number(3, 100, 1, UINT64_MAX);
    memory_fill(victim_number(2, 8, 1, 64 * 1024));
    disk_start();
    network_start();
    setvbuf(stdout, NULL, _IOLBF, 0);
    timer_start();

    struct rng rng = {.state = ~seed};
    uint64_t digest = DIGEST_START;
    volatile uint64_t progress[3] = {0};
    for (uint64_t step = 1; step <= steps; step++) {
        for (size_t i = 0; i < 3; i++) {
            HOLDS(progress[i] == step - 1, "step %" PRIu64 " after %" PRIu64, step, progress[i]);
            progress[i] = step;
        }
        for (size_t i = 0; i < PAIRS_PER_STEP; i++) {
            uint64_t index = rng_below(&rng, pair_count);
            digest = digest_word(digest, pair_change(index, digest));
        }
        clock_verify();
        if (step % STEPS_PER_RECORD == 0) {
            digest = digest_word(digest, disk_step(step / STEPS_PER_RECORD - 1));
        }
        if (step % STEPS_PER_PACKET == 0) {
            network_step(step / STEPS_PER_PACKET - 1, step, digest);
        }
        if (step % every == 0) {
            printf("step %" PRIu64 " digest %016" PRIx64 "\n", step, digest);
        }
    }
    for (uint64_t i = 0; i < pair_count; i++) {
        pair_verify(i);
        digest = digest_word(digest, *pair_at(i).digest);
    }
    printf("result %016" PRIx64 "\n", digest);
    return 0;
}
