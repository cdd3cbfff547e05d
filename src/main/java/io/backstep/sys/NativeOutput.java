// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import org.agrona.UnsafeApi;

/**
 * One held output stream of a program ({@code bs_output}). {@link #pump()} has a thread of its own; all else may be
 * called by any.
 */
public final class NativeOutput implements AutoCloseable {
    public static final int STANDARD_OUTPUT = 1;
    public static final int STANDARD_ERROR = 2;

    private long handle;

    /** Holds what will go to one of this process's descriptors. */
    public NativeOutput(int sink) {
        long out = UnsafeApi.allocateMemory(Long.BYTES);
        try {
            Codes.check(LibBackstep.bs_output_open(sink, out));
            handle = UnsafeApi.getLong(out);
        } finally {
            UnsafeApi.freeMemory(out);
        }
    }

    long handle() {
        return handle;
    }

    /** Moves bytes until {@link #stop()}. */
    public void pump() {
        Codes.check(LibBackstep.bs_output_pump(handle));
    }

    /** Lets everything up to a position go out. */
    public void release(long position) {
        LibBackstep.bs_output_release(handle, position);
    }

    /** Lets all that is held, and all that will come, go out. */
    public void releaseAll() {
        release(-1);
    }

    public long heldBytes() {
        return handle == 0 ? 0 : LibBackstep.bs_output_held(handle);
    }

    public void stop() {
        LibBackstep.bs_output_stop(handle);
    }

    /** After the pump returned: writes out what is left, waiting for the sink. */
    public void finish() {
        Codes.check(LibBackstep.bs_output_finish(handle));
    }

    @Override
    public void close() {
        if (handle != 0) {
            LibBackstep.bs_output_close(handle);
            handle = 0;
        }
    }
}
