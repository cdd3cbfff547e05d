// SPDX-License-Identifier: Apache-2.0
//
// Tests: content of private memory, wherever it lives - heap, mmap, bss, data, stack.
//
// Random writes go to malloc'ed blocks of many sizes (freed, grown and allocated again, across malloc's mmap
// threshold), to pages of an anonymous mapping, of bss and of data, and to deep recursion. Each span of words has a
// seal, a digest kept elsewhere, and is verified at every later visit. A rollback that misses a page, or gives one page
// the content of another checkpoint than the rest, leaves a span that does not match its seal.
//
// usage: writers SEED STEPS [MIB of the mapping, 8]
#include "victim.h"

#include <sys/mman.h>

enum { BLOCKS = 384, BSS_PAGES = 256, DATA_PAGES = 64, DEPTH_MAX_LOG2 = 11, FRAME_WORDS = 96, VISITS_PER_STEP = 110 };

struct span {
    uint64_t *words;
    size_t count;
    uint64_t seal;
};

static uint64_t bss_words[BSS_PAGES * PAGE_WORDS] __attribute__((aligned(PAGE_BYTES)));
static uint64_t data_words[DATA_PAGES * PAGE_WORDS] __attribute__((aligned(PAGE_BYTES))) = {1, 2, 3};
static struct span bss_spans[BSS_PAGES];
static struct span data_spans[DATA_PAGES];
static struct span blocks[BLOCKS];
static struct span *map_spans;
static size_t map_pages;
static struct rng rng;
static uint64_t digest = DIGEST_START;

static void seal(struct span *span)
{
    span->seal = digest_words(DIGEST_START, span->words, span->count);
}

static void verify(const struct span *span, const char *where, size_t index)
{
    uint64_t found = digest_words(DIGEST_START, span->words, span->count);
    CHECK(found == span->seal, "%s %zu, %zu words: digest %016" PRIx64 ", expected %016" PRIx64, where, index,
          span->count, found, span->seal);
}

static void write_part(struct span *span)
{
    size_t start = rng_below(&rng, span->count);
    size_t length = 1 + rng_below(&rng, span->count - start);
    length = length < PAGE_WORDS ? length : PAGE_WORDS;
    for (size_t i = start; i < start + length; i++) {
        span->words[i] = rng_next(&rng);
    }
    seal(span);
    digest = digest_word(digest, span->seal);
}

static void visit(struct span *span, const char *where, size_t index)
{
    verify(span, where, index);
    write_part(span);
}

static void fill(struct span *span, size_t from)
{
    for (size_t i = from; i < span->count; i++) {
        span->words[i] = rng_next(&rng);
    }
    seal(span);
}

/* Words in a block: 16 bytes to 256 KiB, so that some come from brk and some from mmap. */
static size_t block_size(void)
{
    return rng_magnitude(&rng, 1, 15);
}

static void replace_block(struct span *block)
{
    free(block->words);
    block->count = block_size();
    block->words = malloc(block->count * 8);
    CHECK(block->words, "malloc of %zu words", block->count);
    fill(block, 0);
}

static void resize_block(struct span *block)
{
    size_t kept = block->count;
    uint64_t before = digest_words(DIGEST_START, block->words, kept / 2);
    block->count = kept / 2 + block_size();
    block->words = realloc(block->words, block->count * 8);
    CHECK(block->words, "realloc to %zu words", block->count);
    CHECK(digest_words(DIGEST_START, block->words, kept / 2) == before, "realloc of %zu words changed them", kept);
    fill(block, kept / 2);
    if (block->count > 40000) {
        replace_block(block);
    }
}

static void visit_block(void)
{
    size_t index = rng_below(&rng, BLOCKS);
    struct span *block = &blocks[index];
    visit(block, "heap block", index);
    uint64_t fate = rng_below(&rng, 8);
    if (fate == 0) {
        resize_block(block);
    } else if (fate <= 2) {
        replace_block(block);
    }
}

/* Each frame seals its own words, goes deeper, and verifies them on the way back. */
__attribute__((noinline)) static uint64_t descend(unsigned depth)
{
    uint64_t words[FRAME_WORDS];
    struct span frame = {.words = words, .count = FRAME_WORDS};
    uint64_t base = rng_next(&rng);
    for (size_t i = 0; i < FRAME_WORDS; i++) {
        words[i] = base + i * depth;
    }
    seal(&frame);
    uint64_t below = depth > 0 ? descend(depth - 1) : base;
    verify(&frame, "stack frame", depth);
    return digest_word(below, frame.seal);
}

static void step(void)
{
    for (int i = 0; i < VISITS_PER_STEP; i++) {
        uint64_t choice = rng_below(&rng, 100);
        if (choice < 45) {
            size_t index = rng_below(&rng, map_pages);
            visit(&map_spans[index], "mapped page", index);
        } else if (choice < 65) {
            size_t index = rng_below(&rng, BSS_PAGES);
            visit(&bss_spans[index], "bss page", index);
        } else if (choice < 75) {
            size_t index = rng_below(&rng, DATA_PAGES);
            visit(&data_spans[index], "data page", index);
        } else if (choice < 98) {
            visit_block();
        } else {
            digest = digest_word(digest, descend((unsigned)rng_magnitude(&rng, 3, DEPTH_MAX_LOG2)));
        }
    }
}

static void lay_spans(struct span *spans, uint64_t *words, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        spans[i] = (struct span){.words = words + i * PAGE_WORDS, .count = PAGE_WORDS};
        seal(&spans[i]);
    }
}

static void verify_all(const struct span *spans, size_t count, const char *where)
{
    for (size_t i = 0; i < count; i++) {
        verify(&spans[i], where, i);
        digest = digest_word(digest, spans[i].seal);
    }
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [MIB]");
    rng.state = victim_seed();
    uint64_t steps = victim_steps();
    map_pages = victim_number(2, 8, 1, 65536) * 256;

    uint64_t *map = mmap(NULL, map_pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(map != MAP_FAILED, "mmap");
    map_spans = calloc(map_pages, sizeof *map_spans);
    NEED(map_spans, "calloc");
    lay_spans(map_spans, map, map_pages);
    lay_spans(bss_spans, bss_words, BSS_PAGES);
    lay_spans(data_spans, data_words, DATA_PAGES);
    for (size_t i = 0; i < BLOCKS; i++) {
        replace_block(&blocks[i]);
    }

    for (uint64_t i = 0; i < steps; i++) {
        step();
    }

    verify_all(map_spans, map_pages, "mapped page");
    verify_all(bss_spans, BSS_PAGES, "bss page");
    verify_all(data_spans, DATA_PAGES, "data page");
    verify_all(blocks, BLOCKS, "heap block");
    for (size_t i = 0; i < BLOCKS; i++) {
        free(blocks[i].words);
    }
    free(map_spans);
    return victim_finish(digest);
}
