// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.BackstepException;
import org.agrona.UnsafeApi;

/**
 * A shell that waits for this process to end without closing this ({@code bs_standby}), connected to a Unix socket that
 * serves one client at a time. Failures are {@link BackstepException}s with the library's text.
 */
public final class NativeStandby implements AutoCloseable {
    private long handle;

    /**
     * Starts it.
     *
     * @param script waits by {@code read x}; then its descriptors 1 and 3 are the connection, 4 a file with the note
     */
    public NativeStandby(String socketPath, String script) {
        long out = UnsafeApi.allocateMemory(Long.BYTES);
        try {
            Codes.checkOpen(LibBackstep.bs_standby_open(socketPath, script, out));
            handle = UnsafeApi.getLong(out);
        } finally {
            UnsafeApi.freeMemory(out);
        }
    }

    /** What it finds in its note, should this process end now. */
    public void note(char note) {
        LibBackstep.bs_standby_note(handle, note);
    }

    @Override
    public void close() {
        if (handle != 0) {
            LibBackstep.bs_standby_close(handle);
            handle = 0;
        }
    }
}
