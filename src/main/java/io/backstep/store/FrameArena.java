// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.Pages;
import java.util.function.LongFunction;
import java.util.function.LongPredicate;
import net.openhft.chronicle.bytes.BytesStore;
import net.openhft.chronicle.core.io.BackgroundResourceReleaser;

/**
 * The memory that all frames come from: page-aligned pieces of native segments, within a budget. A frame is named by
 * its address. Every frame is touched when its segment is made, so none costs a page fault later; free frames are
 * handed out in the order of their addresses, so that neighbouring pages lie near each other, and few frames stay warm
 * instead of many cold. {@link #take()} and {@link #give(long)} never allocate. A taken frame holds whatever was in it.
 * Beside each frame lies a label that says whose it is and holds its checksum, wherever tables and logs move it. Not
 * thread-safe.
 */
final class FrameArena implements AutoCloseable {
    /** Growth goes this far beyond the need, or by a twentieth of what is there if that is more. */
    private static final long GROWTH_FRAMES = (4L << 20) / PAGE_SIZE;
    private static final long GROWTH_DIVISOR = 20;
    private static final long OVERDRAFT_FRAMES = 64;
    private static final long MAX_SEGMENT_FRAMES = (64L << 20) / PAGE_SIZE;
    /** At most: one before the first frame, one by rounding what redundancy needs. */
    private static final long PAGES_LOST_PER_SEGMENT = 2;

    private final long budgetBytes;
    private final LongFunction<BytesStore<?, Void>> memory;
    private final Redundancy redundancy;
    private final Segments segments = new Segments();
    private final FrameReader reader = new FrameReader();
    /** No segment before it has a free frame. */
    private int firstWithFree;
    private long freeFrames;
    private long frames;
    private long segmentBytes;
    private long outsideBytes;

    FrameArena(long budgetBytes) {
        this(budgetBytes, Redundancy.OFF);
    }

    FrameArena(long budgetBytes, Redundancy redundancy) {
        this(budgetBytes, redundancy, BytesStore::lazyNativeBytesStoreWithFixedCapacity);
    }

    /** An arena whose segments lie in memory that a function gives, or refuses by an OutOfMemoryError. */
    FrameArena(long budgetBytes, Redundancy redundancy, LongFunction<BytesStore<?, Void>> memory) {
        this.budgetBytes = budgetBytes;
        this.redundancy = redundancy;
        this.memory = memory;
    }

    /**
     * Sees to it that this many frames are free. Grows if need be.
     *
     * @return false if the budget or the machine does not allow it
     */
    boolean ensureFree(long count) {
        long missing = count - freeFrames;
        if (missing <= 0) {
            return true;
        }
        long room = roomFrames();
        if (missing > room) {
            return false;
        }
        try {
            requireMemory(missing);
            grow(Math.min(room, Math.max(missing, Math.max(GROWTH_FRAMES, frames / GROWTH_DIVISOR))));
        } catch (OutOfMemoryError e) {
            return freeFrames >= count;
        }
        return true;
    }

    /** As {@link #ensureFree(long)}, but beyond the budget when it must be: for what cannot be refused any more. */
    void demandFree(long count) {
        if (!ensureFree(count)) {
            grow(Math.max(count - freeFrames, OVERDRAFT_FRAMES));
        }
    }

    /** How many frames the budget still has room for. */
    private long roomFrames() {
        long room = budgetBytes - outsideBytes - segmentBytes;
        long groupBytes = Pages.toBytes(Redundancy.GROUP + redundancy.spareFrames(Redundancy.GROUP));
        long frameBytes = groupBytes / Redundancy.GROUP + Label.BYTES;
        long guess = Math.max(0, room) / frameBytes;
        return Math.max(0, guess - PAGES_LOST_PER_SEGMENT * segmentsFor(guess));
    }

    private static long segmentsFor(long frames) {
        return (frames + MAX_SEGMENT_FRAMES - 1) / MAX_SEGMENT_FRAMES;
    }

    private void grow(long count) {
        long missing = count;
        for (long rest = segmentsFor(count); rest > 0; rest--) {
            long share = (missing + rest - 1) / rest;
            add(new Segment(memory.apply(Segment.bytes(share, redundancy)), share, redundancy, reader));
            missing -= share;
        }
    }

    /** Of several segments, what the machine does not have is refused now, and not when most of it has been touched. */
    private void requireMemory(long count) {
        if (count > MAX_SEGMENT_FRAMES) {
            memory.apply(Segment.bytes(count, redundancy)).releaseLast();
            awaitRelease();
        }
    }

    private void add(Segment segment) {
        segments.add(segment);
        segmentBytes += segment.bytes();
        frames += segment.frames();
        freeFrames += segment.freeFrames();
        firstWithFree = 0;
    }

    /** A free frame. There must be one. */
    long take() {
        while (true) {
            if (freeFrames == 0) {
                demandFree(1);
            }
            while (segments.get(firstWithFree).freeFrames() == 0) {
                firstWithFree++;
            }
            Segment segment = segments.get(firstWithFree);
            long before = segment.freeFrames();
            long frame = segment.takeFree();
            freeFrames -= before - segment.freeFrames(); // all, if they were none
            if (frame == 0 || !Label.isOwnedBy(segment.label(frame), Owner.FREE)) {
                continue; // what is remembered was struck, or the label
            }
            if (Owner.isSealed(segment.owner(frame))) {
                segment.unseal(frame);
            }
            Label.own(segment.label(frame), Owner.TAKEN);
            return frame;
        }
    }

