// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "huge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hurry.h"
#include "pagemap.h"
#include "process.h"
#include "uffd.h"

#define BLOCK 512 /* pages of a huge one */
#define BLOCK_BYTES (BLOCK * BS_PAGE_SIZE)
#define SMALL_NS 360    /* what the copy of a page takes, by two threads */
#define HUGE_NS 220     /* and of one in a huge one, be it predicted or not */
#define FAULT_NS 1000   /* what the first write to a protected page takes */
#define STAYS_NS 90000  /* what leaves a block huge if it took as much otherwise: to take it apart costs something, too */
#define SCAN_NS 1000    /* what the walks of a pause take less for a block that is huge and not written */
#define JOIN_NS 700000  /* what it takes to put a block together, before it is known */
#define AGAIN_NS 250000 /* and to copy it again while the target runs, as if all of it were written */
#define FADES 16        /* this part of what was lost on a block is forgotten for each capture at which it is not hot */
#define REFUSALS 8      /* each doubles what must be lost on a block, up to so many */
#define WEIGHT 0.25     /* of the newest in an average */
#define AT_ONCE 4       /* hot blocks at most; of others one */
#define LONG_NS 2000000 /* then the rest is left for another time */
#define SHARE 5         /* of the time one part of so many at most */

/* Of an entry of /proc/PID/pagemap. */
#define ENTRY_PRESENT (1ULL << 63)
#define ENTRY_EXCLUSIVE (1ULL << 56)

#define WORDS (BLOCK / 64)

/* All pages of it have content, in one mapping. */
struct block {
    uint64_t first;
    uint64_t predicted[WORDS]; /* a bit for each page: as the coming capture is told */
    uint64_t lifted[WORDS];    /* the same */
    uint64_t writable[WORDS];  /* the same: since the last capture, if the block were not huge */
    double small_ns;           /* what first writes and copies of an interval would take then, on average */
    double hot_ns;             /* lost on these up to now because it is not huge */
    double quiet_ns;           /* lost on walks since it was written last */
    unsigned refusals;         /* of the kernel to put it together */
    bool any_predicted;        /* of its pages */
    bool any_written;          /* the same */
    bool huge;                 /* as far as it is known */
    bool wanted;               /* to be put together after the pause */
};

static size_t count_of(const struct bs_vector *blocks) {
    return blocks->size / sizeof(struct block);
}

static struct block *block_at(const struct bs_vector *blocks, size_t index) {
    return (struct block *) blocks->data + index;
}

/* ---- the blocks of a process ------------------------------------------------------------------------------------- */

/* Where the cursors are in what is asked in ascending order. */
struct place {
    size_t known;
    size_t predicted;
    size_t lifted;
    size_t written;
    uint64_t before;
};

static uint64_t bit_of(uint64_t page) {
    return 1ULL << page % 64;
}

/* How many pages were written before the last capture that would have been protected. */
static uint64_t note_written(struct block *block, const struct bs_capture *c, uint64_t *cursor) {
    const uint64_t *pages = (const uint64_t *) (uintptr_t) c->written_before;
    uint64_t end = block->first + BLOCK, firsts = 0;
    for (; *cursor < c->written_before_count && pages[*cursor] < end; ++*cursor) {
        if (pages[*cursor] >= block->first) {
            uint64_t at = pages[*cursor] - block->first;
            firsts += !(block->writable[at / 64] & bit_of(at));
            block->writable[at / 64] |= bit_of(at);
        }
    }
    return firsts;
}

/* How many pages the last capture would have copied. What it did not have predicted it would have protected. */
static uint64_t note_captured(struct block *block) {
    uint64_t copies = 0;
    for (size_t i = 0; i < WORDS; i++) {
        copies += (uint64_t) __builtin_popcountll(block->writable[i]);
        block->writable[i] = (block->writable[i] & block->predicted[i]) | (block->lifted[i] & ~block->writable[i]);
    }
    return copies;
}

