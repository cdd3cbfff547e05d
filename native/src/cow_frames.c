// SPDX-License-Identifier: Apache-2.0
/*
 * Frames for pages that are saved: those of the caller, in a pool, and, for when that is empty and nobody can be asked,
 * frames of our own. The latter are exchanged for the caller's when a capture tells what was saved.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cow.h"
#include "error.h"

#define OVERFLOW_FRAMES 256 /* at a time */

static bool is_overflow(const struct bs_cow *cow, uint64_t frame) {
    for (size_t i = 0; cow->overflow_used > 0 && i < bs_ranges_count(&cow->overflow); i++) {
        const struct bs_range *piece = bs_ranges_at(&cow->overflow, i);
        if (frame / BS_PAGE_SIZE >= piece->first && frame / BS_PAGE_SIZE < piece->end) {
            return true;
        }
    }
    return false;
}

/* There is room for every one of them. */
static void free_overflow(struct bs_cow *cow, uint64_t frame) {
    ((uint64_t *) cow->overflow_free.data)[cow->overflow_free.size / sizeof frame] = frame;
    cow->overflow_free.size += sizeof frame;
    cow->overflow_used--;
}

static bool map_overflow(struct bs_cow *cow) {
    size_t all = (bs_ranges_count(&cow->overflow) + 1) * OVERFLOW_FRAMES * sizeof(uint64_t);
    char *more = bs_vector_reserve(&cow->overflow_free, all) < 0
                     ? MAP_FAILED
                     : mmap(NULL, OVERFLOW_FRAMES * BS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                            -1, 0);
    struct bs_range *piece = more == MAP_FAILED ? NULL : bs_vector_extend(&cow->overflow, sizeof *piece);
    if (!piece) {
        if (more != MAP_FAILED) {
            munmap(more, OVERFLOW_FRAMES * BS_PAGE_SIZE);
        }
        return false;
    }
    uint64_t first = (uint64_t) (uintptr_t) more / BS_PAGE_SIZE;
    *piece = (struct bs_range){first, first + OVERFLOW_FRAMES};
    cow->overflow_used += OVERFLOW_FRAMES;
    for (size_t i = OVERFLOW_FRAMES; i > 0; i--) {
        free_overflow(cow, (first + i - 1) * BS_PAGE_SIZE);
    }
    return true;
}

bool bs_cow_add_overflow(struct bs_cow *cow) {
    uint64_t *place;
    if ((cow->overflow_free.size == 0 && !map_overflow(cow)) ||
        !(place = bs_vector_extend(&cow->pool, sizeof *place))) {
        return false;
    }
    cow->overflow_free.size -= sizeof *place;
    cow->overflow_used++;
    *place = ((const uint64_t *) cow->overflow_free.data)[cow->overflow_free.size / sizeof *place];
    return true;
}

void bs_cow_keep(struct bs_cow *cow, uint64_t frame) {
    if (is_overflow(cow, frame)) {
        free_overflow(cow, frame);
        return;
    }
    uint64_t *place = bs_vector_extend(&cow->pool, sizeof *place);
    if (place) {
        *place = frame;
        pthread_cond_signal(&cow->fed);
    }
}

void bs_cow_give_frames_back(struct bs_cow *cow, struct bs_vector *log) {
    const struct bs_saved_page *saved = (const struct bs_saved_page *) log->data;
    for (size_t i = 0; i < log->size / sizeof *saved; i++) {
        bs_cow_keep(cow, saved[i].frame);
    }
    log->size = 0;
}

/* Those that lie in the pool were not needed. */
static void take_overflow_out(struct bs_cow *cow) {
    uint64_t *pool = (uint64_t *) cow->pool.data;
    size_t kept = 0, count = bs_cow_pool_size(cow);
    for (size_t i = 0; i < count; i++) {
        if (is_overflow(cow, pool[i])) {
            free_overflow(cow, pool[i]);
        } else {
            pool[kept++] = pool[i];
        }
    }
    cow->pool.size = kept * sizeof *pool;
}

uint64_t bs_cow_pay_back(struct bs_cow *cow, const uint64_t *spare, uint64_t count) {
    uint64_t *frames = (uint64_t *) cow->saved_frames.data, used = 0;
    for (size_t i = 0; cow->overflow_used > 0 && i < cow->saved_frames.size / sizeof *frames; i++) {
        if (frames[i] != 0 && used < count && is_overflow(cow, frames[i])) {
            memcpy((void *) (uintptr_t) spare[used], (const void *) (uintptr_t) frames[i], BS_PAGE_SIZE);
            free_overflow(cow, frames[i]);
            frames[i] = spare[used++];
        }
    }
    if (cow->overflow_used > 0) {
        take_overflow_out(cow);
    }
    return used;
}

void bs_cow_frames_fini(struct bs_cow *cow) {
    for (size_t i = 0; i < bs_ranges_count(&cow->overflow); i++) {
        const struct bs_range *piece = bs_ranges_at(&cow->overflow, i);
        munmap((void *) (uintptr_t) (piece->first * BS_PAGE_SIZE), (piece->end - piece->first) * BS_PAGE_SIZE);
    }
    bs_vector_fini(&cow->overflow);
    bs_vector_fini(&cow->overflow_free);
}

/* ---- the caller's ---------------------------------------------------------------------------------------------- */

int bs_cow_feed(bs_cow *cow, uint64_t frames, uint64_t count, uint64_t low) {
    bs_cow_lock(cow);
    uint64_t *places = count == 0 ? NULL : bs_vector_extend(&cow->pool, count * sizeof *places);
    if (places) {
        memcpy(places, (const void *) (uintptr_t) frames, count * sizeof *places);
    }
    cow->low = low;
    cow->asked = cow->told = false;
    pthread_cond_signal(&cow->fed);
    pthread_mutex_unlock(&cow->lock);
    return places || count == 0 ? 0 : bs_fail(-ENOMEM, "save pages: out of memory");
}

int64_t bs_cow_take_frames(bs_cow *cow, uint64_t frames, uint64_t count) {
    uint64_t taken = 0;
    bs_cow_lock(cow);
    if (cow->overflow_used > 0) {
        take_overflow_out(cow);
    }
    uint64_t *pool = (uint64_t *) cow->pool.data;
    for (; taken < count && cow->pool.size > 0; taken++) {
        cow->pool.size -= sizeof *pool;
        ((uint64_t *) (uintptr_t) frames)[taken] = pool[cow->pool.size / sizeof *pool];
    }
    pthread_mutex_unlock(&cow->lock);
    return (int64_t) taken;
}

int64_t bs_cow_pooled(bs_cow *cow) {
    bs_cow_lock(cow);
    int64_t pooled = (int64_t) bs_cow_pool_size(cow);
    pthread_mutex_unlock(&cow->lock);
    return pooled;
}

int bs_cow_await_want(bs_cow *cow) {
    bs_cow_lock(cow);
    while (!cow->closing && (!cow->asked || cow->told)) {
        pthread_cond_wait(&cow->hungry, &cow->lock);
    }
    cow->told = true;
    int result = cow->closing ? 0 : 1;
    pthread_mutex_unlock(&cow->lock);
    return result;
}

void bs_cow_end_await(bs_cow *cow) {
    bs_cow_lock(cow);
    cow->closing = true;
    pthread_cond_broadcast(&cow->hungry);
    pthread_mutex_unlock(&cow->lock);
}
