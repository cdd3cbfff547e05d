// SPDX-License-Identifier: Apache-2.0
//
// Tests: the layout - which pages exist, with which protection, backed by what - together with their content.
//
// Random churn by mmap, munmap, mprotect, mremap, brk and madvise over three places: an arena of fixed addresses (maps
// appear, vanish, change protection, are replaced by MAP_FIXED, moved, come back), floating maps whose address the
// kernel chooses (they grow, shrink and move), and the heap's end by brk. Pages are anonymous, or private pages of a
// file, copied on write and shown as the file again after MADV_DONTNEED. A shadow model knows what each page must be.
// A rollback that puts back content without layout finds no page to write to, or one that is left over; one that does
// not notice pages that were dropped (MADV_DONTNEED, unmap and map again) shows stale bytes; one that forgets
// protections is found out by asking the kernel (process_vm_readv and a pread into the page must fail where they
// should).
//
// Nothing here uses malloc, so the end of brk is this program's own. With --strict a floating map that cannot be
// grown by mremap because it has become more than one mapping counts as broken; otherwise it is copied, as malloc does.
//
// usage: layout SEED STEPS [FILE with at least one whole page, its own executable] [--strict]
#include "victim.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum { ARENA_PAGES = 2048, RUN_MAX = 48, HUGE_PAGES = 512, FLOATS = 24, FLOAT_PAGES = 64, BRK_PAGES = 256 };
enum { FILE_PAGES_MAX = 64, OPERATIONS_PER_STEP = 24 };

#define ARENA_ADDRESS UINT64_C(0x200000000000)

enum kind { HOLE, ANONYMOUS, OF_FILE };

/* What a page must be. Seed 0: untouched, so zero or the file's content. */
struct page {
    uint64_t seed;
    uint16_t file_page;
    uint8_t kind;
    uint8_t protection;
};

struct floating {
    char *address;
    size_t count;
    struct page pages[FLOAT_PAGES];
};

static char *arena;
static struct page pages[ARENA_PAGES];
static struct floating floats[FLOATS];
static char *brk_start;
static size_t brk_count;
static struct page brk_pages[BRK_PAGES];

static int file = -1;
static size_t file_page_count;
static uint64_t file_words[FILE_PAGES_MAX][PAGE_WORDS];

static char output_buffer[4096];
static bool strict;
static struct rng rng;
static uint64_t digest = DIGEST_START;

// ---- one page ----

static uint64_t word_of(const struct page *page, size_t index)
{
    if (page->seed) {
        return page->seed + index * UINT64_C(0x9e3779b97f4a7c15);
    }
    return page->kind == OF_FILE ? file_words[page->file_page][index] : 0;
}

static void fill_page(char *address, struct page *page)
{
    uint64_t *words = (uint64_t *)address;
    page->seed = rng_next(&rng) | 1;
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        words[i] = word_of(page, i);
    }
}

static void verify_content(const char *address, const struct page *page, const char *where, size_t index)
{
    const volatile uint64_t *words = (const volatile uint64_t *)address;
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        uint64_t found = words[i];
        CHECK(found == word_of(page, i), "%s page %zu (%s) word %zu: found %016" PRIx64 ", expected %016" PRIx64, where,
              index, page->seed ? "written" : page->kind == OF_FILE ? "of file" : "zero", i, found, word_of(page, i));
    }
}

/* Whether the kernel would let this process read the page by an ordinary access. */
static bool readable(const char *address)
{
    uint64_t word;
    struct iovec here = {&word, sizeof word};
    struct iovec there = {(void *)(uintptr_t)address, sizeof word};
    ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
    CHECK(got == sizeof word || errno == EFAULT, "process_vm_readv: %s", strerror(errno));
    return got == sizeof word;
}

/* Only asked of pages that must not be writable: a wrong answer destroys the page, and is the end anyway. */
static bool writable(char *address)
{
    ssize_t got = pread(file, address, 8, 0);
    CHECK(got == 8 || errno == EFAULT, "pread: %s", strerror(errno));
    return got == 8;
}

static void verify_page(char *address, const struct page *page, const char *where, size_t index)
{
    if (page->kind == HOLE) {
        unsigned char present;
        CHECK(mincore(address, PAGE_BYTES, &present) != 0 && errno == ENOMEM, "%s page %zu is mapped, expected a hole",
              where, index);
        return;
    }
    if (page->protection & PROT_READ) {
        verify_content(address, page, where, index);
    } else {
        CHECK(!readable(address), "%s page %zu can be read, expected no access", where, index);
    }
    if (!(page->protection & PROT_WRITE)) {
        CHECK(!writable(address), "%s page %zu can be written, expected protection %d", where, index, page->protection);
    }
    digest = digest_word(digest, page->seed ^ (uint64_t)page->kind << 8 ^ (uint64_t)page->protection << 4);
}

