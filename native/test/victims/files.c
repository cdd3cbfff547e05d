// SPDX-License-Identifier: Apache-2.0
//
// Tests: descriptors of regular files - offsets, the length of a file that grows, and which descriptors exist.
//
// Reads an input file sequentially and after jumps through many descriptors, which are opened, closed, duplicated
// (sharing one offset) and replaced by dup2 at random; compares every byte with what it read at the start and every
// offset with its own notion. Appends to an output file, buffered and raw, and checks offset and length at each flush.
// A rollback that leaves offsets where they were makes reads skip and writes leave gaps or repeat; one that leaves
// the output long makes its length wrong.
//
// --no-churn opens every descriptor once at the start; --no-share never depends on two descriptors sharing an offset.
//
// usage: files SEED STEPS OUTPUT [INPUT, its own executable] [--no-churn] [--no-share]
#include "victim.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { SLOTS = 12, READ_MAX = 20000, OPERATIONS_PER_STEP = 2400, LINE_MAX_BYTES = 120 };

/* An offset is owned by an open file; descriptors made by dup share it. */
struct slot {
    int descriptor;
    unsigned owner;
};

static struct slot slots[SLOTS];
static uint64_t offsets[SLOTS];
static unsigned sharers[SLOTS];

static const char *input_path;
static unsigned char *input;
static size_t input_length;
static unsigned char buffer[READ_MAX];
static FILE *stream;
static uint64_t stream_offset;

static const char *output_path;
static FILE *output;
static uint64_t output_length;
static uint64_t output_digest = DIGEST_START;

static bool share = true;
static struct rng rng;
static uint64_t digest = DIGEST_START;

static uint64_t offset_of(int descriptor)
{
    off_t at = lseek(descriptor, 0, SEEK_CUR);
    CHECK(at >= 0, "lseek on descriptor %d: %s", descriptor, strerror(errno));
    return (uint64_t)at;
}

static void check_input(const unsigned char *bytes, size_t length, uint64_t at, const char *how)
{
    CHECK(at + length <= input_length, "%s: %zu bytes at %" PRIu64 ", beyond the end", how, length, at);
    CHECK(memcmp(bytes, input + at, length) == 0, "%s: %zu bytes at %" PRIu64 " differ from the file", how, length, at);
    digest = digest_word(digest, at ^ (uint64_t)length << 32 ^ (length > 0 ? (uint64_t)bytes[length / 2] << 56 : 0));
}

// ---- descriptors ----

static void open_slot(unsigned index)
{
    struct slot *slot = &slots[index];
    slot->descriptor = open(input_path, O_RDONLY | O_CLOEXEC);
    CHECK(slot->descriptor >= 0, "open %s: %s", input_path, strerror(errno));
    for (slot->owner = 0; sharers[slot->owner] > 0; slot->owner++) {
    }
    sharers[slot->owner] = 1;
    offsets[slot->owner] = 0;
}

/* Makes one slot a duplicate of another; dup2 closes what was there. */
static void duplicate_slot(unsigned from, unsigned to)
{
    if (slots[to].descriptor >= 0) {
        CHECK_CALL(dup2(slots[from].descriptor, slots[to].descriptor));
        sharers[slots[to].owner]--;
    } else {
        slots[to].descriptor = dup(slots[from].descriptor);
        CHECK(slots[to].descriptor >= 0, "dup: %s", strerror(errno));
    }
    slots[to].owner = slots[from].owner;
    sharers[slots[to].owner]++;
}

static void close_slot(unsigned index)
{
    CHECK_CALL(close(slots[index].descriptor));
    sharers[slots[index].owner]--;
    slots[index].descriptor = -1;
}

static void churn_slot(void)
{
    unsigned index = (unsigned)rng_below(&rng, SLOTS);
    unsigned other = (unsigned)rng_below(&rng, SLOTS);
    if (share && index != other && slots[other].descriptor >= 0 && rng_below(&rng, 3) == 0) {
        duplicate_slot(other, index);
    } else if (slots[index].descriptor >= 0) {
        close_slot(index);
    } else {
        open_slot(index);
    }
}

