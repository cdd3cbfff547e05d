// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import io.backstep.core.ExecutionState;

/** An execution state of a test, which counts how often it was cleared. */
final class CountedState implements ExecutionState {
    private static final long CONTENT = 0x0123456789ABCDEFL;

    private int clears;
    private long content = CONTENT;

    int clears() {
        return clears;
    }

    @Override
    public long sizeBytes() {
        return 0;
    }

    /** Inverts bits of what a target would be given. */
    void flip(long mask) {
        content ^= mask;
    }

    @Override
    public boolean isIntact() {
        return content == CONTENT;
    }

    @Override
    public void clear() {
        clears++;
    }

    @Override
    public void close() {
    }
}
