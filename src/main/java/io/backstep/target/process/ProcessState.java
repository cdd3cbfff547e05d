// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import io.backstep.core.ExecutionState;
import io.backstep.sys.CaptureWords;
import io.backstep.sys.NativeProcess;
import org.agrona.UnsafeApi;

/** The execution state of a process: a copy of the native library's block, and how far its output had come. */
final class ProcessState implements ExecutionState {
    private long address;
    private long capacity;
    private boolean filled;
    private long outputMark;
    private long errorMark;

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
        if (filled) {
            NativeProcess.releaseState(address);
            filled = false;
        }
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