// ---- runs of the arena ----

struct run {
    size_t start, count;
};

static char *arena_at(size_t index)
{
    return arena + index * PAGE_BYTES;
}

static struct run any_run(void)
{
    struct run run = {.start = rng_below(&rng, ARENA_PAGES), .count = rng_between(&rng, 1, RUN_MAX)};
    if (run.count > ARENA_PAGES - run.start) {
        run.count = ARENA_PAGES - run.start;
    }
    return run;
}

/* A run that is mapped from its first page on; empty when it starts in a hole. */
static struct run mapped_run(void)
{
    struct run run = any_run();
    size_t count = 0;
    while (count < run.count && pages[run.start + count].kind != HOLE) {
        count++;
    }
    run.count = count;
    return run;
}

static bool all_holes(struct run run)
{
    for (size_t i = run.start; i < run.start + run.count; i++) {
        if (pages[i].kind != HOLE) {
            return false;
        }
    }
    return true;
}

static void verify_run(struct run run)
{
    for (size_t i = run.start; i < run.start + run.count; i++) {
        verify_page(arena_at(i), &pages[i], "arena", i);
    }
}

static void fill_run(struct run run)
{
    for (size_t i = run.start; i < run.start + run.count; i++) {
        if (pages[i].protection == (PROT_READ | PROT_WRITE)) {
            fill_page(arena_at(i), &pages[i]);
        }
    }
}

static int any_protection(void)
{
    static const int protections[] = {PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
                                      PROT_READ,              PROT_READ | PROT_EXEC,  PROT_NONE};
    return protections[rng_below(&rng, sizeof protections / sizeof protections[0])];
}

static void map_run(struct run run, int protection, bool of_file)
{
    size_t first = 0;
    if (of_file) {
        first = rng_below(&rng, file_page_count);
        if (run.count > file_page_count - first) {
            run.count = file_page_count - first;
        }
    }
    int fixed = all_holes(run) ? MAP_FIXED_NOREPLACE : MAP_FIXED;
    char *at = mmap(arena_at(run.start), run.count * PAGE_BYTES, protection,
                    MAP_PRIVATE | fixed | (of_file ? 0 : MAP_ANONYMOUS), of_file ? file : -1,
                    (off_t)(first * PAGE_BYTES));
    CHECK(at == arena_at(run.start), "mmap of arena pages %zu+%zu (%s): %s", run.start, run.count,
          fixed == MAP_FIXED ? "over others" : "into a hole", strerror(errno));
    for (size_t i = 0; i < run.count; i++) {
        pages[run.start + i] = (struct page){.kind = of_file ? OF_FILE : ANONYMOUS,
                                             .file_page = (uint16_t)(first + i),
                                             .protection = (uint8_t)protection};
    }
}

static void map_any(void)
{
    struct run run = any_run();
    verify_run(run);
    map_run(run, any_protection(), rng_below(&rng, 3) == 0);
    if (rng_below(&rng, 2) == 0) {
        fill_run(run);
    }
}

/* Two megabytes, aligned, which the kernel may back with one huge page. */
static void map_huge(void)
{
    struct run run = {.start = rng_below(&rng, ARENA_PAGES / HUGE_PAGES) * HUGE_PAGES, .count = HUGE_PAGES};
    verify_run(run);
    map_run(run, PROT_READ | PROT_WRITE, false);
    if (madvise(arena_at(run.start), run.count * PAGE_BYTES, MADV_HUGEPAGE) != 0) {
        CHECK(errno == EINVAL, "madvise(MADV_HUGEPAGE): %s", strerror(errno));
    }
    for (size_t i = 0; i < HUGE_PAGES; i += 1 + rng_below(&rng, 64)) {
        fill_page(arena_at(run.start + i), &pages[run.start + i]);
    }
}

static void unmap_any(void)
{
    struct run run = any_run();
    verify_run(run);
    CHECK_CALL(munmap(arena_at(run.start), run.count * PAGE_BYTES));
    for (size_t i = run.start; i < run.start + run.count; i++) {
        pages[i] = (struct page){.kind = HOLE};
    }
}

