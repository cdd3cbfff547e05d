// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import org.agrona.UnsafeApi;

/** A struct of 64-bit words shared with the native library. Owns its memory; not thread-safe. */
abstract class NativeWords implements AutoCloseable {
    private final int words;
    private long address;

    NativeWords(int words) {
        this.words = words;
        address = UnsafeApi.allocateMemory((long) words * Long.BYTES);
        UnsafeApi.setMemory(address, (long) words * Long.BYTES, (byte) 0);
    }

    final long address() {
        return address;
    }

    final int sizeBytes() {
        return words * Long.BYTES;
    }

    final long word(int index) {
        assert index < words;
        return UnsafeApi.getLong(address + (long) index * Long.BYTES);
    }

    final void word(int index, long value) {
        assert index < words;
        UnsafeApi.putLong(address + (long) index * Long.BYTES, value);
    }

    @Override
    public final void close() {
        if (address != 0) {
            UnsafeApi.freeMemory(address);
            address = 0;
            freeMore();
        }
    }

    /** Frees what the words point to. */
    void freeMore() {
    }
}
