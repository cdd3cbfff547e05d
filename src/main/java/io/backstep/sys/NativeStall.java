// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.nio.ByteBuffer;

import io.backstep.core.BackstepException;
import org.agrona.UnsafeApi;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * A pipe that stalls another process that writes to it, shortly before its end, until that is taken ({@code bs_stall}).
 * One thread at a time. Failures are {@link BackstepException}s with the library's text.
 */
public final class NativeStall implements AutoCloseable {
    private static final int PATH_BYTES = 64;
    private static final int SIZE_OFFSET = Long.BYTES;
    private static final int PATH_OFFSET = SIZE_OFFSET + Long.BYTES;

    private final long words = UnsafeApi.allocateMemory(PATH_OFFSET + PATH_BYTES);
    private final UnsafeBuffer content = new UnsafeBuffer(0, 0);
    private long handle;

    public NativeStall() {
        Codes.check(LibBackstep.bs_stall_open(words));
        handle = UnsafeApi.getLong(words);
    }

    /** Makes a new pipe for one writer of about so many bytes. Returns the path that it is to open. */
    public String arm(long expectedBytes) {
        Codes.check(LibBackstep.bs_stall_arm(handle, expectedBytes, words + PATH_OFFSET));
        StringBuilder path = new StringBuilder();
        for (byte letter; (letter = UnsafeApi.getByte(words + PATH_OFFSET + path.length())) != 0;) {
            path.append((char) letter);
        }
        return path.toString();
    }

    /** Waits until it is opened. False: nobody did. */
    public boolean awaitOpen(int timeoutMs) {
        return Codes.check(LibBackstep.bs_stall_await(handle, timeoutMs)) != 0;
    }

    /**
     * Lets the writer go on, and takes all that it writes until it closes.
     *
     * @return false if it had written everything before
     */
    public boolean take() {
        boolean wasStalled = Codes.check(LibBackstep.bs_stall_take(handle, words, words + SIZE_OFFSET)) != 0;
        content.wrap(UnsafeApi.getLong(words), Math.toIntExact(UnsafeApi.getLong(words + SIZE_OFFSET)));
        return wasStalled;
    }

    /** How much was taken. */
    public int takenBytes() {
        return content.capacity();
    }

    /** Copies what was taken; until the next {@link #arm}. */
    public void copyTo(ByteBuffer buffer) {
        content.getBytes(0, buffer, content.capacity());
    }

    /** There is no pipe any more: a writer fails. */
    public void disarm() {
        LibBackstep.bs_stall_disarm(handle);
    }

    @Override
    public void close() {
        if (handle != 0) {
            LibBackstep.bs_stall_close(handle);
            handle = 0;
            UnsafeApi.freeMemory(words);
        }
    }
}
