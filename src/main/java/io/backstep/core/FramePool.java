// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/**
 * Frames that a target has for pre-images that it saves by itself while it runs. What it used comes back with a capture,
 * in {@link Capture#saved()}. When few are left it ends an await early; when none is left it waits, but never while it is
 * being halted or stands.
 */
public interface FramePool {
    /** How many frames are left. */
    long size();

    /** Adds frames. From now on few are fewer than the given number. */
    void add(LongVector frames, long few);

    /** Takes up to so many frames back; they are added to a vector. */
    void takeBack(LongVector into, long count);
}
