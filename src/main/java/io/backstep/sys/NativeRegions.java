// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.BackstepException;
import io.backstep.core.Capture;
import io.backstep.core.PageWrites;
import org.agrona.UnsafeApi;

/**
 * Tracked ranges of this process's memory ({@code bs_regions}). Any thread, but one at a time. Failures are {@link
 * BackstepException}s with the library's text.
 */
public final class NativeRegions implements AutoCloseable {
    private long handle;

    private NativeRegions(long handle) {
        this.handle = handle;
    }

    public static NativeRegions open() {
        long out = UnsafeApi.allocateMemory(Long.BYTES);
        try {
            Codes.checkOpen(LibBackstep.bs_regions_open(out));
            return new NativeRegions(UnsafeApi.getLong(out));
        } finally {
            UnsafeApi.freeMemory(out);
        }
    }

    /** Maps memory of zeros and returns its address, which begins a page. */
    public static long map(long lengthBytes) {
        long out = UnsafeApi.allocateMemory(Long.BYTES);
        try {
            Codes.check(LibBackstep.bs_memory_map(lengthBytes, out));
            return UnsafeApi.getLong(out);
        } finally {
            UnsafeApi.freeMemory(out);
        }
    }

    public static void unmap(long address, long lengthBytes) {
        LibBackstep.bs_memory_unmap(address, lengthBytes);
    }

    /** Tracks whole pages of private memory from now on. */
    public void add(long address, long lengthBytes) {
        Codes.checkOpen(LibBackstep.bs_regions_add(handle, address, lengthBytes));
    }

    /** Returns false when the capture needs more frames; then goOn must be true the next time. */
    public boolean capture(Capture capture, CaptureWords words, boolean goOn) {
        words.ask(capture, goOn);
        return words.answer(capture, LibBackstep.bs_regions_capture(handle, words.address()));
    }

    public void abandonCapture() {
        LibBackstep.bs_regions_capture_abandon(handle);
    }

    public void beginRestore(RestoreWords words) {
        Codes.check(LibBackstep.bs_regions_restore_begin(handle, words.address()));
    }

    public void finishRestore(PageWrites writes, RestorePagesWords pages) {
        pages.ask(writes);
        Codes.check(LibBackstep.bs_regions_restore_finish(handle, pages.address()));
    }

    @Override
    public void close() {
        if (handle != 0) {
            LibBackstep.bs_regions_close(handle);
            handle = 0;
        }
    }
}
