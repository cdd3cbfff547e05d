// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.Pages;
import org.agrona.UnsafeApi;

/** Each frame of a segment a second time, in the same order. */
final class SecondCopies implements Spares {
    private final Segment segment;

    SecondCopies(Segment segment) {
        this.segment = segment;
    }

    @Override
    public void add(long frame) {
        UnsafeApi.copyMemory(frame, copy(frame), PAGE_SIZE);
    }

    @Override
    public void remove(long frame) {
        // the copy is overwritten with the frame
    }

    @Override
    public boolean repair(long frame) {
        long label = segment.label(frame);
        if (segment.checksum(copy(frame)) == Label.seal(label)) {
            UnsafeApi.copyMemory(copy(frame), frame, PAGE_SIZE);
        } else if (segment.isSame(copy(frame), frame)) { // what was struck is the seal
            Label.putSeal(label, segment.checksum(frame));
        } else {
            return false;
        }
        return true;
    }

    @Override
    public boolean mend(long frame) {
        boolean isRight = segment.checksum(copy(frame)) == Label.seal(segment.label(frame));
        if (!isRight) {
            add(frame);
        }
        return isRight;
    }

    private long copy(long frame) {
        return frame + Pages.toBytes(segment.frames());
    }
}
