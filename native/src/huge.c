// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "huge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pagemap.h"
#include "process.h"

#define BLOCK 512          /* pages of a huge one */
#define BLOCK_BYTES (BLOCK * BS_PAGE_SIZE)
#define DENSE 308          /* so many predicted ones make a block worth to be put together */
#define STAYS 205          /* and so many to stay so */
#define SAVED_NS 200       /* what the copy of a page in a huge one takes less, by two threads */
#define JOIN_NS 700000     /* what it takes to put a block together, before it is known */
#define FADES 16           /* of what was missed this part is forgotten in each capture without */
#define REFUSALS 8         /* each doubles what a block must have missed, up to so many */
#define WEIGHT 0.25        /* of the newest in an average */
#define AT_ONCE 4          /* blocks at most */
#define LONG_NS 2000000    /* then the rest is left for another time */
#define SHARE 5            /* of the time one part of so many at most */

struct block {
    uint64_t first;
    uint64_t predicted; /* pages */
    uint64_t missed;    /* pages, summed over the captures for which it was dense and not huge */
    unsigned refusals;  /* of the kernel to put it together */
    bool wanted;        /* to be put together */
    bool huge;
    bool writable;
};

static size_t count_of(const struct bs_vector *blocks) {
    return blocks->size / sizeof(struct block);
}

static struct block *block_at(const struct bs_vector *blocks, size_t index) {
    return (struct block *) blocks->data + index;
}

static bool add(struct bs_vector *blocks, struct block block) {
    struct block *place = bs_vector_extend(blocks, sizeof block);
    if (place) {
        *place = block;
    }
    return place != NULL;
}

/* ---- blocks of which many pages are predicted -------------------------------------------------------------------- */

static void leave_last_out_if_sparse(struct bs_vector *blocks) {
    if (blocks->size > 0 && block_at(blocks, count_of(blocks) - 1)->predicted < STAYS) {
        blocks->size -= sizeof(struct block);
    }
}

static int count(struct bs_vector *blocks, uint64_t first, uint64_t pages) {
    struct block *block = blocks->size > 0 ? block_at(blocks, count_of(blocks) - 1) : NULL;
    if (!block || block->first != first) {
        leave_last_out_if_sparse(blocks);
        return add(blocks, (struct block){.first = first, .predicted = pages}) ? 0 : -ENOMEM;
    }
    block->predicted += pages;
    return 0;
}

static int find_blocks(struct bs_vector *blocks, const struct bs_vector *predicted) {
    blocks->size = 0;
    for (size_t i = 0; i < bs_ranges_count(predicted); i++) {
        const struct bs_range *range = bs_ranges_at(predicted, i);
        for (uint64_t at = range->first; at < range->end;) {
            uint64_t first = at / BLOCK * BLOCK, end = first + BLOCK < range->end ? first + BLOCK : range->end;
            if (count(blocks, first, end - at) < 0) {
                return -ENOMEM;
            }
            at = end;
        }
    }
    leave_last_out_if_sparse(blocks);
    return 0;
}

/* What was missed of a block fades while it is not dense. */
static int fade_until(struct bs_huge *h, uint64_t first, size_t *cursor) {
    for (; *cursor < count_of(&h->blocks) && block_at(&h->blocks, *cursor)->first < first; ++*cursor) {
        struct block block = *block_at(&h->blocks, *cursor);
        block.predicted = 0;
        block.missed -= block.missed / FADES;
        if (block.missed >= DENSE && !add(&h->next, block)) {
            return -ENOMEM;
        }
    }
    return 0;
}

/* Makes those that were found, and others that are remembered, the blocks. */
static int remember(struct bs_huge *h) {
    size_t cursor = 0;
    h->next.size = 0;
    for (size_t i = 0; i < count_of(&h->found); i++) {
        struct block block = *block_at(&h->found, i);
        if (fade_until(h, block.first, &cursor) < 0) {
            return -ENOMEM;
        }
        const struct block *before = cursor < count_of(&h->blocks) ? block_at(&h->blocks, cursor) : NULL;
        if (before && before->first == block.first) {
            block.missed = before->missed;
            block.refusals = before->refusals;
            cursor++;
        }
        if (!add(&h->next, block)) {
            return -ENOMEM;
        }
    }
    if (fade_until(h, UINT64_MAX, &cursor) < 0) {
        return -ENOMEM;
    }
    bs_vector_swap(&h->blocks, &h->next);
    return 0;
}

/* ---- what can be one --------------------------------------------------------------------------------------------- */

/* Where the cursors are in what is asked in ascending order. */
struct place {
    size_t held;
    size_t mapping;
};

static bool has_content(const struct bs_process *p, const struct block *block, struct place *place) {
    bs_ranges_seek(&p->held_at_capture, block->first, &place->held);
    if (place->held == bs_ranges_count(&p->held_at_capture)) {
        return false;
    }
    const struct bs_range *held = bs_ranges_at(&p->held_at_capture, place->held);
    return held->first <= block->first && held->end >= block->first + BLOCK;
}

static bool lies_in_one(const struct bs_process *p, const struct block *block, struct place *place) {
    uint64_t start = block->first * BS_PAGE_SIZE, end = start + BLOCK * BS_PAGE_SIZE;
    size_t mapping_count;
    const struct bs_mapping *mappings = bs_mappings_of(p, &mapping_count);
    while (place->mapping < mapping_count && mappings[place->mapping].end <= start) {
        place->mapping++;
    }
    const struct bs_mapping *mapping = mappings + place->mapping;
    return place->mapping < mapping_count && mapping->start <= start && mapping->end >= end && bs_is_anonymous(mapping);
}