static void seek_slot(struct slot *slot)
{
    uint64_t *offset = &offsets[slot->owner];
    uint64_t wanted = rng_below(&rng, input_length);
    off_t got = -1;
    switch (rng_below(&rng, 3)) {
    case 0:
        got = lseek(slot->descriptor, (off_t)wanted, SEEK_SET);
        break;
    case 1:
        got = lseek(slot->descriptor, (off_t)wanted - (off_t)*offset, SEEK_CUR);
        break;
    default:
        got = lseek(slot->descriptor, (off_t)wanted - (off_t)input_length, SEEK_END);
    }
    CHECK(got == (off_t)wanted, "lseek went to %" PRId64 ", expected %" PRIu64, (int64_t)got, wanted);
    *offset = wanted;
}

static void read_slot(void)
{
    struct slot *slot = &slots[rng_below(&rng, SLOTS)];
    if (slot->descriptor < 0) {
        return;
    }
    uint64_t *offset = &offsets[slot->owner];
    CHECK(offset_of(slot->descriptor) == *offset, "descriptor %d at offset %" PRIu64 ", expected %" PRIu64,
          slot->descriptor, offset_of(slot->descriptor), *offset);
    if (*offset == input_length || rng_below(&rng, 4) == 0) {
        seek_slot(slot);
    }
    uint64_t left = input_length - *offset;
    size_t wanted = rng_magnitude(&rng, 2, 13);
    ssize_t got = read(slot->descriptor, buffer, wanted);
    CHECK(got == (ssize_t)(wanted < left ? wanted : left), "read of %zu bytes at %" PRIu64 " returned %zd: %s", wanted,
          *offset, got, got < 0 ? strerror(errno) : "wrong length");
    check_input(buffer, (size_t)got, *offset, "read");
    *offset += (uint64_t)got;
}

static void read_at(void)
{
    const struct slot *slot = &slots[rng_below(&rng, SLOTS)];
    if (slot->descriptor < 0) {
        return;
    }
    uint64_t at = rng_below(&rng, input_length);
    ssize_t got = pread(slot->descriptor, buffer, 512, (off_t)at);
    CHECK(got == (ssize_t)(input_length - at < 512 ? input_length - at : 512), "pread at %" PRIu64 " returned %zd", at,
          got);
    check_input(buffer, (size_t)got, at, "pread");
}

static void read_stream(void)
{
    if (stream_offset == input_length || rng_below(&rng, 8) == 0) {
        stream_offset = rng_below(&rng, input_length);
        CHECK_CALL(fseeko(stream, (off_t)stream_offset, SEEK_SET));
    }
    uint64_t left = input_length - stream_offset;
    size_t wanted = rng_between(&rng, 1, 700);
    size_t got = fread(buffer, 1, wanted, stream);
    CHECK(got == (wanted < left ? wanted : left), "fread of %zu bytes at %" PRIu64 " returned %zu", wanted,
          stream_offset, got);
    check_input(buffer, got, stream_offset, "fread");
    stream_offset += got;
}

// ---- the output ----

static void check_output(void)
{
    struct stat status;
    CHECK_CALL(fstat(fileno(output), &status));
    CHECK((uint64_t)status.st_size == output_length, "output has %" PRId64 " bytes, expected %" PRIu64,
          (int64_t)status.st_size, output_length);
    CHECK(offset_of(fileno(output)) == output_length, "output at offset %" PRIu64 ", expected %" PRIu64,
          offset_of(fileno(output)), output_length);
}

static size_t compose(char *line)
{
    int length = snprintf(line, LINE_MAX_BYTES, "%" PRIu64 " %016" PRIx64 " %.*s\n", output_length, rng_next(&rng),
                          (int)rng_below(&rng, 60), "............................................................");
    output_length += (uint64_t)length;
    output_digest = digest_bytes(output_digest, line, (size_t)length);
    return (size_t)length;
}