/* Sets the bits of the pages of a block that are in ranges. Whether there are any. */
static bool note_pages(uint64_t bits[WORDS], uint64_t block, const struct bs_vector *ranges, size_t *cursor) {
    uint64_t end = block + BLOCK;
    memset(bits, 0, WORDS * sizeof *bits);
    bool any = bs_ranges_have_any(ranges, block, end, cursor);
    for (size_t k = *cursor; k < bs_ranges_count(ranges) && bs_ranges_at(ranges, k)->first < end; k++) {
        const struct bs_range *range = bs_ranges_at(ranges, k);
        for (uint64_t page = range->first > block ? range->first : block; page < range->end && page < end; page++) {
            bits[(page - block) / 64] |= bit_of(page - block);
        }
    }
    return any;
}

static int add(struct bs_process *p, const struct bs_capture *c, uint64_t first, struct place *place) {
    struct bs_huge *h = &p->huge;
    struct block *block = bs_vector_extend(&h->next, sizeof *block);
    const struct bs_vector lifted = bs_ranges_view(c->lifted, c->lifted_count);
    if (!block) {
        return -ENOMEM;
    }
    while (place->known < count_of(&h->blocks) && block_at(&h->blocks, place->known)->first < first) {
        place->known++;
    }
    bool known = place->known < count_of(&h->blocks) && block_at(&h->blocks, place->known)->first == first;
    *block = known ? *block_at(&h->blocks, place->known) : (struct block){.first = first};
    block->any_written = bs_ranges_have_any(&p->dirty, first, first + BLOCK, &place->written);
    double first_writes = (double) note_written(block, c, &place->before), copies = (double) note_captured(block);
    block->any_predicted = note_pages(block->predicted, first, &p->predicted, &place->predicted);
    block->any_predicted |= note_pages(block->lifted, first, &lifted, &place->lifted);
    if (known) {
        block->small_ns += WEIGHT * (first_writes * FAULT_NS + copies * SMALL_NS - block->small_ns);
    }
    return 0;
}

/* Those that have content as of the last capture, and what was known of them. */
static int list_blocks(struct bs_process *p, const struct bs_capture *c) {
    struct bs_huge *h = &p->huge;
    struct place place = {0};
    size_t count, held = 0;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    h->next.size = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t start = mappings[i].start / BS_PAGE_SIZE, end = mappings[i].end / BS_PAGE_SIZE;
        if (!bs_is_anonymous(mappings + i) || !(mappings[i].flags & MAPPING_WRITE) || end - start < BLOCK) {
            continue;
        }
        bs_ranges_seek(&p->held_at_capture, start, &held);
        for (size_t k = held; k < bs_ranges_count(&p->held_at_capture); k++) {
            const struct bs_range *range = bs_ranges_at(&p->held_at_capture, k);
            uint64_t from = range->first > start ? range->first : start, to = range->end < end ? range->end : end;
            for (uint64_t at = (from + BLOCK - 1) / BLOCK * BLOCK; at + BLOCK <= to; at += BLOCK) {
                if (add(p, c, at, &place) < 0) {
                    return -ENOMEM;
                }
            }
            if (range->end >= end) {
                break;
            }
        }
    }
    bs_vector_swap(&h->blocks, &h->next);
    return 0;
}

/* ---- which are worth it ------------------------------------------------------------------------------------------ */

static int visit_huge(void *context, const struct page_region *region) {
    *(bool *) context = region->end - region->start == BLOCK_BYTES;
    return 0;
}

static bool is_huge(const struct bs_process *p, const struct block *block, uint64_t category) {
    bool found = false;
    struct page_region region;
    struct bs_walk walk = {.start = block->first * BS_PAGE_SIZE,
                           .end = block->first * BS_PAGE_SIZE + BLOCK_BYTES,
                           .all_of = PAGE_IS_HUGE | category,
                           .tell = PAGE_IS_HUGE};
    return bs_pagemap_walk(p->pagemap, &walk, &region, 1, visit_huge, &found) == 0 && found;
}

/* It counts as written from here on, so that the next capture copies all of it. */
static int unprotect(const struct bs_process *p, const struct block *block) {
    return bs_uffd_lift(p->uffd, block->first, block->first + BLOCK);
}

