// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.Pages;
import org.agrona.UnsafeApi;

/**
 * The exclusive or of the sealed frames of each group of a segment: spare frame g that of the frames g, g + G, g + 2G...,
 * G being the number of spare frames. Memory that goes bad at a stretch strikes neighbours, which are of different
 * groups.
 *
 * <p>A frame that is free again stays in its group until it is taken for another content: to let go of a checkpoint
 * costs nothing here, and what has to be done is done frame by frame, as frames are made ready for a capture.
 */
final class Parity implements Spares {
    private final Segment segment;
    private final long groupsBytes;

    Parity(Segment segment) {
        this.segment = segment;
        groupsBytes = Pages.toBytes(Redundancy.PARITY.spareFrames(segment.frames()));
    }

    @Override
    public void add(long frame) {
        xor(frame, parity(frame));
    }

    @Override
    public void remove(long frame) {
        boolean isKnown = segment.isSound(frame) || repair(frame);
        Label.own(segment.label(frame), Owner.FREE);
        if (isKnown) {
            xor(frame, parity(frame));
        } else if (isGroupSound(frame)) {
            make(frame);
        }
    }

    /** The exclusive or of parity and group is what the one broken frame differs by. */
    @Override
    public boolean repair(long frame) {
        if (!areOthersSound(frame)) {
            return false;
        }
        long parity = parity(frame);
        xorGroup(frame, parity);
        xor(parity, frame);
        if (segment.isSound(frame)) {
            make(frame);
            return true;
        }
        xor(parity, frame);
        boolean isSealStruck = isZero(parity);
        xorGroup(frame, parity);
        if (isSealStruck) {
            Label.putSeal(segment.label(frame), segment.checksum(frame));
        }
        return isSealStruck;
    }

    private boolean areOthersSound(long frame) {
        for (long other = firstOfGroup(frame); other < segment.endFrame(); other += groupsBytes) {
            if (other != frame && isIn(other) && !segment.isSound(other)) {
                return false;
            }
        }
        return true;
    }

    /** Done with the first frame of a group that is in use; looks at those that are free as well. */
    @Override
    public boolean mend(long frame) {
        if (frame != firstInUse(frame)) {
            return true;
        }
        boolean areFreeRight = mendFree(frame);
        if (!isGroupSound(frame)) {
            return areFreeRight;
        }
        long parity = parity(frame);
        xorGroup(frame, parity);
        boolean isRight = isZero(parity);
        make(frame);
        return isRight && areFreeRight;
    }

    private long firstInUse(long frame) {
        long first = firstOfGroup(frame);
        while (first < frame && !(isIn(first) && !Owner.isFree(segment.owner(first)))) {
            first += groupsBytes;
        }
        return first;
    }

    /** A broken free frame, which nobody looks at, would keep the others from being repaired. */
    private boolean mendFree(long frame) {
        boolean areRight = true;
        for (long other = firstOfGroup(frame); other < segment.endFrame(); other += groupsBytes) {
            if (isIn(other) && Label.isLegible(segment.label(other)) && Owner.isFree(segment.owner(other))
                    && !segment.isSound(other)) {
                areRight = false;
                if (!repair(other)) {
                    Label.own(segment.label(other), Owner.FREE);
                }
            }
        }
        return areRight;
    }

    /** Parity of what is not known to be right would make it look right, and so would that of too few. */
    private boolean isGroupSound(long frame) {
        for (long other = firstOfGroup(frame); other < segment.endFrame(); other += groupsBytes) {
            if (!Label.isLegible(segment.label(other)) || isIn(other) && !segment.isSound(other)) {
                return false;
            }
        }
        return true;
    }

    private void make(long frame) {
        long parity = parity(frame);
        UnsafeApi.setMemory(parity, PAGE_SIZE, (byte) 0);
        xorGroup(frame, parity);
    }

    /** The parity frame, with what all frames of the group hold. */
    private void xorGroup(long frame, long parity) {
        for (long other = firstOfGroup(frame); other < segment.endFrame(); other += groupsBytes) {
            if (isIn(other)) {
                xor(other, parity);
            }
        }
    }

    private boolean isIn(long frame) {
        return Owner.isSealed(segment.owner(frame));
    }

    private long parity(long frame) {
        return segment.endFrame() + (firstOfGroup(frame) - segment.firstFrame());
    }

    private long firstOfGroup(long frame) {
        return segment.firstFrame() + (frame - segment.firstFrame()) % groupsBytes;
    }

    private static void xor(long from, long into) {
        for (long at = 0; at < PAGE_SIZE; at += 4 * Long.BYTES) {
            xorWord(from + at, into + at);
            xorWord(from + at + Long.BYTES, into + at + Long.BYTES);
            xorWord(from + at + 2 * Long.BYTES, into + at + 2 * Long.BYTES);
            xorWord(from + at + 3 * Long.BYTES, into + at + 3 * Long.BYTES);
        }
    }

    private static void xorWord(long from, long into) {
        UnsafeApi.putLong(into, UnsafeApi.getLong(into) ^ UnsafeApi.getLong(from));
    }

    private static boolean isZero(long frame) {
        for (long at = 0; at < PAGE_SIZE; at += Long.BYTES) {
            if (UnsafeApi.getLong(frame + at) != 0) {
                return false;
            }
        }
        return true;
    }
}
