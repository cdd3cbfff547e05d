// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import io.backstep.core.ExecutionState;

/** An execution state of a test, which counts how often it was cleared. */
final class CountedState implements ExecutionState {
    private int clears;

    int clears() {
        return clears;
    }

    @Override
    public long sizeBytes() {
        return 0;
    }

    @Override
    public void clear() {
        clears++;
    }

    @Override
    public void close() {
    }
}
