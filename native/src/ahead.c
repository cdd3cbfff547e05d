// SPDX-License-Identifier: Apache-2.0
#include "ahead.h"

#include <errno.h>
#include <string.h>

#define TOO_MANY 0.3 /* this share of them written again is too dear */
#define TRY_AGAIN 32 /* captures after which it is tried again */
#define WEIGHT 0.25  /* of the newest in an average */

static size_t count_of(const struct bs_vector *numbers) {
    return numbers->size / sizeof(uint64_t);
}

bool bs_ahead_pays(struct bs_ahead *a) {
    return a->returned < TOO_MANY || a->rounds++ % TRY_AGAIN == 0;
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
    size_t early_count = count_of(&a->pages), count = count_of(pages), at = 0;
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
                     const struct bs_vector *before, uint64_t *frames, size_t frame_count) {
    const uint64_t *all = (const uint64_t *) pages->data, *early = (const uint64_t *) a->pages.data;
    size_t count = count_of(pages), early_count = count_of(&a->pages), k = 0, touched_at = 0, before_at = 0;
    size_t known = 0, returned = 0;
    a->used = 0;
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
        uint64_t frame = was_early ? frames[k] : ((const uint64_t *) a->spare.data)[count_of(&a->spare) - 1];
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
    if (known > 0) {
        a->returned += WEIGHT * ((double) returned / (double) known - a->returned);
    }
    memcpy(frames, a->arranged.data, a->arranged.size);
    memcpy(frames + count, a->spare.data, a->spare.size);
    return 0;
}

void bs_ahead_fini(struct bs_ahead *a) {
    struct bs_vector *vectors[] = {&a->pages, &a->arranged, &a->spare, &a->late, &a->late_frames};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        bs_vector_fini(vectors[i]);
    }
}