static void protect_any(void)
{
    struct run run = mapped_run();
    if (run.count == 0) {
        return;
    }
    int protection = any_protection();
    CHECK_CALL(mprotect(arena_at(run.start), run.count * PAGE_BYTES, protection));
    for (size_t i = run.start; i < run.start + run.count; i++) {
        pages[i].protection = (uint8_t)protection;
    }
    verify_run(run);
}

/* Back to zero or to the file's content, whatever the protection. */
static void drop_any(void)
{
    struct run run = mapped_run();
    if (run.count == 0) {
        return;
    }
    CHECK_CALL(madvise(arena_at(run.start), run.count * PAGE_BYTES, MADV_DONTNEED));
    for (size_t i = run.start; i < run.start + run.count; i++) {
        pages[i].seed = 0;
    }
    verify_run(run);
}

/* Each word is as it was or zero, until it is written again; that choice is the kernel's, so it is not remembered. */
static void free_lazily(void)
{
    struct run run = mapped_run();
    for (size_t i = run.start; i < run.start + run.count; i++) {
        if (pages[i].kind != ANONYMOUS || pages[i].protection != (PROT_READ | PROT_WRITE)) {
            continue;
        }
        verify_page(arena_at(i), &pages[i], "arena", i);
        CHECK_CALL(madvise(arena_at(i), PAGE_BYTES, MADV_FREE));
        const volatile uint64_t *words = (const volatile uint64_t *)arena_at(i);
        for (size_t w = 0; w < PAGE_WORDS; w++) {
            uint64_t found = words[w];
            CHECK(found == 0 || found == word_of(&pages[i], w), "arena page %zu word %zu after MADV_FREE: %016" PRIx64,
                  i, w, found);
        }
        fill_page(arena_at(i), &pages[i]);
    }
}

/*
 * Moves pages over others by mremap, one by one: a call over several mappings fails, half done, when they are tracked
 * by a userfaultfd.
 */
static void move_any(void)
{
    struct run from = mapped_run();
    struct run to = {.start = rng_below(&rng, ARENA_PAGES - RUN_MAX), .count = from.count};
    bool overlap = to.start < from.start + from.count && from.start < to.start + to.count;
    if (from.count == 0 || overlap) {
        return;
    }
    verify_run(to);
    for (size_t i = 0; i < from.count; i++) {
        void *moved = mremap(arena_at(from.start + i), PAGE_BYTES, PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
                             arena_at(to.start + i));
        CHECK(moved != MAP_FAILED, "mremap of arena page %zu: %s", from.start + i, strerror(errno));
        pages[to.start + i] = pages[from.start + i];
        pages[from.start + i] = (struct page){.kind = HOLE};
    }
    verify_run(to);
}

static void write_any(void)
{
    struct run run = mapped_run();
    verify_run(run);
    fill_run(run);
}

// ---- floating maps ----

static void verify_float(struct floating *floating)
{
    for (size_t i = 0; i < floating->count; i++) {
        verify_page(floating->address + i * PAGE_BYTES, &floating->pages[i], "floating", i);
    }
}

static void fill_float(struct floating *floating, size_t from)
{
    for (size_t i = from; i < floating->count; i++) {
        if (rng_below(&rng, 2) == 0) {
            fill_page(floating->address + i * PAGE_BYTES, &floating->pages[i]);
        }
    }
}

static char *map_float(size_t count)
{
    char *at = mmap(NULL, count * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED, "mmap of %zu pages: %s", count, strerror(errno));
    return at;
}

static void resize_float(struct floating *floating, size_t count)
{
    char *at = mremap(floating->address, floating->count * PAGE_BYTES, count * PAGE_BYTES, MREMAP_MAYMOVE);
    if (at == MAP_FAILED) {
        CHECK(!strict && errno == EFAULT, "mremap of %zu floating pages to %zu: %s", floating->count, count,
              strerror(errno));
        at = map_float(count);
        memcpy(at, floating->address, (floating->count < count ? floating->count : count) * PAGE_BYTES);
        CHECK_CALL(munmap(floating->address, floating->count * PAGE_BYTES));
    }
    for (size_t i = floating->count; i < count; i++) {
        floating->pages[i] = (struct page){.kind = ANONYMOUS, .protection = PROT_READ | PROT_WRITE};
    }
    floating->address = at;
    floating->count = count;
}

