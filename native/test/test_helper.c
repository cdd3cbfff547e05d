// SPDX-License-Identifier: Apache-2.0
/* Work shared with a second thread, random amounts of it, with and without its help. usage: test_helper [IGNORED] [SEED] */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "helper.h"
#include "random.h"
#include "test.h"

#define JOBS 20000
#define PIECES 300
#define LONGEST 200 /* of a piece, in rounds of a loop */

struct job {
    pthread_t caller;
    unsigned length[PIECES];
    unsigned done[PIECES]; /* how often */
    bool by_caller[PIECES];
};

static void do_piece(void *work, size_t index) {
    struct job *job = work;
    for (volatile unsigned i = 0; i < job->length[index]; i++) {
    }
    __atomic_fetch_add(&job->done[index], 1, __ATOMIC_RELAXED);
    job->by_caller[index] = pthread_equal(pthread_self(), job->caller);
}

static void randomize(struct job *job, size_t count) {
    memset(job, 0, sizeof *job);
    job->caller = pthread_self();
    for (size_t i = 0; i < count; i++) {
        job->length[i] = (unsigned) (next_random() % LONGEST);
    }
}

/* All the caller's pieces come before all the helper's: returns how many are the helper's. */
static size_t check_done(const struct job *job, size_t count) {
    size_t by_caller = 0;
    for (size_t i = 0; i < PIECES; i++) {
        CHECK(job->done[i] == (i < count));
    }
    while (by_caller < count && job->by_caller[by_caller]) {
        by_caller++;
    }
    for (size_t i = by_caller; i < count; i++) {
        CHECK(!job->by_caller[i]);
    }
    return count - by_caller;
}

static size_t share(struct bs_helper *helper) {
    static struct job job;
    size_t count = next_random() % (PIECES + 1);
    randomize(&job, count);
    bs_helper_share(helper, do_piece, &job, count);
    return check_done(&job, count);
}

static void should_do_each_piece_once_from_both_ends(struct bs_helper *helper) {
    for (int i = 0; i < JOBS; i++) {
        if (next_random() % 4 == 0) {
            bs_helper_alert(helper);
        }
        share(helper);
        if (next_random() % 4 == 0) {
            bs_helper_dismiss(helper);
        }
    }
}

static void should_be_helped_by_who_is_alerted(struct bs_helper *helper) {
    size_t by_helper = 0;
    while (by_helper == 0) { /* ends, as it waits for work where we are not */
        bs_helper_alert(helper);
        by_helper = share(helper);
    }
    bs_helper_dismiss(helper);
}

static void should_do_all_alone_without_a_helper(void) {
    CHECK(share(NULL) == 0);
}

int main(int argc, char **argv) {
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t) time(NULL);
    printf("seed %" PRIu64 "\n", seed);
    struct bs_helper *helper = bs_helper_open();
    should_do_all_alone_without_a_helper();
    should_do_each_piece_once_from_both_ends(helper);
    if (helper) { /* there is more than one processor */
        should_be_helped_by_who_is_alerted(helper);
    }
    bs_helper_close(helper);
    PASSED("helper");
    return 0;
}
