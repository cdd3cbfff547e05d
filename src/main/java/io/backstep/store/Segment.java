// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SHIFT;
import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.Pages;
import java.util.BitSet;
import net.openhft.chronicle.bytes.BytesStore;
import org.agrona.UnsafeApi;

/**
 * Native memory cut into frames, with a {@link Label} for each and, if wanted, what a broken one is repaired from. A
 * frame is named by its address. Remembers which frames are free, but it is the labels that decide. Allocates nothing once
 * it is made. Not thread-safe.
 *
 * <pre>
 *   unused up to a page | frames | spare frames | labels
 * </pre>
 */
final class Segment implements AutoCloseable {
    private final BytesStore<?, Void> store;
    private final Redundancy redundancy;
    private final long firstFrame;
    private final long frames;
    private final long endFrame;
    private final long labels;
    private final Spares spares;
    private final FrameReader reader;
    private final BitSet free;
    /** None before it is free. */
    private int lowestFree;
    private long freeFrames;

    /** Takes memory of the size that {@link #bytes} says and owns it. */
    Segment(BytesStore<?, Void> store, long frames, Redundancy redundancy, FrameReader reader) {
        this.store = store;
        this.redundancy = redundancy;
        this.reader = reader;
        this.frames = frames;
        firstFrame = (store.addressForRead(0) + PAGE_SIZE - 1) & -PAGE_SIZE;
        endFrame = firstFrame + Pages.toBytes(frames);
        long spareBytes = Pages.toBytes(redundancy.spareFrames(frames));
        labels = endFrame + spareBytes;
        spares = redundancy.spares(this);
        for (long frame = firstFrame; frame < endFrame; frame += PAGE_SIZE) {
            UnsafeApi.putLong(frame, 0); // touched now, so that none costs a page fault later
            Label.own(label(frame), Owner.FREE);
            Label.putSeal(label(frame), 0);
        }
        UnsafeApi.setMemory(endFrame, spareBytes, (byte) 0);
        free = new BitSet((int) frames);
        listFree();
    }

    /** The memory that a segment takes; a page more than its frames, because it may start anywhere. */
    static long bytes(long frames, Redundancy redundancy) {
        return Pages.toBytes(frames + redundancy.spareFrames(frames) + 1) + frames * Label.BYTES;
    }

    long bytes() {
        return bytes(frames, redundancy);
    }

    long firstFrame() {
        return firstFrame;
    }

    /** Behind the last frame; the first spare frame, if there is one. */
    long endFrame() {
        return endFrame;
    }

    long frames() {
        return frames;
    }

    /** Is there a frame of this segment at an address? */
    boolean has(long frame) {
        return frame >= firstFrame && frame < endFrame && (frame & (PAGE_SIZE - 1)) == 0;
    }

    /** Where the label of a frame lies. */
    long label(long frame) {
        return labels + index(frame) * Label.BYTES;
    }

    private long index(long frame) {
        return (frame - firstFrame) >>> PAGE_SHIFT;
    }

    long freeFrames() {
        return freeFrames;
    }

    /** Those that are free by their labels, and only those, are remembered from now on. */
    void listFree() {
        free.clear();
        freeFrames = 0;
        lowestFree = (int) frames;
        for (long frame = firstFrame; frame < endFrame; frame += PAGE_SIZE) {
            if (Label.isOwnedBy(label(frame), Owner.FREE)) {
                noteFree(frame);
            }
        }
    }

    /** Remembers one that was not remembered. */
    void noteFree(long frame) {
        int index = (int) index(frame);
        free.set(index);
        lowestFree = Math.min(lowestFree, index);
        freeFrames++;
    }

    /** The first of those remembered, which is forgotten; 0 if there is none, however many were counted. */
    long takeFree() {
        int index = free.nextSetBit(lowestFree);
        if (index < 0 || index >= frames) {
            freeFrames = 0;
            return 0;
        }
        free.clear(index);
        lowestFree = index + 1;
        freeFrames--;
        return firstFrame + Pages.toBytes(index);
    }

    /** What the label says, legible or not. */
    long owner(long frame) {
        return Label.owner(label(frame));
    }

    /** Takes the content of a frame for right from now on, and for somebody's. */
    void seal(long frame, long owner) {
        sum(frame);
        sealSummed(frame, owner);
    }

    /** Writes the checksum of a frame's content on its label: what sealing takes long for. */
    void sum(long frame) {
        Label.putSeal(label(frame), checksum(frame));
    }

    /** As sealing a frame that has its checksum. */
    void sealSummed(long frame, long owner) {
        spares.add(frame);
        Label.own(label(frame), Owner.sealed(owner));
    }

    /** The content of a sealed frame that is free may be overwritten from now on. */
    void unseal(long frame) {
        spares.remove(frame);
        Label.own(label(frame), Owner.FREE);
    }

    /** Is the content what it was when it was sealed? */
    boolean isSound(long frame) {
        return checksum(frame) == Label.seal(label(frame));
    }

    Spares spares() {
        return spares;
    }

    /** Of the content that a frame, or a spare one, has now. */
    int checksum(long frame) {
        return reader.checksum(frame);
    }

    /** Have two frames, or spare ones, the same content now? */
    boolean isSame(long one, long other) {
        return reader.isSame(one, other);
    }

    @Override
    public void close() {
        store.releaseLast();
    }
}
