// SPDX-License-Identifier: Apache-2.0
/* Growable arrays that keep their memory between captures, and sorted page ranges held in them. */
#ifndef BS_VECTOR_H
#define BS_VECTOR_H

#include "backstep.h"

#include <stdbool.h>
#include <stddef.h>

struct bs_vector {
    char *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes */
};

/* Makes room for that many bytes in all; populated, so that a later pause does not fault. 0 or -ENOMEM. */
int bs_vector_reserve(struct bs_vector *vector, size_t capacity);

/* Room for bytes more at the end, counted as used; null when out of memory. */
void *bs_vector_extend(struct bs_vector *vector, size_t bytes);

void bs_vector_fini(struct bs_vector *vector);

/* Of uint64_t. */
static inline size_t bs_numbers_count(const struct bs_vector *numbers) {
    return numbers->size / sizeof(uint64_t);
}

static inline size_t bs_ranges_count(const struct bs_vector *ranges) {
    return ranges->size / sizeof(struct bs_range);
}

static inline struct bs_range *bs_ranges_at(const struct bs_vector *ranges, size_t index) {
    return (struct bs_range *) ranges->data + index;
}

/* Ranges that lie with the caller, to be read. */
static inline struct bs_vector bs_ranges_view(uint64_t address, uint64_t count) {
    size_t size = count * sizeof(struct bs_range);
    return (struct bs_vector){(char *) (uintptr_t) address, size, size};
}

static inline void bs_vector_swap(struct bs_vector *a, struct bs_vector *b) {
    struct bs_vector other = *a;
    *a = *b;
    *b = other;
}

/* target = source. 0 or -ENOMEM. */
int bs_vector_copy(struct bs_vector *target, const struct bs_vector *source);

/* Adds pages, fastest behind all others; joins neighbours. 0 or -ENOMEM. */
int bs_ranges_add(struct bs_vector *ranges, uint64_t first, uint64_t end);

/* numbers = the pages of the ranges, one uint64_t each. 0 or -ENOMEM. */
int bs_ranges_list(struct bs_vector *numbers, const struct bs_vector *ranges);

uint64_t bs_ranges_pages(const struct bs_vector *ranges);

/* Moves a cursor, 0 at first, forward over the ranges that end before a page. Pages are asked for in ascending order. */
static inline void bs_ranges_seek(const struct bs_vector *ranges, uint64_t page, size_t *cursor) {
    while (*cursor < bs_ranges_count(ranges) && bs_ranges_at(ranges, *cursor)->end <= page) {
        ++*cursor;
    }
}

/* Is any page from first to end in the ranges? Asked in ascending order, too. */
static inline bool bs_ranges_have_any(const struct bs_vector *ranges, uint64_t first, uint64_t end, size_t *cursor) {
    bs_ranges_seek(ranges, first, cursor);
    return *cursor < bs_ranges_count(ranges) && bs_ranges_at(ranges, *cursor)->first < end;
}

static inline bool bs_ranges_have(const struct bs_vector *ranges, uint64_t page, size_t *cursor) {
    return bs_ranges_have_any(ranges, page, page + 1, cursor);
}

/* target = a or b. target must be neither of them. 0 or -ENOMEM. */
int bs_ranges_union(struct bs_vector *target, const struct bs_vector *a, const struct bs_vector *b);

/* Adds the pages of others; scratch is working memory, and none of the two. 0 or -ENOMEM, and then nothing was added. */
int bs_ranges_add_all(struct bs_vector *ranges, const struct bs_vector *others, struct bs_vector *scratch);

/* target = a and b. target must be neither of them. 0 or -ENOMEM. */
int bs_ranges_intersect(struct bs_vector *target, const struct bs_vector *a, const struct bs_vector *b);

/* target = a without b. target must be neither of them. 0 or -ENOMEM. */
int bs_ranges_subtract(struct bs_vector *target, const struct bs_vector *a, const struct bs_vector *b);

/* Adds the pages from first to end that are not in holes; the cursor moves forward over the holes. 0 or -ENOMEM. */
int bs_ranges_add_outside(struct bs_vector *target, uint64_t first, uint64_t end, const struct bs_vector *holes,
                          size_t *cursor);

#endif
