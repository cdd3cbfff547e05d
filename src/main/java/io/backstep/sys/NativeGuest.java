// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.BackstepException;
import io.backstep.core.Capture;
import io.backstep.core.PageWrites;
import org.agrona.UnsafeApi;

/**
 * Tracked memory of a virtual machine in another process ({@code bs_guest}). Any thread, but one at a time. Failures are
 * {@link BackstepException}s with the library's text.
 */
public final class NativeGuest implements AutoCloseable {
    private final long interruptedNs;
    private long handle;

    private NativeGuest(long handle, long interruptedNs) {
        this.handle = handle;
        this.interruptedNs = interruptedNs;
    }

    /**
     * Makes the memory of a process trackable. The process is stopped for an instant, and runs on.
     *
     * @param saving null: the copy discipline
     */
    public static NativeGuest open(int pid, NativeSaving saving) {
        long out = UnsafeApi.allocateMemory(2L * Long.BYTES);
        try {
            Codes.checkOpen(LibBackstep.bs_guest_open(pid, NativeSaving.handleOf(saving), out, out + Long.BYTES));
            return new NativeGuest(UnsafeApi.getLong(out + Long.BYTES), UnsafeApi.getLong(out));
        } finally {
            UnsafeApi.freeMemory(out);
        }
    }

    /** For how long the registers of a thread of the process were not its own. */
    public long interruptedNs() {
        return interruptedNs;
    }

    /** Tracks whole pages from now on; nobody may write to them at this moment. */
    public void add(long address, long lengthBytes) {
        Codes.checkOpen(LibBackstep.bs_guest_add(handle, address, lengthBytes));
    }

    /**
     * Where writes are held: whether the caller does nothing but wait for frames to be wanted. At all other times held
     * writes do not wait for it.
     */
    public void atLeisure(boolean on) {
        LibBackstep.bs_guest_at_leisure(handle, on ? 1 : 0);
    }

    /**
     * Just before each capture that is not live: copies what is not expected to be written again, while the machine may
     * still run. What cannot be copied now is left to the capture.
     */
    public void copyAhead(Capture capture, CaptureWords words) {
        words.ask(capture, false);
        LibBackstep.bs_guest_copy_ahead(handle, words.address());
    }

    /** Returns false when the capture needs more frames; then goOn must be true the next time. */
    public boolean capture(Capture capture, CaptureWords words, boolean goOn) {
        words.ask(capture, goOn);
        return words.answer(capture, LibBackstep.bs_guest_capture(handle, words.address()));
    }

    /** Gives the last capture up, also one that was complete: its pages are part of the next one. */
    public void abandonCapture() {
        LibBackstep.bs_guest_capture_abandon(handle);
    }

    public void beginRestore(RestoreWords words) {
        Codes.check(LibBackstep.bs_guest_restore_begin(handle, words.address()));
    }

    public void finishRestore(PageWrites writes, RestorePagesWords pages) {
        pages.ask(writes);
        Codes.check(LibBackstep.bs_guest_restore_finish(handle, pages.address()));
    }

    /** Where writes are held, after a rollback: undoes all that was written since. */
    public void undo() {
        Codes.check(LibBackstep.bs_guest_undo(handle));
    }

    @Override
    public void close() {
        if (handle != 0) {
            LibBackstep.bs_guest_close(handle);
            handle = 0;
        }
    }
}
