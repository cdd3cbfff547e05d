// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import io.backstep.core.ExecutionState;
import java.util.zip.CRC32C;
import org.agrona.concurrent.UnsafeBuffer;

/** The application's record of one checkpoint. */
final class RegionState implements ExecutionState {
    private final UnsafeBuffer record;
    private final CRC32C crc = new CRC32C();
    private int length;
    private long checksum;

    RegionState(int capacity) {
        record = new UnsafeBuffer(new byte[capacity]);
    }

    UnsafeBuffer record() {
        return record;
    }

    int length() {
        return length;
    }

    /** The record is written, and that long. */
    void length(int bytes) {
        if (bytes < 0 || bytes > record.capacity()) {
            throw new IllegalStateException("a record of " + bytes + " bytes, but there are " + record.capacity());
        }
        length = bytes;
        checksum = checksum();
    }

    private long checksum() {
        crc.reset();
        crc.update(record.byteArray(), 0, length);
        return crc.getValue() << Integer.SIZE | length;
    }

    @Override
    public boolean isIntact() {
        return length >= 0 && length <= record.capacity() && checksum == checksum();
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
