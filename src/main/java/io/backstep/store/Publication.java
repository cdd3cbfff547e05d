// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import io.backstep.core.Capture;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import org.agrona.UnsafeApi;

/**
 * Moves captures into the mirror, and what they replace into an undo log. Only pointers move; each frame that is new
 * gets its checksum. Allocates nothing. Not thread-safe.
 */
final class Publication {
    /** Pages of which memory is asked for at once, before they are compared one by one. */
    private static final int BATCH = 16;

    private final FrameArena arena;
    private final PageTable mirror;
    private final Inspection inspection;
    private final Leaving leaving = new Leaving();
    private final long[] mirrored = new long[BATCH];
    /** Of no meaning: what is read ahead must go somewhere. */
    private long touched;
    /** Whether the frames of the capture that comes next have their checksums. */
    private boolean areSummed;

    Publication(FrameArena arena, PageTable mirror, Inspection inspection) {
        this.arena = arena;
        this.mirror = mirror;
        this.inspection = inspection;
    }

    /**
     * Takes pages out of a capture, among some, whose content is that of the mirror. The others get their checksums while
     * they are in the processor's caches: unchanged, this capture must be the next that is moved.
     */
    void leaveOutSame(Capture capture, PageRanges among) {
        areSummed = false;
        LongVector pages = capture.pages();
        LongVector frames = capture.frames();
        long kept = 0;
        long range = 0;
        for (long from = 0; from < pages.size(); from += BATCH) {
            long end = Math.min(from + BATCH, pages.size());
            range = findMirrored(capture, from, end, among, range);
            for (long i = from; i < end; i++) {
                long frame = frames.get(i);
                long before = mirrored[(int) (i - from)];
                if (before != 0 && arena.isSame(before, frame)) {
                    continue;
                }
                arena.sum(frame);
                frames.set(i, frames.get(kept));
                frames.set(kept, frame);
                pages.set(kept++, pages.get(i));
            }
        }
        pages.truncate(kept);
        areSummed = true;
    }

    /**
     * What some pages of a capture are to be compared with, 0 for nothing. Reads of each, too: the processor waits for
     * memory once then, and not for each page.
     *
     * @param range where the first page is sought; returns the same for the pages that follow
     */
    private long findMirrored(Capture capture, long from, long end, PageRanges among, long range) {
        LongVector pages = capture.pages();
        long at = range;
        for (long i = from; i < end; i++) {
            long page = pages.get(i);
            at = among.seek(at, page);
            boolean isCompared = among.has(at, page) && !capture.dropped().contains(page);
            mirrored[(int) (i - from)] = isCompared ? mirror.get(page) : 0;
        }
        for (long i = from; i < end; i++) {
            long before = mirrored[(int) (i - from)];
            touched += before != 0 ? UnsafeApi.getByte(before) + UnsafeApi.getByte(capture.frames().get(i)) : 0;
        }
        return at;
    }

    /**
     * Does what can fail, so that moving the capture cannot.
     *
     * @param log what {@link #move} will write to, or null
     */
    void prepare(Capture capture, UndoLog log) {
        mirror.prepare(capture.pages(), capture.frames());
        if (log != null) {
            log.reserve(capture.pages().size() + mirrored(capture.dropped()) + capture.saved().pages().size());
        }
    }

    /** How many pages of some ranges are in the mirror. */
    private long mirrored(PageRanges ranges) {
        long count = 0;
        for (long i = 0; i < ranges.rangeCount(); i++) {
            long end = ranges.end(i);
            for (long page = mirror.next(ranges.first(i), end); page < end; page = mirror.next(page + 1, end)) {
                count++;
            }
        }
        return count;
    }

    /**
     * Moves a capture into the mirror; its frames leave its vector.
     *
     * @param log gets what is replaced, as the newest of the store's logs; null: nobody needs it
     */
    void move(Capture capture, UndoLog log) {
        try {
            if (capture.saved().pages().isEmpty()) {
                moveCopied(capture, log);
            } else {
                moveCopiedAndSaved(capture, log);
            }
        } finally {
            areSummed = false;
        }
        capture.frames().removeFirst(capture.pages().size());
    }

