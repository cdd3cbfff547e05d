// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/**
 * What pages were before they were written in an interval, as a target saved it by itself: ascending by page, each with
 * the address of a frame, or 0 for a page that had no content of its own. Off-heap; not thread-safe.
 */
public final class PreImages implements AutoCloseable {
    private final LongVector pages = new LongVector();
    private final LongVector frames = new LongVector();

    public LongVector pages() {
        return pages;
    }

    /** One for each of {@link #pages()}. */
    public LongVector frames() {
        return frames;
    }

    /** How many of the pages had content of their own. */
    public long frameCount() {
        long count = 0;
        for (long i = 0; i < frames.size(); i++) {
            count += frames.get(i) == 0 ? 0 : 1;
        }
        return count;
    }

    public void clear() {
        pages.clear();
        frames.clear();
    }

    @Override
    public void close() {
        pages.close();
        frames.close();
    }
}
