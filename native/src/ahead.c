// SPDX-License-Identifier: Apache-2.0
#include "ahead.h"

#include <errno.h>
#include <string.h>

#define TOO_MANY 0.3 /* this share of them written again is too dear */
#define TRY_AGAIN 32 /* captures after which it is tried again */
#define WEIGHT 0.25  /* of the newest in an average */

#define TABLE 512         /* pages that one maps */
#define TABLE_NS 5000     /* before it is known */
#define COPY_NS 500
#define LOST 0.5          /* so much of the time that interrupting takes is lost to who is interrupted */
#define FORGETFULNESS 64  /* of a price at which nothing was bought a part goes each time, so that it is tried again */

bool bs_ahead_is_worth(const struct bs_ahead *a) {
    return a->returned < TOO_MANY;
}

bool bs_ahead_pays(struct bs_ahead *a) {
    return bs_ahead_is_worth(a) || a->rounds++ % TRY_AGAIN == 0;
}

static void learn(double *price, double newest) {
    *price = *price == 0 ? newest : *price + WEIGHT * (newest - *price);
}

static double known(double price, double otherwise) {
    return price == 0 ? otherwise : price;
}

int bs_ahead_choose(struct bs_ahead *a, const struct bs_vector *written) {
    double enough = known(a->table_ns, TABLE_NS) / known(a->copy_ns, COPY_NS);
    uint64_t table = 0, count = 0;
    int result = 0;
    a->areas.size = 0;
    for (size_t i = 0; i < bs_ranges_count(written) && result == 0; i++) {
        const struct bs_range *range = bs_ranges_at(written, i);
        for (uint64_t at = range->first; at < range->end && result == 0;) {
            uint64_t end = (at / TABLE + 1) * TABLE;
            end = end < range->end ? end : range->end;
            count = at / TABLE == table ? count : 0;
            table = at / TABLE;
            bool had_enough = (double) count >= enough;
            count += end - at;
            if (!had_enough && (double) count >= enough) {
                result = bs_ranges_add(&a->areas, table * TABLE, (table + 1) * TABLE);
            }
            at = end;
        }
    }
    return result;
}

void bs_ahead_note_protected(struct bs_ahead *a, uint64_t ns) {
    uint64_t tables = bs_ranges_pages(&a->areas) / TABLE;
    if (tables > 0) {
        learn(&a->table_ns, (double) ns / (double) tables * LOST);
    } else {
        a->table_ns -= a->table_ns / FORGETFULNESS;
    }
}

void bs_ahead_note_copied(struct bs_ahead *a, uint64_t ns, size_t count) {
    if (count > 0) {
        learn(&a->copy_ns, (double) ns / (double) count);
    }
}

static bool push(struct bs_vector *numbers, uint64_t number) {
    uint64_t *place = bs_vector_extend(numbers, sizeof number);
    if (place) {
        *place = number;
    }
    return place != NULL;
}

/* Frames that are free for others: they are taken from the end. */
static bool list_spare(struct bs_ahead *a, const struct bs_vector *pages, const uint64_t *frames, size_t frame_count) {
    const uint64_t *early = (const uint64_t *) a->pages.data, *all = (const uint64_t *) pages->data;
    size_t early_count = bs_numbers_count(&a->pages), count = bs_numbers_count(pages), at = 0;
    a->spare.size = 0;
    for (size_t i = frame_count; i-- > early_count;) {
        if (!push(&a->spare, frames[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < early_count; i++) {
        while (at < count && all[at] < early[i]) {
            at++;
        }
        if ((at == count || all[at] != early[i]) && !push(&a->spare, frames[i])) {
            return false;
        }
    }
    return true;
}

int bs_ahead_arrange(struct bs_ahead *a, const struct bs_vector *pages, const struct bs_vector *touched,
                     const struct bs_vector *before, uint64_t *frames, size_t frame_count, struct bs_left *left) {
    const uint64_t *all = (const uint64_t *) pages->data, *early = (const uint64_t *) a->pages.data;
    size_t count = bs_numbers_count(pages), early_count = bs_numbers_count(&a->pages), k = 0, touched_at = 0, before_at = 0;
    size_t known = 0, returned = 0;
    a->used = 0;
    *left = (struct bs_left) {all, frames, count};
    if (early_count == 0 || !touched) {
        return 0;
    }
    a->arranged.size = a->late.size = a->late_frames.size = 0;
    if (!list_spare(a, pages, frames, frame_count)) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        while (k < early_count && early[k] < all[i]) {
            k++;
        }
        bool was_early = k < early_count && early[k] == all[i];
        bool is_late = !was_early || bs_ranges_have(touched, all[i], &touched_at);
        uint64_t frame = was_early ? frames[k] : ((const uint64_t *) a->spare.data)[bs_numbers_count(&a->spare) - 1];
        a->spare.size -= was_early ? 0 : sizeof frame;
        if (was_early && (!before || bs_ranges_have(before, all[i], &before_at))) {
            known++;
            returned += is_late;
        }
        a->used += !is_late;
        if (!push(&a->arranged, frame) || (is_late && (!push(&a->late, all[i]) || !push(&a->late_frames, frame)))) {
            return -ENOMEM;
        }
    }
    if (known > 0 && !a->unusual) {
        a->returned += WEIGHT * ((double) returned / (double) known - a->returned);
    }
    memcpy(frames, a->arranged.data, a->arranged.size);
    memcpy(frames + count, a->spare.data, a->spare.size);
    *left = (struct bs_left) {(const uint64_t *) a->late.data, (const uint64_t *) a->late_frames.data,
                              bs_numbers_count(&a->late)};
    return 0;
}

void bs_ahead_fini(struct bs_ahead *a) {
    struct bs_vector *vectors[] = {&a->areas, &a->pages, &a->arranged, &a->spare, &a->late, &a->late_frames};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
}