    /** No capture that was compared will be moved. */
    void forget() {
        areSummed = false;
    }

    /** Puts the i-th page of a capture into the mirror, and returns the frame that it had there, or 0. */
    private long putNew(Capture capture, long i) {
        long frame = capture.frames().get(i);
        if (!areSummed) {
            arena.sum(frame);
        }
        return mirror.putNew(capture.pages().get(i), frame);
    }

    private void moveCopied(Capture capture, UndoLog log) {
        LongVector pages = capture.pages();
        PageRanges dropped = capture.dropped();
        long moved = 0;
        for (long i = 0; i < dropped.rangeCount(); i++) {
            long end = dropped.end(i);
            for (long page = mirror.next(dropped.first(i), end); page < end; page = mirror.next(page + 1, end)) {
                moved = putBefore(page, moved, capture, log);
                // A page that is in both lists has content now.
                if (moved == pages.size() || pages.get(moved) != page) {
                    replaced(page, mirror.remove(page), log);
                }
            }
        }
        putBefore(Long.MAX_VALUE, moved, capture, log);
    }

    /** Puts the captured pages from an index on and below an end page into the mirror; returns the index after them. */
    private long putBefore(long endPage, long from, Capture capture, UndoLog log) {
        LongVector pages = capture.pages();
        long i = from;
        for (; i < pages.size() && pages.get(i) < endPage; i++) {
            replaced(pages.get(i), putNew(capture, i), log);
        }
        return i;
    }

    private void replaced(long page, long oldFrame, UndoLog log) {
        if (log != null) {
            log.add(page, oldFrame);
            if (oldFrame != 0) {
                noteLogged(page, oldFrame);
            }
        } else if (oldFrame != 0) {
            arena.give(oldFrame);
        }
    }

    private void noteLogged(long page, long frame) {
        long owner = arena.own(frame, Owner.log(page));
        if (!Owner.isSealed(owner)) { // comes from the target
            arena.seal(frame, Owner.log(page));
        } else if (Owner.isBroken(owner)) {
            inspection.loseThoseThatNeedNewest(page);
        }
    }

    /** Three lists are walked at once: pages with a new frame, pages that leave the mirror, and pages with a pre-image. */
    private void moveCopiedAndSaved(Capture capture, UndoLog log) {
        LongVector pages = capture.pages();
        LongVector saved = capture.saved().pages();
        long copied = 0;
        long kept = 0;
        leaving.start(capture.dropped());
        while (true) {
            long nextCopied = copied < pages.size() ? pages.get(copied) : Long.MAX_VALUE;
            long nextSaved = kept < saved.size() ? saved.get(kept) : Long.MAX_VALUE;
            long page = Math.min(Math.min(nextCopied, nextSaved), leaving.page());
            if (page == Long.MAX_VALUE) {
                break;
            }
            long before = page == nextCopied ? putNew(capture, copied++) : mirror.remove(page);
            if (page == nextSaved) {
                before = older(before, capture.saved().frames().get(kept++));
            }
            replaced(page, before, log);
            if (page == leaving.page()) {
                leaving.next();
            }
        }
        capture.saved().clear();
    }

    /** What was in the mirror was there first. The other frame is free. */
    private long older(long fromMirror, long fromTarget) {
        if (fromMirror == 0) {
            return fromTarget;
        }
        if (fromTarget != 0) {
            arena.give(fromTarget);
        }
        return fromMirror;
    }

    /** A walk over the pages of some ranges that are in the mirror. */
    private final class Leaving {
        private PageRanges ranges;
        private long range;
        private long page;

        void start(PageRanges ofPages) {
            ranges = ofPages;
            range = 0;
            page = ofPages.isEmpty() ? Long.MAX_VALUE : ofPages.first(0) - 1;
            next();
        }

        /** Long.MAX_VALUE at the end. */
        long page() {
            return page;
        }

        void next() {
            while (range < ranges.rangeCount()) {
                long end = ranges.end(range);
                page = mirror.next(Math.max(page + 1, ranges.first(range)), end);
                if (page < end) {
                    return;
                }
                range++;
            }
            page = Long.MAX_VALUE;
        }
    }
}
