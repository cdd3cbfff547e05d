// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import org.agrona.UnsafeApi;

/**
 * A growable off-heap array of longs that native code can read and write by its address. Allocates only when it grows.
 * Not thread-safe; indices are checked by assertions.
 */
public final class LongVector implements AutoCloseable {
    private static final int INITIAL_CAPACITY = 512;

    private long address;
    private long size;
    private long capacity;

    /** Where element 0 lies. Changes when the vector grows. */
    public long address() {
        return address;
    }

    public long size() {
        return size;
    }

    public boolean isEmpty() {
        return size == 0;
    }

    public long sizeBytes() {
        return capacity * Long.BYTES;
    }

    public long get(long index) {
        assert index >= 0 && index < size : index;
        return UnsafeApi.getLong(address + index * Long.BYTES);
    }

    public void set(long index, long value) {
        assert index >= 0 && index < size : index;
        UnsafeApi.putLong(address + index * Long.BYTES, value);
    }

    public void add(long value) {
        if (size == capacity) {
            reserve(size + 1);
        }
        UnsafeApi.putLong(address + size++ * Long.BYTES, value);
    }

    /** Takes the last element away and returns it. */
    public long removeLast() {
        assert size > 0;
        return UnsafeApi.getLong(address + --size * Long.BYTES);
    }

    /** Takes the first elements away; the others move up. */
    public void removeFirst(long count) {
        remove(0, count);
    }

    /** Takes elements from an index on away; the others move up. */
    public void remove(long index, long count) {
        assert index >= 0 && count >= 0 && index + count <= size : count;
        size -= count;
        UnsafeApi.copyMemory(
                address + (index + count) * Long.BYTES, address + index * Long.BYTES, (size - index) * Long.BYTES);
    }

    /** Counts elements as there that native code has written behind the last one; there must be room. */
    public void grow(long count) {
        assert count >= 0 && size + count <= capacity : count;
        size += count;
    }

    /** Replaces the content by count longs that lie at an address. */
    public void copyFrom(long source, long count) {
        reserve(count);
        UnsafeApi.copyMemory(source, address, count * Long.BYTES);
        size = count;
    }

    public void clear() {
        size = 0;
    }

    /** Shortens the vector to its first elements. */
    public void truncate(long newSize) {
        assert newSize <= size;
        size = newSize;
    }

    /** Makes room, so that adding up to this size does not allocate. */
    public void reserve(long minimum) {
        if (minimum <= capacity) {
            return;
        }
        long grown = Math.max(Math.max(INITIAL_CAPACITY, minimum), capacity + (capacity >> 1));
        address = UnsafeApi.reallocateMemory(address, grown * Long.BYTES);
        capacity = grown;
    }

    @Override
    public void close() {
        if (address != 0) {
            UnsafeApi.freeMemory(address);
        }
        address = size = capacity = 0;
    }
}
