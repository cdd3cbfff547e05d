// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import io.backstep.core.LongVector;
import io.backstep.core.PreImages;

/**
 * The pre-images of one interval, ascending by page; frame 0 says that the page had no content of its own then. The
 * frames belong to the log. It has a checksum from what was added, so that a change in memory shows. It is used again
 * and again and allocates only when it grows beyond what it ever was. Not thread-safe.
 */
final class UndoLog implements AutoCloseable {
    private final LongVector pages = new LongVector();
    private final LongVector frames = new LongVector();
    private long frameCount;
    private long sum;

    long size() {
        return pages.size();
    }

    long page(long index) {
        return pages.get(index);
    }

    long frame(long index) {
        return frames.get(index);
    }

    LongVector pages() {
        return pages;
    }

    LongVector frames() {
        return frames;
    }

    /** How many of the pre-images have a frame. */
    long frameCount() {
        return frameCount;
    }

    /** Memory of the log itself, without the frames. */
    long bytes() {
        return pages.sizeBytes() + frames.sizeBytes();
    }

    /** Makes room, so that adding up to this size does not allocate. */
    void reserve(long size) {
        pages.reserve(size);
        frames.reserve(size);
    }

    /** Appends a pre-image; pages must ascend. */
    void add(long page, long frame) {
        assert pages.isEmpty() || pages.get(size() - 1) < page : page;
        pages.add(page);
        frames.add(frame);
        sum = sumWith(sum, page, frame);
        if (frame != 0) {
            frameCount++;
        }
    }

    private static long sumWith(long sumBefore, long page, long frame) {
        return Mixing.mix(sumBefore, Mixing.mix(page, frame));
    }

    /** Is in memory what was added? Looks at all of it. */
    boolean isIntact() {
        long found = 0;
        for (long i = 0; i < size(); i++) {
            found = sumWith(found, page(i), frame(i));
        }
        return found == sum;
    }

    /** Refers to what a target saved; the frames stay the target's. */
    void copyFrom(PreImages saved) {
        forget();
        pages.copyFrom(saved.pages().address(), saved.pages().size());
        frames.copyFrom(saved.frames().address(), saved.frames().size());
    }

    /** Where a page stands in the log, -1 if nowhere. */
    long indexOf(long page) {
        long low = 0;
        long high = size() - 1;
        while (low <= high) {
            long middle = (low + high) >>> 1;
            long found = page(middle);
            if (found == page) {
                return middle;
            }
            if (found < page) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return -1;
    }

    /**
     * Makes this the log of two neighbouring intervals together: of each page the older pre-image. Frames it has no use
     * for go back to the arena, and both logs are empty afterwards. This one must be empty and neither of them.
     */
    void setMerged(UndoLog older, UndoLog newer, FrameArena arena) {
        assert size() == 0 && this != older && this != newer;
        reserve(older.size() + newer.size());
        long i = 0;
        for (long k = 0; k < newer.size(); k++) {
            long page = newer.page(k);
            while (i < older.size() && older.page(i) < page) {
                add(older.page(i), older.frame(i++));
            }
            if (i == older.size() || older.page(i) > page) {
                add(page, newer.frame(k));
            } else if (newer.frame(k) != 0) {
                arena.give(newer.frame(k));
            }
        }
        for (; i < older.size(); i++) {
            add(older.page(i), older.frame(i));
        }
        older.forget();
        newer.forget();
    }

    /** Gives the frames back to the arena and empties the log. */
    void free(FrameArena arena) {
        for (long i = 0; i < size(); i++) {
            if (frame(i) != 0) {
                arena.give(frame(i));
            }
        }
        forget();
    }

    /** Empties the log; its frames are somebody else's now. */
    void forget() {
        pages.clear();
        frames.clear();
        frameCount = 0;
        sum = 0;
    }

    @Override
    public void close() {
        pages.close();
        frames.close();
        frameCount = 0;
        sum = 0;
    }
}