    /** Takes a frame back. What is no frame in use is left alone: better to lose one than to hand it out twice. */
    void give(long frame) {
        assert freeFrames < frames : "frame " + Long.toHexString(frame) + " given though all are free";
        Segment segment = segments.find(frame);
        if (segment == null) {
            return;
        }
        long label = segment.label(frame);
        long owner = Label.owner(label);
        if (Owner.isFree(owner)) {
            return;
        }
        Label.own(label, Owner.withFlagsOf(Owner.FREE, owner));
        segment.noteFree(frame);
        freeFrames++;
        firstWithFree = 0;
    }

    /* ---- labels and content ---- */

    /** Is it the address of memory in which frames lie? */
    boolean has(long address) {
        return segments.find(address) != null;
    }

    /** Is there a frame at an address, and does its label say that it belongs to somebody? */
    boolean isOwnedBy(long frame, long owner) {
        Segment segment = segments.find(frame);
        return segment != null && Label.isOwnedBy(segment.label(frame), owner);
    }

    /** Whose a frame is by its label, or {@link Owner#ILLEGIBLE}. */
    long owner(long frame) {
        long label = label(frame);
        return Label.isLegible(label) ? Label.owner(label) : Owner.ILLEGIBLE;
    }

    /** Where the label of a frame lies. */
    long label(long frame) {
        return segments.find(frame).label(frame);
    }

    /** Writes on the label whose a frame is from now on, and returns that; its content stays as good as it was. */
    long own(long frame, long owner) {
        long label = label(frame);
        long written = Owner.withFlagsOf(owner, Label.owner(label));
        Label.own(label, written);
        return written;
    }

    /** Writes a label anew that was struck, of a frame that had been sealed. */
    void relabel(long frame, long owner) {
        Label.own(label(frame), Owner.sealed(owner));
    }

    /** Takes all frames back whose owner is of some kind. */
    void reclaim(LongPredicate owners) {
        for (long frame = next(0); frame != 0; frame = next(frame + PAGE_SIZE)) {
            if (owners.test(owner(frame))) {
                give(frame);
            }
        }
    }

    /**
     * Writes labels that are illegible anew, as of frames that are in somebody's hands. For when nobody else is left:
     * what such a label said must not come back. A frame that was nobody's is not used again.
     */
    void disownIllegible() {
        for (long frame = next(0); frame != 0; frame = next(frame + PAGE_SIZE)) {
            if (owner(frame) == Owner.ILLEGIBLE) {
                Label.own(label(frame), Owner.TAKEN);
            }
        }
    }

    /** Gives a frame's content its checksum, and what it could be repaired from; writes on the label whose it is. */
    void seal(long frame, long owner) {
        segments.find(frame).seal(frame, owner);
    }

    /** Gives a frame's content its checksum, ahead of {@link #sealSummed}. */
    void sum(long frame) {
        segments.find(frame).sum(frame);
    }

    /** As sealing a frame whose content has its checksum. */
    void sealSummed(long frame, long owner) {
        segments.find(frame).sealSummed(frame, owner);
    }

    /** Have two frames the same content now? */
    boolean isSame(long one, long other) {
        return reader.isSame(one, other);
    }

    /** Is the content of a frame what was sealed? */
    boolean isSound(long frame) {
        Segment segment = segments.find(frame);
        return Owner.isSealed(segment.owner(frame)) && segment.isSound(frame);
    }

    /** Gives a frame the content back that was sealed; false if that is nowhere. */
    boolean repair(long frame) {
        Segment segment = segments.find(frame);
        return Owner.isSealed(segment.owner(frame)) && segment.spares().repair(frame);
    }

    /** Looks at what a sound frame would be repaired from; false if that was wrong. It is right afterwards. */
    boolean mendSpare(long frame) {
        return segments.find(frame).spares().mend(frame);
    }

    /** Notes on the label that the content is wrong for good. */
    void noteBroken(long frame) {
        long label = label(frame);
        Label.own(label, Owner.broken(Label.owner(label)));
    }

    /** The first frame at or behind an address; 0 if there is none. */
    long next(long address) {
        return segments.next(address);
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
        return freeFrames;
    }

    long usedFrames() {
        return frames - freeFrames;
    }

    /** Native memory that the arena takes, free frames included. */
    long bytes() {
        return segmentBytes;
    }

    long budgetBytes() {
        return budgetBytes;
    }

    /**
     * Gives segments of which every frame is free back to the system. Asks the labels of all frames, so that nothing
     * goes that is in use, and free frames that were forgotten are remembered again.
     */
    void trim() {
        freeFrames = 0;
        firstWithFree = 0;
        for (int i = segments.count() - 1; i >= 0; i--) {
            Segment segment = segments.get(i);
            segment.listFree();
            freeFrames += segment.freeFrames();
            if (segment.freeFrames() == segment.frames()) {
                release(segments.remove(i));
            }
        }
        awaitRelease();
    }

    private void release(Segment segment) {
        segmentBytes -= segment.bytes();
        frames -= segment.frames();
        freeFrames -= segment.freeFrames();
        segment.close();
    }

    /** Chronicle frees native memory on a thread of its own; what is counted as given back has to be. */
    private static void awaitRelease() {
        BackgroundResourceReleaser.releasePendingResources();
    }

    /** Releases all frames, those in use too. */
    @Override
    public void close() {
        while (segments.count() > 0) {
            release(segments.remove(segments.count() - 1));
        }
        awaitRelease();
    }
}
