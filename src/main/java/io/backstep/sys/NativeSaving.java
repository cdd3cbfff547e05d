// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.BackstepException;
import io.backstep.core.Capture;
import io.backstep.core.FramePool;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PreImages;
import org.agrona.UnsafeApi;

/**
 * The cow discipline ({@code bs_cow}): the pages of a target that a native thread saves while their first writes are held.
 * The native handle of the target must be closed before it. One thread, but for {@link #awaitWant()} and {@link
 * #endAwait()}. Failures are {@link BackstepException}s with the library's text.
 */
public final class NativeSaving implements FramePool, AutoCloseable {
    private final SavedWords words = new SavedWords();
    private final PageRanges released = new PageRanges();
    private final PageRanges gone = new PageRanges();
    private long handle;

    public NativeSaving() {
        long out = UnsafeApi.allocateMemory(Long.BYTES);
        try {
            Codes.check(LibBackstep.bs_cow_open(out));
            handle = UnsafeApi.getLong(out);
        } finally {
            UnsafeApi.freeMemory(out);
        }
    }

    static long handleOf(NativeSaving saving) {
        return saving == null ? 0 : saving.handle;
    }

    /** Completes a capture. Frames at the end of the capture's may be used for that. */
    public void fill(Capture capture) {
        LongVector frames = capture.frames();
        long used = capture.pages().size();
        Codes.check(LibBackstep.bs_cow_saved(
                handle, frames.address() + used * Long.BYTES, frames.size() - used, words.address()));
        frames.remove(used, words.spareUsed());
        words.saved(capture.saved());
        capture.lostPages(words.lostPages());
        words.released(released);
        gone.copyFrom(capture.dropped());
        capture.dropped().setUnion(gone, released);
    }

    /** In a rollback: what was saved since the last capture. */
    public void fill(PreImages saved) {
        Codes.check(LibBackstep.bs_cow_saved(handle, 0, 0, words.address()));
        words.saved(saved);
    }

    @Override
    public long size() {
        return LibBackstep.bs_cow_pooled(handle);
    }

    @Override
    public void add(LongVector frames, long few) {
        Codes.check(LibBackstep.bs_cow_feed(handle, frames.address(), frames.size(), few));
    }

    @Override
    public void takeBack(LongVector into, long count) {
        into.reserve(into.size() + count);
        long taken = LibBackstep.bs_cow_take_frames(handle, into.address() + into.size() * Long.BYTES, count);
        into.grow(taken);
    }

    /** Waits until frames are wanted; false after {@link #endAwait()}. Blocks: a thread of its own. */
    public boolean awaitWant() {
        return Codes.check(LibBackstep.bs_cow_await_want(handle)) > 0;
    }

    /** Ends waiting, for good. Any thread. */
    public void endAwait() {
        LibBackstep.bs_cow_end_await(handle);
    }

    @Override
    public void close() {
        if (handle != 0) {
            LibBackstep.bs_cow_close(handle);
            handle = 0;
            words.close();
            released.close();
            gone.close();
        }
    }
}
