// SPDX-License-Identifier: Apache-2.0
/* Walks of a process's page tables by PAGEMAP_SCAN. */
#ifndef BS_PAGEMAP_H
#define BS_PAGEMAP_H

#include <stdbool.h>

#include "kernel.h"
#include "vector.h"

struct bs_walk {
    uint64_t start;
    uint64_t end;
    uint64_t flags;
    uint64_t inverted; /* categories of which the contrary is asked */
    uint64_t all_of;
    uint64_t any_of;
    uint64_t tell;
    const struct bs_vector *spared; /* bs_range in pages, or null: there flags do not apply */
};

/* What is not 0 ends the walk. */
typedef int (*bs_region_visitor)(void *context, const struct page_region *region);

/* Visits what matches, ascending; regions is working memory. 0, a failure, or what the visitor returned. */
int bs_pagemap_walk(int pagemap, const struct bs_walk *walk, struct page_region *regions, size_t room,
                    bs_region_visitor visit, void *context);

/* The first page that matches. 1, 0 if there is none, or a failure; the walk's spared pages do not count. */
int bs_pagemap_first(int pagemap, const struct bs_walk *walk, uint64_t *page);

/* Does the kernel tell of this category? Younger ones it refuses. */
bool bs_pagemap_knows(int pagemap, uint64_t category);

#endif
