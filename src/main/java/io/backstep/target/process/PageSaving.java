// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import io.backstep.core.Capture;
import io.backstep.core.FramePool;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PreImages;
import io.backstep.sys.NativeProcess;
import io.backstep.sys.SavedWords;

/** The cow discipline of a process: the pages that a native thread saves while their first writes are held. */
final class PageSaving implements FramePool, AutoCloseable {
    private final NativeProcess process;
    private final SavedWords words = new SavedWords();
    private final PageRanges released = new PageRanges();
    private final PageRanges gone = new PageRanges();

    PageSaving(NativeProcess process) {
        this.process = process;
        process.holdWrites();
    }

    /** Completes a capture. */
    void fill(Capture capture) {
        process.saved(capture, words);
        words.saved(capture.saved());
        capture.lostPages(words.lostPages());
        words.released(released);
        gone.copyFrom(capture.dropped());
        capture.dropped().setUnion(gone, released);
    }

    /** In a rollback: what was saved since the last capture. */
    void fill(PreImages saved) {
        process.saved(words);
        words.saved(saved);
    }

    @Override
    public long size() {
        return process.pooledFrames();
    }

    @Override
    public void add(LongVector frames, long few) {
        process.feed(frames, few);
    }

    @Override
    public void takeBack(LongVector into, long count) {
        process.takeFrames(into, count);
    }

    @Override
    public void close() {
        words.close();
        released.close();
        gone.close();
    }
}