/* What an interval takes less if it is huge. */
static double gain_of(const struct block *block) {
    return block->any_predicted ? block->small_ns - (double) BLOCK * HUGE_NS : 0;
}

static bool is_warm(const struct block *block) {
    return block->any_predicted && block->small_ns >= STAYS_NS;
}

static bool is_quiet(const struct block *block) {
    return !block->any_written && !block->any_predicted;
}

static void refuse(struct block *block, unsigned refusals) {
    unsigned all = block->refusals + refusals;
    block->refusals = all < REFUSALS ? all : REFUSALS;
    block->hot_ns = block->quiet_ns = 0;
}

static void count_losses(struct block *block) {
    double gain = gain_of(block);
    block->hot_ns = block->huge ? 0 : block->hot_ns + (gain > 0 ? gain : -block->hot_ns / FADES);
    block->quiet_ns = block->huge || !is_quiet(block) ? 0 : block->quiet_ns + SCAN_NS;
}

/* Once as much was lost as it takes: that costs at most twice what it would to know how long a block stays as it is. */
static bool is_due(const struct bs_huge *h, const struct block *block) {
    double price = (h->join_ns > 0 ? h->join_ns : JOIN_NS) * (1 << block->refusals);
    return (gain_of(block) > 0 && block->hot_ns >= price) || (is_quiet(block) && block->quiet_ns >= price + AGAIN_NS);
}

/* Copies of what is not hot are worth it only ahead of a pause. */
static bool has_room(const struct bs_process *p, const struct block *block, unsigned room) {
    return is_quiet(block) ? room == AT_ONCE && bs_ahead_is_worth(&p->ahead) : room > 0;
}

/* All pages in memory, and nobody else's: what was swapped out stays there, and what is shared is not doubled. */
static bool is_own(const struct bs_process *p, const struct block *block) {
    uint64_t entries[BLOCK];
    off_t at = (off_t) (block->first * sizeof *entries);
    bool is_own = pread(p->pagemap, entries, sizeof entries, at) == sizeof entries;
    for (size_t i = 0; i < BLOCK && is_own; i++) {
        is_own = (entries[i] & ENTRY_PRESENT) && (entries[i] & ENTRY_EXCLUSIVE);
    }
    return is_own;
}

/* Whether a hot block is huge or becomes so, and can be written without a fault. */
static bool stays_whole(const struct bs_process *p, const struct block *block) {
    return block->wanted || (block->huge && (is_huge(p, block, PAGE_IS_WRITTEN) || unprotect(p, block) == 0));
}

static int choose(struct bs_process *p) {
    struct bs_huge *h = &p->huge;
    unsigned room = bs_now_ns() < h->not_before_ns ? 0 : AT_ONCE;
    h->whole.size = 0;
    for (size_t i = 0; i < count_of(&h->blocks); i++) {
        struct block *block = block_at(&h->blocks, i);
        bool due = !block->huge && is_due(h, block) && has_room(p, block, room);
        if (due || is_warm(block) || (block->huge && block->any_written)) {
            block->huge = is_huge(p, block, 0);
        }
        count_losses(block);
        block->wanted = due && !block->huge && is_own(p, block);
        if (due && !block->wanted && !block->huge) {
            refuse(block, 1);
        }
        room -= block->wanted;
        if (is_warm(block) && stays_whole(p, block) &&
            bs_ranges_add(&h->whole, block->first, block->first + BLOCK) < 0) {
            return -ENOMEM;
        }
    }
    return bs_ranges_union(&h->scratch, &p->predicted, &h->whole);
}

/* By the host, or by the program for itself (PR_SET_THP_DISABLE). */
static bool is_forbidden(const struct bs_process *p) {
    char setting[64] = "", text[4096];
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    bool known = file && fgets(setting, sizeof setting, file);
    if (file) {
        fclose(file);
    }
    return !known || strstr(setting, "[never]") ||
           *bs_field_of(p, "status", "\nTHP_enabled:\t", text, sizeof text) == '0';
}

