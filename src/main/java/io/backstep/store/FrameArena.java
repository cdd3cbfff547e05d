// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.LongFunction;
import net.openhft.chronicle.bytes.BytesStore;
import net.openhft.chronicle.core.io.BackgroundResourceReleaser;
import org.agrona.UnsafeApi;

/**
 * The memory that all frames come from: page-aligned pieces of native segments, within a budget. A frame is named by
 * its address. Every frame is touched when its segment is made, so none costs a page fault later; free frames are
 * handed out last in, first out, so that few stay warm instead of many cold. {@link #take()} and {@link #give(long)}
 * never allocate. A taken frame holds whatever was in it. Not thread-safe.
 */
final class FrameArena implements AutoCloseable {
    /** Growth goes this far beyond the need, or by a twentieth of what is there if that is more. */
    private static final long GROWTH_FRAMES = (4L << 20) / PAGE_SIZE;
    private static final long GROWTH_DIVISOR = 20;
    private static final long OVERDRAFT_FRAMES = 64;
    private static final long MAX_SEGMENT_FRAMES = (64L << 20) / PAGE_SIZE;
    /** A bound for the list of free frames: a long for each, and a vector grows by half. */
    private static final long LIST_BYTES_PER_FRAME = Long.BYTES * 3 / 2;
    private static final long LIST_MIN_BYTES = 4096;

    private final long budgetBytes;
    private final LongFunction<BytesStore<?, Void>> memory;
    private final List<Segment> segments = new ArrayList<>();
    private final LongVector free = new LongVector();
    private long frames;
    private long segmentBytes;
    private long outsideBytes;

    FrameArena(long budgetBytes) {
        this(budgetBytes, BytesStore::lazyNativeBytesStoreWithFixedCapacity);
    }

    /** An arena whose segments lie in memory that a function gives, or refuses by an OutOfMemoryError. */
    FrameArena(long budgetBytes, LongFunction<BytesStore<?, Void>> memory) {
        this.budgetBytes = budgetBytes;
        this.memory = memory;
    }

    /** Native memory cut into frames. The store is a page longer than they need, because it may start anywhere. */
    private record Segment(BytesStore<?, Void> store, long firstFrame, long frames) {
        static Segment of(BytesStore<?, Void> store, long frames) {
            long firstFrame = (store.addressForRead(0) + PAGE_SIZE - 1) & -PAGE_SIZE;
            for (long i = 0; i < frames; i++) {
                UnsafeApi.putLong(firstFrame + Pages.toBytes(i), 0);
            }
            return new Segment(store, firstFrame, frames);
        }

        static long bytes(long frames) {
            return Pages.toBytes(frames + 1);
        }
    }

    /**
     * Sees to it that this many frames are free. Grows if need be.
     *
     * @return false if the budget or the machine does not allow it
     */
    boolean ensureFree(long count) {
        long missing = count - free.size();
        if (missing <= 0) {
            return true;
        }
        long room = roomFrames();
        if (missing > room) {
            return false;
        }
        try {
            grow(Math.min(room, Math.max(missing, Math.max(GROWTH_FRAMES, frames / GROWTH_DIVISOR))));
        } catch (OutOfMemoryError e) {
            return free.size() >= count;
        }
        return true;
    }

    /** As {@link #ensureFree(long)}, but beyond the budget when it must be: for what cannot be refused any more. */
    void demandFree(long count) {
        if (!ensureFree(count)) {
            grow(Math.max(count - free.size(), OVERDRAFT_FRAMES));
        }
    }

    /** How many frames the budget still has room for. */
    private long roomFrames() {
        long listBytes = Math.max(free.sizeBytes(), Math.max(LIST_MIN_BYTES, frames * LIST_BYTES_PER_FRAME));
        long room = budgetBytes - outsideBytes - segmentBytes - listBytes;
        long guess = Math.max(0, room) / (PAGE_SIZE + LIST_BYTES_PER_FRAME);
        return Math.max(0, guess - segmentsFor(guess));
    }

    private static long segmentsFor(long frames) {
        return (frames + MAX_SEGMENT_FRAMES - 1) / MAX_SEGMENT_FRAMES;
    }

    private void grow(long count) {
        // Now, so that giving a frame back never allocates.
        free.reserve(frames + count);
        long missing = count;
        for (long rest = segmentsFor(count); rest > 0; rest--) {
            long share = (missing + rest - 1) / rest;
            add(Segment.of(memory.apply(Segment.bytes(share)), share));
            missing -= share;
        }
    }

    private void add(Segment segment) {
        segments.add(segment);
        segmentBytes += Segment.bytes(segment.frames);
        frames += segment.frames;
        for (long i = segment.frames - 1; i >= 0; i--) {
            free.add(segment.firstFrame + Pages.toBytes(i));
        }
    }

    /** A free frame. There must be one. */
    long take() {
        return free.removeLast();
    }

    void give(long frame) {
        assert (frame & (PAGE_SIZE - 1)) == 0 && frame != 0 : Long.toHexString(frame);
        assert free.size() < frames : "frame " + Long.toHexString(frame) + " given though all are free";
        free.add(frame);
    }

    /** Memory elsewhere that counts against the budget. */
    void outsideBytes(long bytes) {
        outsideBytes = bytes;
    }

    /** All frames, free or not. */
    long frames() {
        return frames;
    }

    long freeFrames() {
        return free.size();
    }

    long usedFrames() {
        return frames - free.size();
    }

    /** The i-th free frame; which one that is changes with every take and give. */
    long freeFrame(long index) {
        return free.get(index);
    }

    /** Native memory that the arena takes, free frames included. */
    long bytes() {
        return segmentBytes + free.sizeBytes();
    }

    long budgetBytes() {
        return budgetBytes;
    }

    /** Gives segments of which every frame is free back to the system. Looks at all free frames. */
    void trim() {
        segments.sort(Comparator.comparingLong(Segment::firstFrame));
        long[] freeOf = new long[segments.size()];
        for (long i = 0; i < free.size(); i++) {
            freeOf[segmentOf(free.get(i))]++;
        }
        long kept = 0;
        for (long i = 0; i < free.size(); i++) {
            long frame = free.get(i);
            int segment = segmentOf(frame);
            if (freeOf[segment] < segments.get(segment).frames) {
                free.set(kept++, frame);
            }
        }
        free.truncate(kept);
        for (int i = freeOf.length - 1; i >= 0; i--) {
            if (freeOf[i] == segments.get(i).frames) {
                release(segments.remove(i));
            }
        }
        awaitRelease();
        if (segments.isEmpty()) {
            free.close();
        }
    }

    /** Which segment a frame lies in. They must be sorted. */
    private int segmentOf(long frame) {
        int low = 0;
        int high = segments.size() - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (segments.get(middle).firstFrame <= frame) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    private void release(Segment segment) {
        segmentBytes -= Segment.bytes(segment.frames);
        frames -= segment.frames;
        segment.store.releaseLast();
    }

    /** Chronicle frees native memory on a thread of its own; what is counted as given back has to be. */
    private static void awaitRelease() {
        BackgroundResourceReleaser.releasePendingResources();
    }

    /** Releases all frames, those in use too. */
    @Override
    public void close() {
        free.close();
        segments.forEach(this::release);
        segments.clear();
        awaitRelease();
    }
}
