// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import java.util.Locale;

/** What a store keeps beside its frames, so that a broken one can be repaired. */
public enum Redundancy {
    /** Nothing: a broken frame costs the checkpoints that need it. */
    OFF,
    /** The exclusive or of each {@value #GROUP} frames: one broken frame of a group is repaired. */
    PARITY,
    /** A second copy of each frame. */
    MIRROR;

    static final int GROUP = 8;

    /** As options and reports name it. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** How many frames stand beside so many. */
    long spareFrames(long frames) {
        return switch (this) {
            case OFF -> 0;
            case PARITY -> (frames + GROUP - 1) / GROUP;
            case MIRROR -> frames;
        };
    }

    /** What stands beside the frames of a segment. */
    Spares spares(Segment segment) {
        return switch (this) {
            case OFF -> Spares.NONE;
            case PARITY -> new Parity(segment);
            case MIRROR -> new SecondCopies(segment);
        };
    }
}