static int visit_huge(void *context, const struct page_region *region) {
    struct block *block = context;
    block->huge = region->end - region->start == BLOCK * BS_PAGE_SIZE;
    block->writable = region->categories & PAGE_IS_WRITTEN;
    return 0;
}

static int look(const struct bs_process *p, struct block *block) {
    struct page_region region;
    struct bs_walk walk = {.start = block->first * BS_PAGE_SIZE,
                           .end = (block->first + BLOCK) * BS_PAGE_SIZE,
                           .all_of = PAGE_IS_HUGE,
                           .tell = PAGE_IS_HUGE | PAGE_IS_WRITTEN};
    return bs_pagemap_walk(p->pagemap, &walk, &region, 1, visit_huge, block);
}

/* It counts as written from here on, so that the next capture copies all of it. */
static int unprotect(const struct bs_process *p, const struct block *block) {
    struct uffdio_writeprotect all = {.range = {.start = block->first * BS_PAGE_SIZE, .len = BLOCK_BYTES}};
    return ioctl(p->uffd, UFFDIO_WRITEPROTECT, &all) < 0 ? -errno : 0;
}

/* Once as much was missed as it takes: so it costs at most twice what it would to know how long a block stays hot. */
static bool is_due(const struct bs_huge *h, const struct block *block) {
    double price = h->join_ns > 0 ? h->join_ns : JOIN_NS;
    return (double) block->missed * SAVED_NS >= price * (1 << block->refusals);
}

/* Whether it is to be left writable as a whole. */
static bool choose_block(struct bs_process *p, struct block *block, bool may_join, struct place *place) {
    if (block->predicted == 0 || !has_content(p, block, place) || !lies_in_one(p, block, place) || look(p, block) < 0) {
        return false;
    }
    if (block->huge) {
        return block->writable || unprotect(p, block) == 0;
    }
    block->missed += block->predicted >= DENSE ? block->predicted : 0;
    block->wanted = may_join && is_due(&p->huge, block);
    return block->wanted;
}

static int choose(struct bs_process *p) {
    struct bs_huge *h = &p->huge;
    struct place place = {0};
    size_t room = bs_now_ns() < h->not_before_ns ? 0 : AT_ONCE;
    h->whole.size = 0;
    for (size_t i = 0; i < count_of(&h->blocks); i++) {
        struct block *block = block_at(&h->blocks, i);
        block->huge = block->wanted = false;
        if (choose_block(p, block, room > 0, &place) &&
            bs_ranges_add(&h->whole, block->first, block->first + BLOCK) < 0) {
            return -ENOMEM;
        }
        room -= block->wanted;
    }
    return bs_ranges_union(&h->scratch, &p->predicted, &h->whole);
}

static bool is_forbidden(void) {
    char setting[64] = "";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    bool known = file && fgets(setting, sizeof setting, file);
    if (file) {
        fclose(file);
    }
    return !known || strstr(setting, "[never]");
}

void bs_huge_widen(struct bs_process *p) {
    struct bs_huge *h = &p->huge;
    if (!h->asked) {
        h->forbidden = is_forbidden();
        h->asked = true;
    }
    if (p->cow || h->forbidden) {
        return;
    }
    if (find_blocks(&h->found, &p->predicted) == 0 && remember(h) == 0 && choose(p) == 0) {
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

/* The kernel refuses where pages have no content, and while something holds them. */
static bool join(struct bs_process *p, struct block *block) {
    struct iovec memory = {(void *) (uintptr_t) (block->first * BS_PAGE_SIZE), BLOCK_BYTES};
    if (unprotect(p, block) == 0 && syscall(SYS_process_madvise, p->pidfd, &memory, 1, MADV_COLLAPSE, 0) >= 0) {
        return true;
    }
    p->huge.forbidden = errno == EPERM || errno == ENOSYS;
    return false;
}

/* How long it took. */
static uint64_t join_one(struct bs_process *p, struct block *block) {
    struct bs_huge *h = &p->huge;
    lay_ready(h);
    uint64_t start = bs_now_ns();
    bool joined = join(p, block);
    uint64_t took = bs_now_ns() - start;
    if (joined) {
        h->join_ns += h->join_ns > 0 ? WEIGHT * ((double) took - h->join_ns) : (double) took;
    }
    block->refusals = joined ? 0 : block->refusals < REFUSALS ? block->refusals + 1 : REFUSALS;
    block->missed = 0;
    block->wanted = false;
    return took;
}

uint64_t bs_huge_join(struct bs_process *p) {
    struct bs_huge *h = &p->huge;
    uint64_t start = bs_now_ns(), took = 0;
    for (size_t i = 0; i < count_of(&h->blocks) && !h->forbidden && bs_now_ns() - start < LONG_NS; i++) {
        took += block_at(&h->blocks, i)->wanted ? join_one(p, block_at(&h->blocks, i)) : 0;
    }
    uint64_t now = bs_now_ns();
    h->not_before_ns = took > 0 ? now + (now - start) * SHARE : h->not_before_ns;
    return took;
}

void bs_huge_fini(struct bs_huge *h) {
    struct bs_vector *vectors[] = {&h->blocks, &h->found, &h->next, &h->whole, &h->scratch};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
    if (h->mapped && h->mapped != MAP_FAILED) {
        munmap(h->mapped, 2 * BLOCK_BYTES);
    }
}
