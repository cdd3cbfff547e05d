// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import io.backstep.core.ExecutionState;
import io.backstep.sys.CaptureWords;
import io.backstep.sys.NativeProcess;
import java.util.zip.CRC32C;
import org.agrona.UnsafeApi;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * The execution state of a process: a copy of the native library's block, and how far its output had come. A block that
 * is not what it was is not let go of: it names files that it may not have named before.
 */
final class ProcessState implements ExecutionState {
    private static final int PART_BYTES = 4096;
    private static final long MULTIPLIER = 0x9E3779B97F4A7C15L;

    private final CRC32C crc = new CRC32C();
    private final UnsafeBuffer block = new UnsafeBuffer(0, 0);
    private final byte[] part = new byte[PART_BYTES];
    private long address;
    private long capacity;
    private boolean filled;
    private long outputMark;
    private long errorMark;
    private long checksum;

    /** Copies what a capture left in the library. */
    void fill(CaptureWords words) {
        clear();
        long size = words.stateSize();
        if (size > capacity) {
            address = UnsafeApi.reallocateMemory(address, size);
            capacity = size;
        }
        UnsafeApi.copyMemory(words.state(), address, size);
        NativeProcess.retainState(address);
        filled = true;
        outputMark = words.outputMark();
        errorMark = words.errorMark();
        block.wrap(address, (int) size);
        checksum = checksum();
    }

    private long checksum() {
        crc.reset();
        for (int at = 0; at < block.capacity(); at += PART_BYTES) {
            int bytes = Math.min(PART_BYTES, block.capacity() - at);
            block.getBytes(at, part, 0, bytes);
            crc.update(part, 0, bytes);
        }
        return (crc.getValue() * MULTIPLIER + outputMark) * MULTIPLIER + errorMark;
    }

    @Override
    public boolean isIntact() {
        return checksum == checksum();
    }

    long address() {
        return address;
    }

    long outputMark() {
        return outputMark;
    }

    long errorMark() {
        return errorMark;
    }

    @Override
    public long sizeBytes() {
        return capacity;
    }

    @Override
    public void clear() {
        if (filled && isIntact()) {
            NativeProcess.releaseState(address);
        }
        filled = false;
    }

    @Override
    public void close() {
        clear();
        if (address != 0) {
            UnsafeApi.freeMemory(address);
            address = capacity = 0;
        }
    }
}
