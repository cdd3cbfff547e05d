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

#define BLOCK 512 /* pages of a huge one */
#define BLOCK_BYTES (BLOCK * BS_PAGE_SIZE)
#define DENSE 308       /* so many predicted pages make a block hot, and worth to be put together */
#define STAYS 205       /* and so many worth to stay so */
#define COPY_NS 200     /* what the copy of a page in a huge one takes less, by two threads */
#define SCAN_NS 1000    /* what the walks of a pause take less for a block that is huge and not written */
#define JOIN_NS 700000  /* what it takes to put a block together, before it is known */
#define AGAIN_NS 250000 /* and to copy it again while the target runs, as if all of it were written */
#define FADES 16        /* this part of what was lost on a block is forgotten for each capture at which it is not hot */
#define REFUSALS 8      /* each doubles what must be lost on a block, up to so many */
#define WEIGHT 0.25     /* of the newest in an average */
#define AT_ONCE 4       /* hot blocks at most; of others one */
#define LONG_NS 2000000 /* then the rest is left for another time */
#define SHARE 5         /* of the time one part of so many at most */

/* All pages of it have content, in one mapping. */
struct block {
    uint64_t first;
    uint64_t predicted; /* pages */
    double hot_ns;      /* lost on copies up to now because it is not huge */
    double quiet_ns;    /* lost on walks since it was written last */
    unsigned refusals;  /* of the kernel to put it together */
    bool written;
    bool huge;   /* as far as it is known */
    bool wanted; /* to be put together after the pause */
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
    size_t written;
};

static uint64_t count_in(const struct bs_vector *ranges, uint64_t first, uint64_t end, size_t *cursor) {
    uint64_t count = 0;
    bs_ranges_seek(ranges, first, cursor);
    for (size_t i = *cursor; i < bs_ranges_count(ranges) && bs_ranges_at(ranges, i)->first < end; i++) {
        const struct bs_range *range = bs_ranges_at(ranges, i);
        count += (range->end < end ? range->end : end) - (range->first > first ? range->first : first);
    }
    return count;
}

static int add(struct bs_process *p, uint64_t first, struct place *place) {
    struct bs_huge *h = &p->huge;
    struct block *block = bs_vector_extend(&h->next, sizeof *block);
    if (!block) {
        return -ENOMEM;
    }
    while (place->known < count_of(&h->blocks) && block_at(&h->blocks, place->known)->first < first) {
        place->known++;
    }
    bool known = place->known < count_of(&h->blocks) && block_at(&h->blocks, place->known)->first == first;
    *block = known ? *block_at(&h->blocks, place->known) : (struct block){.first = first};
    block->predicted = count_in(&p->predicted, first, first + BLOCK, &place->predicted);
    block->written = bs_ranges_have_any(&p->dirty, first, first + BLOCK, &place->written);
    return 0;
}

/* Those that have content as of the last capture, and what was known of them. */
static int list_blocks(struct bs_process *p) {
    struct bs_huge *h = &p->huge;
    struct place place = {0};
    size_t count, held = 0;
    const struct bs_mapping *mappings = bs_mappings_of(p, &count);
    h->next.size = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t start = mappings[i].start / BS_PAGE_SIZE, end = mappings[i].end / BS_PAGE_SIZE;
        if (!bs_is_anonymous(mappings + i) || end - start < BLOCK) {
            continue;
        }
        bs_ranges_seek(&p->held_at_capture, start, &held);
        for (size_t k = held; k < bs_ranges_count(&p->held_at_capture); k++) {
            const struct bs_range *range = bs_ranges_at(&p->held_at_capture, k);
            uint64_t from = range->first > start ? range->first : start, to = range->end < end ? range->end : end;
            for (uint64_t at = (from + BLOCK - 1) / BLOCK * BLOCK; at + BLOCK <= to; at += BLOCK) {
                if (add(p, at, &place) < 0) {
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
    struct uffdio_writeprotect all = {.range = {.start = block->first * BS_PAGE_SIZE, .len = BLOCK_BYTES}};
    return ioctl(p->uffd, UFFDIO_WRITEPROTECT, &all) < 0 ? -errno : 0;
}

static void count_losses(struct block *block) {
    bool hot = block->predicted >= DENSE;
    block->hot_ns += hot && !block->huge ? (double) (block->predicted * COPY_NS) : hot ? 0 : -block->hot_ns / FADES;
    block->quiet_ns = block->written || block->predicted > 0 ? 0 : block->quiet_ns + (block->huge ? 0 : SCAN_NS);
}

/* Once as much was lost as it takes: that costs at most twice what it would to know how long a block stays as it is. */
static bool is_due(const struct bs_huge *h, const struct block *block) {
    double price = (h->join_ns > 0 ? h->join_ns : JOIN_NS) * (1 << block->refusals);
    return block->hot_ns >= price || block->quiet_ns >= price + AGAIN_NS;
}

/* Who writes to a protected one, or protects a part of one, takes it apart. */
static void look(const struct bs_process *p, struct block *block) {
    if (block->predicted >= STAYS || (block->huge && block->written)) {
        block->huge = is_huge(p, block, 0);
    }
}

static bool is_writable(const struct bs_process *p, const struct block *block) {
    return is_huge(p, block, PAGE_IS_WRITTEN) || unprotect(p, block) == 0;
}

/* Copies of what is not hot are worth it only ahead of a pause. */
static bool may_join(const struct bs_process *p, const struct block *block, unsigned room) {
    return block->hot_ns > block->quiet_ns ? room > 0 : room == AT_ONCE && !p->preparation.only_new;
}

static int choose(struct bs_process *p) {
    struct bs_huge *h = &p->huge;
    unsigned room = bs_now_ns() < h->not_before_ns ? 0 : AT_ONCE;
    h->whole.size = 0;
    for (size_t i = 0; i < count_of(&h->blocks); i++) {
        struct block *block = block_at(&h->blocks, i);
        look(p, block);
        count_losses(block);
        block->wanted = !block->huge && is_due(h, block) && may_join(p, block, room) && !is_huge(p, block, 0);
        room -= block->wanted;
        bool whole = block->predicted >= STAYS && (block->wanted || (block->huge && is_writable(p, block)));
        if (whole && bs_ranges_add(&h->whole, block->first, block->first + BLOCK) < 0) {
            return -ENOMEM;
        }
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
    if (list_blocks(p) == 0 && choose(p) == 0) {
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
    block->huge = join(p, block);
    uint64_t took = bs_now_ns() - start;
    if (block->huge) {
        learn(h, (double) took);
    }
    block->refusals = block->huge ? 0 : block->refusals < REFUSALS ? block->refusals + 1 : REFUSALS;
    block->hot_ns = block->quiet_ns = 0;
    block->wanted = false;
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
    h->not_before_ns = took > 0 ? now + (now - start) * SHARE : h->not_before_ns;
    return took;
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
