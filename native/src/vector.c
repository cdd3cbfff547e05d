// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "vector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

int bs_vector_reserve(struct bs_vector *vector, size_t capacity) {
    if (capacity <= vector->capacity) {
        return 0;
    }
    size_t grown = vector->capacity ? vector->capacity : 4096;
    while (grown < capacity) {
        grown *= 2;
    }
    char *data = realloc(vector->data, grown);
    if (!data) {
        errno = ENOMEM;
        return bs_fail_errno("working memory of %zu bytes", grown);
    }
    memset(data + vector->capacity, 0, grown - vector->capacity);
    vector->data = data;
    vector->capacity = grown;
    return 0;
}

void *bs_vector_extend(struct bs_vector *vector, size_t bytes) {
    if (bs_vector_reserve(vector, vector->size + bytes) < 0) {
        return NULL;
    }
    void *place = vector->data + vector->size;
    vector->size += bytes;
    return place;
}

int bs_vector_copy(struct bs_vector *target, const struct bs_vector *source) {
    if (bs_vector_reserve(target, source->size) < 0) {
        return -ENOMEM;
    }
    if (source->size > 0) {
        memcpy(target->data, source->data, source->size);
    }
    target->size = source->size;
    return 0;
}

void bs_vector_fini(struct bs_vector *vector) {
    free(vector->data);
    memset(vector, 0, sizeof *vector);
}

/* The first range that ends at or after a page. */
static size_t first_from(const struct bs_vector *ranges, uint64_t page) {
    size_t low = 0, high = bs_ranges_count(ranges);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bs_ranges_at(ranges, middle)->end < page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Puts a range among the others in place of those that it touches. */
static int insert(struct bs_vector *ranges, uint64_t first, uint64_t end) {
    size_t from = first_from(ranges, first), to = from, count = bs_ranges_count(ranges);
    for (; to < count && bs_ranges_at(ranges, to)->first <= end; to++) {
        first = bs_ranges_at(ranges, to)->first < first ? bs_ranges_at(ranges, to)->first : first;
        end = bs_ranges_at(ranges, to)->end > end ? bs_ranges_at(ranges, to)->end : end;
    }
    if (to == from && !bs_vector_extend(ranges, sizeof(struct bs_range))) {
        return -ENOMEM;
    }
    memmove(bs_ranges_at(ranges, from + 1), bs_ranges_at(ranges, to), (count - to) * sizeof(struct bs_range));
    *bs_ranges_at(ranges, from) = (struct bs_range){first, end};
    ranges->size = (count - (to - from) + 1) * sizeof(struct bs_range);
    return 0;
}

int bs_ranges_add(struct bs_vector *ranges, uint64_t first, uint64_t end) {
    size_t count = bs_ranges_count(ranges);
    if (count > 0 && bs_ranges_at(ranges, count - 1)->end >= first) {
        return insert(ranges, first, end);
    }
    struct bs_range *range = bs_vector_extend(ranges, sizeof *range);
    if (!range) {
        return -ENOMEM;
    }
    range->first = first;
    range->end = end;
    return 0;
}

int bs_ranges_list(struct bs_vector *numbers, const struct bs_vector *ranges) {
    numbers->size = 0;
    for (size_t i = 0; i < bs_ranges_count(ranges); i++) {
        const struct bs_range *range = bs_ranges_at(ranges, i);
        uint64_t *place = bs_vector_extend(numbers, (range->end - range->first) * sizeof *place);
        if (!place) {
            return -ENOMEM;
        }
        for (uint64_t page = range->first; page < range->end; page++) {
            *place++ = page;
        }
    }
    return 0;
}

uint64_t bs_ranges_pages(const struct bs_vector *ranges) {
    uint64_t pages = 0;
    for (size_t i = 0; i < bs_ranges_count(ranges); i++) {
        pages += bs_ranges_at(ranges, i)->end - bs_ranges_at(ranges, i)->first;
    }
    return pages;
}

int bs_ranges_union(struct bs_vector *target, const struct bs_vector *a, const struct bs_vector *b) {
    size_t ia = 0, ib = 0;
    target->size = 0;
    while (ia < bs_ranges_count(a) || ib < bs_ranges_count(b)) {
        int from_a = ib == bs_ranges_count(b) ||
                     (ia < bs_ranges_count(a) && bs_ranges_at(a, ia)->first <= bs_ranges_at(b, ib)->first);
        const struct bs_range *range = from_a ? bs_ranges_at(a, ia++) : bs_ranges_at(b, ib++);
        if (bs_ranges_add(target, range->first, range->end) < 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

int bs_ranges_add_all(struct bs_vector *ranges, const struct bs_vector *others, struct bs_vector *scratch) {
    int result = bs_ranges_union(scratch, ranges, others);
    if (result == 0) {
        bs_vector_swap(ranges, scratch);
    }
    return result;
}

int bs_ranges_intersect(struct bs_vector *target, const struct bs_vector *a, const struct bs_vector *b) {
    size_t ia = 0, ib = 0;
    target->size = 0;
    while (ia < bs_ranges_count(a) && ib < bs_ranges_count(b)) {
        const struct bs_range *x = bs_ranges_at(a, ia), *y = bs_ranges_at(b, ib);
        uint64_t first = x->first > y->first ? x->first : y->first;
        uint64_t end = x->end < y->end ? x->end : y->end;
        if (first < end && bs_ranges_add(target, first, end) < 0) {
            return -ENOMEM;
        }
        if (x->end < y->end) {
            ia++;
        } else {
            ib++;
        }
    }
    return 0;
}

int bs_ranges_add_outside(struct bs_vector *target, uint64_t first, uint64_t end, const struct bs_vector *holes,
                          size_t *cursor) {
    bs_ranges_seek(holes, first, cursor);
    for (size_t i = *cursor; first < end && i < bs_ranges_count(holes) && bs_ranges_at(holes, i)->first < end; i++) {
        const struct bs_range *hole = bs_ranges_at(holes, i);
        if (hole->first > first && bs_ranges_add(target, first, hole->first) < 0) {
            return -ENOMEM;
        }
        first = hole->end > first ? hole->end : first;
    }
    return first < end ? bs_ranges_add(target, first, end) : 0;
}

int bs_ranges_subtract(struct bs_vector *target, const struct bs_vector *a, const struct bs_vector *b) {
    size_t cursor = 0;
    target->size = 0;
    for (size_t i = 0; i < bs_ranges_count(a); i++) {
        if (bs_ranges_add_outside(target, bs_ranges_at(a, i)->first, bs_ranges_at(a, i)->end, b, &cursor) < 0) {
            return -ENOMEM;
        }
    }
    return 0;
}