static void churn_float(void)
{
    struct floating *floating = &floats[rng_below(&rng, FLOATS)];
    verify_float(floating);
    if (floating->count == 0) {
        size_t count = rng_between(&rng, 1, FLOAT_PAGES);
        floating->address = map_float(count);
        for (size_t i = 0; i < count; i++) {
            floating->pages[i] = (struct page){.kind = ANONYMOUS, .protection = PROT_READ | PROT_WRITE};
        }
        floating->count = count;
        fill_float(floating, 0);
    } else if (rng_below(&rng, 4) == 0) {
        CHECK_CALL(munmap(floating->address, floating->count * PAGE_BYTES));
        floating->count = 0;
    } else {
        size_t before = floating->count;
        resize_float(floating, rng_between(&rng, 1, FLOAT_PAGES));
        verify_float(floating);
        fill_float(floating, before);
    }
    digest = digest_word(digest, floating->count);
}

// ---- the end of brk ----

static void churn_brk(void)
{
    for (size_t i = 0; i < brk_count; i++) {
        verify_page(brk_start + i * PAGE_BYTES, &brk_pages[i], "brk", i);
    }
    CHECK(sbrk(0) == brk_start + brk_count * PAGE_BYTES, "brk is not at the end of its %zu pages", brk_count);
    size_t count = rng_below(&rng, BRK_PAGES + 1);
    CHECK(brk(brk_start + count * PAGE_BYTES) == 0, "brk from %zu to %zu pages: %s", brk_count, count,
          strerror(errno));
    for (size_t i = brk_count; i < count; i++) {
        brk_pages[i] = (struct page){.kind = ANONYMOUS, .protection = PROT_READ | PROT_WRITE};
        verify_page(brk_start + i * PAGE_BYTES, &brk_pages[i], "brk", i);
        if (rng_below(&rng, 2) == 0) {
            fill_page(brk_start + i * PAGE_BYTES, &brk_pages[i]);
        }
    }
    brk_count = count;
    digest = digest_word(digest, count);
}

static void operate(void)
{
    uint64_t choice = rng_below(&rng, 1000);
    if (choice < 200) {
        map_any();
    } else if (choice < 300) {
        unmap_any();
    } else if (choice < 450) {
        protect_any();
    } else if (choice < 550) {
        drop_any();
    } else if (choice < 600) {
        free_lazily();
    } else if (choice < 680) {
        move_any();
    } else if (choice < 850) {
        write_any();
    } else if (choice < 980) {
        churn_float();
    } else if (choice < 995) {
        churn_brk();
    } else {
        map_huge();
    }
}

/* Everything, also what was inaccessible: its content must have lasted. */
static void verify_all(void)
{
    verify_run((struct run){0, ARENA_PAGES});
    for (size_t i = 0; i < ARENA_PAGES; i++) {
        if (pages[i].kind != HOLE && !(pages[i].protection & PROT_READ)) {
            CHECK_CALL(mprotect(arena_at(i), PAGE_BYTES, PROT_READ));
            pages[i].protection = PROT_READ;
            verify_page(arena_at(i), &pages[i], "arena", i);
        }
    }
    for (size_t i = 0; i < FLOATS; i++) {
        verify_float(&floats[i]);
    }
    for (size_t i = 0; i < brk_count; i++) {
        verify_page(brk_start + i * PAGE_BYTES, &brk_pages[i], "brk", i);
    }
}

static void open_file(const char *path)
{
    file = open(path, O_RDONLY | O_CLOEXEC);
    NEED(file >= 0, path);
    ssize_t length = pread(file, file_words, sizeof file_words, 0);
    NEED(length >= PAGE_BYTES, "a file of at least one page");
    file_page_count = (size_t)length / PAGE_BYTES;
}

/* Far below where the kernel places maps by itself, so that its choices never fall into the arena's holes. */
static void place_arena(void)
{
    arena = (char *)ARENA_ADDRESS;
    void *at = mmap(arena, ARENA_PAGES * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                    0);
    NEED(at == arena, "a free range of addresses for the arena");
    CHECK_CALL(munmap(arena, ARENA_PAGES * PAGE_BYTES));
}

int main(int argc, char **argv)
{
    victim_start(argc, argv, "SEED STEPS [FILE] [--strict]");
    setvbuf(stdout, output_buffer, _IOFBF, sizeof output_buffer);
    rng.state = victim_seed();
    uint64_t steps = victim_steps();
    strict = victim_flag("--strict");
    open_file(victim_word(2, "/proc/self/exe"));
    place_arena();
    uintptr_t end = (uintptr_t)sbrk(0);
    brk_start = (char *)((end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
    NEED(brk(brk_start) == 0, "brk");

    for (uint64_t i = 0; i < steps * OPERATIONS_PER_STEP; i++) {
        operate();
    }
    verify_all();
    return victim_finish(digest);
}