void bs_huge_widen(struct bs_process *p, const struct bs_capture *c) {
    struct bs_huge *h = &p->huge;
    if (!h->asked) {
        h->forbidden = is_forbidden(p);
        h->asked = true;
    }
    if (p->cow || h->forbidden) {
        return;
    }
    if (list_blocks(p, c) == 0 && choose(p) == 0) {
        bs_vector_swap(&p->predicted, &h->scratch);
    }
}

/* ---- putting together -------------------------------------------------------------------------------------------- */

/*
 * The kernel takes the huge page that was freed last: one that was just used by us is found at once, and a virtual
 * machine's host has memory behind it. Otherwise the target would wait for that, too: 7 ms instead of 0.6.
 */
static void lay_ready(struct bs_huge *h) {
    if (!h->mapped) {
        h->mapped = mmap(NULL, 2 * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (h->mapped == MAP_FAILED) {
        return;
    }
    char *aligned = (char *) (((uintptr_t) h->mapped + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES);
    if (madvise(aligned, BLOCK_BYTES, MADV_HUGEPAGE) == 0) {
        *(volatile char *) aligned = 1;
        madvise(aligned, BLOCK_BYTES, MADV_DONTNEED);
    }
}

/* The kernel refuses where it is not wanted by the program, and while something holds pages. */
static int join(struct bs_process *p, struct block *block) {
    struct iovec memory = {(void *) (uintptr_t) (block->first * BS_PAGE_SIZE), BLOCK_BYTES};
    int result = unprotect(p, block);
    if (result < 0) {
        return result;
    }
    bs_hurry(); /* who puts it together holds what others wait for */
    result = syscall(SYS_process_madvise, p->pidfd, &memory, 1, MADV_COLLAPSE, 0) < 0 ? -errno : 0;
    bs_hurry_end();
    return result;
}

/* One that took far longer shall not decide for long: where nothing is put together nothing is learnt. */
static void learn(struct bs_huge *h, double took_ns) {
    double price = h->join_ns > 0 ? h->join_ns : JOIN_NS, most = 2 * price;
    h->join_ns = price + WEIGHT * ((took_ns < most ? took_ns : most) - price);
}

/* How long it took. */
static uint64_t join_one(struct bs_process *p, struct block *block) {
    struct bs_huge *h = &p->huge;
    lay_ready(h);
    uint64_t start = bs_now_ns();
    int result = join(p, block);
    uint64_t took = bs_now_ns() - start;
    block->huge = result == 0;
    block->wanted = false;
    if (block->huge) {
        learn(h, (double) took);
        block->refusals = 0;
    } else {
        refuse(block, result == -EAGAIN || result == -EBUSY ? 1 : REFUSALS);
        h->forbidden = result == -EPERM || result == -ENOSYS;
    }
    int ignored = bs_ranges_add(&p->left_writable, block->first, block->first + BLOCK);
    (void) ignored; /* then all of it will be taken as written */
    return took;
}

uint64_t bs_huge_join(struct bs_process *p) {
    struct bs_huge *h = &p->huge;
    uint64_t start = bs_now_ns(), took = 0;
    for (size_t i = 0; i < count_of(&h->blocks); i++) {
        struct block *block = block_at(&h->blocks, i);
        if (block->wanted && !h->forbidden && (took == 0 || bs_now_ns() - start < LONG_NS)) {
            took += join_one(p, block);
        }
    }
    uint64_t now = bs_now_ns();
    h->joined = took > 0;
    h->not_before_ns = took > 0 ? now + (now - start) * SHARE : h->not_before_ns;
    return took;
}

void bs_huge_forget(struct bs_huge *h) {
    h->blocks.size = 0;
    h->joined = h->asked = h->forbidden = false;
}

void bs_huge_fini(struct bs_huge *h) {
    struct bs_vector *vectors[] = {&h->blocks, &h->next, &h->whole, &h->scratch};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    if (h->mapped && h->mapped != MAP_FAILED) {
        munmap(h->mapped, 2 * BLOCK_BYTES);
    }
}
