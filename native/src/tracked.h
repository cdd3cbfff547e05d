// SPDX-License-Identifier: Apache-2.0
/*
 * Ranges of memory whose writes the kernel notes by asynchronous write-protection, so that a writer never waits for
 * anybody. Whose memory it is, and how pages are moved, is the owner's business; that nobody writes during a capture that
 * shall be of one moment, or a rollback, as well.
 *
 * At the start every page is marked as not written, those too that are not there yet. From then on a scan need not ask
 * whether a page is there, which makes it cheap: what has no mark was written, or was given back to the kernel since.
 * Pages that are there at the start are part of the first capture.
 */
#ifndef BS_TRACKED_H
#define BS_TRACKED_H

#include "ahead.h"
#include "pagemap.h"
#include "phases.h"
#include "vector.h"

#define BS_REGIONS_AT_ONCE 8192

struct bs_tracked;

/* How pages of a memory are moved: each 0 or a failure. What is hurried may take another processor. */
struct bs_movers {
    int (*copy_in)(struct bs_tracked *t, const uint64_t *pages, const uint64_t *frames, size_t count, bool hurried);
    int (*copy_out)(struct bs_tracked *t, const uint64_t *pages, const uint64_t *frames, size_t count);
    int (*drop)(struct bs_tracked *t, const uint64_t *pages, size_t count); /* zeros from now on */
};

struct bs_tracked {
    const struct bs_movers *movers;
    int uffd;
    int pagemap;
    struct bs_vector ranges;        /* bs_range: what is tracked, ascending */
    struct bs_vector carried;       /* bs_range: marks taken and not yet copied */
    struct bs_vector found;         /* bs_range: of the last scan */
    struct bs_vector scratch;       /* bs_range */
    struct bs_vector chosen;        /* bs_range: where it is worth while to copy ahead, or to lift protection */
    struct bs_vector left_writable; /* bs_range: since the last capture, as predicted or lifted */
    struct bs_vector pages;         /* uint64_t */
    struct bs_ahead ahead;
    bool all_written; /* marks were taken and could not be noted */
    bool capturing;
    struct bs_phases phases;
    struct page_region room[BS_REGIONS_AT_ONCE];
};

/* Asks for asynchronous write-protection; t->uffd and t->pagemap are open. */
int bs_tracked_open(struct bs_tracked *t);

/*
 * Tracks whole pages that nobody writes now. Pages that are there are part of the next capture, but for those of these
 * categories, and so are those of content.
 */
int bs_tracked_add(struct bs_tracked *t, uint64_t address, uint64_t length, uint64_t without,
                   const struct bs_vector *content);

/* What a complete capture of memory alone tells, but for how much is tracked. */
void bs_tell_memory(struct bs_capture *c, const struct bs_vector *pages, const struct bs_phases *phases);

/*
 * Just before a capture, while the memory is still being written: protects what was written and is not predicted, and
 * copies it to the first frames. If that fails, or frames are too few, more is left to the capture.
 */
void bs_tracked_copy_ahead(struct bs_tracked *t, const struct bs_capture *c);

int bs_tracked_capture(struct bs_tracked *t, struct bs_capture *c);
void bs_tracked_abandon(struct bs_tracked *t);
int bs_tracked_restore_begin(struct bs_tracked *t, struct bs_restore *restore);
int bs_tracked_restore_finish(struct bs_tracked *t, const struct bs_restore_pages *pages);

/* Closes the descriptors, too; t itself is the owner's. */
void bs_tracked_close(struct bs_tracked *t);

#endif