static void append(void)
{
    char line[LINE_MAX_BYTES];
    size_t length = compose(line);
    CHECK(fwrite(line, 1, length, output) == length, "fwrite: %s", strerror(errno));
    if (rng_below(&rng, 8) == 0) {
        CHECK_CALL(fflush(output));
        check_output();
        length = compose(line);
        CHECK(write(fileno(output), line, length) == (ssize_t)length, "write: %s", strerror(errno));
        check_output();
    }
}

/*
 * Opens the output anew and goes on at its end, either by O_APPEND or by seeking there. Only then the old one is
 * closed: of a file that is not open at a checkpoint, the length of then may not be known.
 */
static void reopen_output(void)
{
    FILE *before = output;
    CHECK_CALL(fflush(before));
    output = fopen(output_path, rng_below(&rng, 2) == 0 ? "a" : "r+");
    CHECK(output, "reopen %s: %s", output_path, strerror(errno));
    CHECK_CALL(fseeko(output, 0, SEEK_END));
    CHECK_CALL(fclose(before));
    check_output();
}

static void verify_output(void)
{
    CHECK_CALL(fflush(output));
    check_output();
    int descriptor = open(output_path, O_RDONLY | O_CLOEXEC);
    CHECK(descriptor >= 0, "open %s: %s", output_path, strerror(errno));
    uint64_t found = DIGEST_START, length = 0;
    ssize_t got;
    while ((got = read(descriptor, buffer, sizeof buffer)) > 0) {
        found = digest_bytes(found, buffer, (size_t)got);
        length += (uint64_t)got;
    }
    CHECK(got == 0, "read %s: %s", output_path, strerror(errno));
    CHECK(length == output_length && found == output_digest, "output: %" PRIu64 " bytes, digest %016" PRIx64
          "; expected %" PRIu64 " bytes, digest %016" PRIx64, length, found, output_length, output_digest);
    CHECK_CALL(close(descriptor));
}

static void operate(bool churn)
{
    uint64_t choice = rng_below(&rng, 10000);
    if (choice < 5500) {
        read_slot();
    } else if (choice < 7000) {
        read_at();
    } else if (choice < 9830) {
        read_stream();
    } else if (choice < 9900) {
        append();
    } else if (churn && choice < 9998) {
        churn_slot();
    } else if (churn) {
        reopen_output();
    }
}

static void load_input(void)
{
    int descriptor = open(input_path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    NEED(descriptor >= 0 && fstat(descriptor, &status) == 0, input_path);
    input_length = (size_t)status.st_size;
    input = malloc(input_length + 1);
    NEED(input_length > 0 && input, "an input that is not empty");
    for (size_t done = 0; done < input_length;) {
        ssize_t got = read(descriptor, input + done, input_length - done);
        NEED(got > 0, input_path);
        done += (size_t)got;
    }
    close(descriptor);
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS OUTPUT [INPUT] [--no-churn] [--no-share]");
    rng.state = victim_seed();
    uint64_t steps = victim_steps();
    output_path = victim_word(2, NULL);
    if (!output_path) {
        victim_usage("OUTPUT is missing");
    }
    input_path = victim_word(3, "/proc/self/exe");
    bool churn = !victim_flag("--no-churn");
    share = !victim_flag("--no-share");
    load_input();
    output = fopen(output_path, "w");
    NEED(output, output_path);
    stream = fopen(input_path, "r");
    NEED(stream, input_path);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (share && i % 3 == 2) {
            slots[i].descriptor = -1;
            duplicate_slot(i - 1, i);
        } else {
            open_slot(i);
        }
    }

    for (uint64_t i = 0; i < steps * OPERATIONS_PER_STEP; i++) {
        operate(churn);
    }

    verify_output();
    digest = digest_word(digest, output_digest);
    fclose(stream);
    fclose(output);
    free(input);
    return victim_finish(digest);
}
