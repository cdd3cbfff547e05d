// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import io.backstep.core.ExecutionState;
import org.agrona.concurrent.UnsafeBuffer;

/** The application's record of one checkpoint. */
final class RegionState implements ExecutionState {
    private final UnsafeBuffer record;
    private int length;

    RegionState(int capacity) {
        record = new UnsafeBuffer(new byte[capacity]);
    }

    UnsafeBuffer record() {
        return record;
    }

    int length() {
        return length;
    }

    void length(int bytes) {
        if (bytes < 0 || bytes > record.capacity()) {
            throw new IllegalStateException("a record of " + bytes + " bytes, but there are " + record.capacity());
        }
        length = bytes;
    }

    @Override
    public long sizeBytes() {
        return record.capacity();
    }

    @Override
    public void clear() {
        length = 0;
    }

    @Override
    public void close() {
        clear();
    }
}
