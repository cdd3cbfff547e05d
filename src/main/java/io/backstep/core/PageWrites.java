// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/**
 * What a rollback does to a target's pages: some get the content of a frame, some are dropped because at the checkpoint
 * they had no content of their own (never written, or given back). Both lists ascend by page. Off-heap; not
 * thread-safe.
 */
public final class PageWrites implements AutoCloseable {
    private final LongVector pages = new LongVector();
    private final LongVector frames = new LongVector();
    private final LongVector dropped = new LongVector();

    public LongVector pages() {
        return pages;
    }

    /** Addresses of frames, one for each of {@link #pages()}. */
    public LongVector frames() {
        return frames;
    }

    public LongVector dropped() {
        return dropped;
    }

    public void write(long page, long frame) {
        pages.add(page);
        frames.add(frame);
    }

    public void drop(long page) {
        dropped.add(page);
    }

    public void clear() {
        pages.clear();
        frames.clear();
        dropped.clear();
    }

    @Override
    public void close() {
        pages.close();
        frames.close();
        dropped.close();
    }
}
