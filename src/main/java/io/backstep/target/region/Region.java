// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.nio.ByteBuffer;

import io.backstep.core.Pages;
import io.backstep.sys.JvmOptions;
import io.backstep.sys.NativeRegions;
import net.openhft.chronicle.bytes.PointerBytesStore;
import org.agrona.BufferUtil;
import org.agrona.MutableDirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * A named range of whole pages of off-heap memory. Either it maps its own memory, which is zero at first and goes with
 * {@link #close()}, or it wraps memory of somebody else's, which must stay mapped as long as it is protected. Views of
 * it check their own bounds, but not that the region is still open: an access after the close of one that owns its
 * memory is as fatal as with any unmapped memory.
 */
public final class Region implements AutoCloseable {
    private final String name;
    private final long address;
    private final long lengthBytes;
    private final Object owner;
    private boolean isMapped;

    private Region(String name, long address, long lengthBytes, boolean isMapped, Object owner) {
        this.name = name;
        this.address = address;
        this.lengthBytes = lengthBytes;
        this.isMapped = isMapped;
        this.owner = owner;
    }

    /**
     * Maps a region of its own, rounded up to whole pages. Memory is taken when a page is first written.
     *
     * @throws io.backstep.core.BackstepException FAILED: the kernel gives no such range; UNFIT: the JVM lacks options,
     *     which the message names
     */
    public static Region map(String name, long lengthBytes) {
        if (lengthBytes <= 0 || lengthBytes > Long.MAX_VALUE - Pages.PAGE_SIZE) {
            throw new IllegalArgumentException("region " + name + ": a length of " + lengthBytes + " bytes");
        }
        JvmOptions.require();
        long whole = lengthBytes + Pages.PAGE_SIZE - 1 & -Pages.PAGE_SIZE;
        return new Region(name, NativeRegions.map(whole), whole, true, null);
    }

    /**
     * Wraps private memory: any range that starts and ends at a page. A launch refuses memory that is not private.
     *
     * @throws IllegalArgumentException it does not
     */
    public static Region wrap(String name, long address, long lengthBytes) {
        if ((address & Pages.PAGE_SIZE - 1) != 0 || (lengthBytes & Pages.PAGE_SIZE - 1) != 0 || lengthBytes <= 0) {
            throw new IllegalArgumentException(String.format(
                    "region %s: %d bytes at 0x%x are not whole pages of %d", name, lengthBytes, address, Pages.PAGE_SIZE));
        }
        return new Region(name, address, lengthBytes, false, null);
    }

    /**
     * Wraps the whole pages inside a direct buffer, which is kept reachable. Bytes before the first of them and after
     * the last are not protected.
     *
     * @throws IllegalArgumentException the buffer is not direct, is read-only, or holds no whole page
     */
    public static Region wrap(String name, ByteBuffer buffer) {
        if (!buffer.isDirect() || buffer.isReadOnly()) {
            throw new IllegalArgumentException("region " + name + ": the buffer must be direct and writable");
        }
        JvmOptions.require();
        long start = BufferUtil.address(buffer);
        long first = start + Pages.PAGE_SIZE - 1 & -Pages.PAGE_SIZE;
        long end = start + buffer.capacity() & -Pages.PAGE_SIZE;
        if (end <= first) {
            throw new IllegalArgumentException(
                    "region " + name + ": no whole page lies in a buffer of " + buffer.capacity() + " bytes");
        }
        return new Region(name, first, end - first, false, buffer);
    }

    public String name() {
        return name;
    }

    public long address() {
        return address;
    }

    public long lengthBytes() {
        return lengthBytes;
    }

    /** What else keeps the memory alive, or null. */
    Object owner() {
        return owner;
    }

    /** A view of the whole region. */
    public MutableDirectBuffer buffer() {
        return buffer(0, lengthBytes);
    }

    /** A view of a part, of 2 GiB less one byte at most. */
    public MutableDirectBuffer buffer(long offset, long partBytes) {
        if (partBytes > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("region " + name + ": a buffer holds up to " + Integer.MAX_VALUE
                    + " bytes, not " + partBytes + "; see bytesStore()");
        }
        if (offset < 0 || partBytes < 0 || offset > lengthBytes - partBytes) {
            throw new IndexOutOfBoundsException(
                    "region " + name + ": " + partBytes + " bytes at " + offset + " of " + lengthBytes);
        }
        return new UnsafeBuffer(address + offset, (int) partBytes);
    }

    /** A view of the whole region with 63-bit offsets. It owns nothing. */
    public PointerBytesStore bytesStore() {
        PointerBytesStore store = new PointerBytesStore();
        store.set(address, lengthBytes);
        return store;
    }

    /** Unmaps memory that the region owns. May be called twice. */
    @Override
    public void close() {
        if (isMapped) {
            isMapped = false;
            NativeRegions.unmap(address, lengthBytes);
        }
    }

    @Override
    public String toString() {
        return String.format("%s (%d bytes at 0x%x)", name, lengthBytes, address);
    }
}
