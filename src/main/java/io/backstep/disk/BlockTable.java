// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import org.agrona.UnsafeApi;

/**
 * Pre-images by their block: an off-heap hash table from block number to the address of a frame, or {@link #ZEROS}.
 * Blocks are never removed singly. Not thread-safe.
 *
 * <pre>
 *  slot, 16 bytes:   0  block number + 1, or 0: the slot is free
 *                    8  address of the frame, or ZEROS
 * </pre>
 */
final class BlockTable implements AutoCloseable {
    /** Stands for a frame that would hold nothing but zeros. */
    static final long ZEROS = 0;
    /** What {@link #get} gives for a block that is not there. */
    static final long ABSENT = -1;

    private static final int SLOT_SHIFT = 4;
    private static final int FRAME_OFFSET = Long.BYTES;
    private static final long FEWEST_SLOTS = 256;

    private long address;
    private long slots;
    private long size;

    long size() {
        return size;
    }

    long sizeBytes() {
        return slots << SLOT_SHIFT;
    }

    /** How many slots there are to look at by {@link #blockAt} and {@link #frameAt}. */
    long slots() {
        return slots;
    }

    /** The block in a slot, or {@link #ABSENT}. */
    long blockAt(long slot) {
        return UnsafeApi.getLong(slotAddress(slot)) - 1;
    }

    long frameAt(long slot) {
        return UnsafeApi.getLong(slotAddress(slot) + FRAME_OFFSET);
    }

    long get(long block) {
        if (size == 0) {
            return ABSENT;
        }
        long slot = find(block);
        return blockAt(slot) == block ? frameAt(slot) : ABSENT;
    }

    boolean contains(long block) {
        return get(block) != ABSENT;
    }

    /** Adds a block, or gives a block that is there another frame. */
    void put(long block, long frame) {
        if ((size + 1) * 2 > slots) {
            grow();
        }
        long slot = find(block);
        long at = slotAddress(slot);
        if (blockAt(slot) != block) {
            UnsafeApi.putLong(at, block + 1);
            size++;
        }
        UnsafeApi.putLong(at + FRAME_OFFSET, frame);
    }

    /** The slot of a block, or the free one where it belongs. */
    private long find(long block) {
        long hash = block * 0x9E3779B97F4A7C15L;
        long mask = slots - 1;
        long slot = (hash >>> 32 ^ hash) & mask;
        while (true) {
            long found = blockAt(slot);
            if (found == block || found == ABSENT) {
                return slot;
            }
            slot = slot + 1 & mask;
        }
    }

    private void grow() {
        long oldAddress = address;
        long oldSlots = slots;
        slots = Math.max(FEWEST_SLOTS, oldSlots * 2);
        address = UnsafeApi.allocateMemory(sizeBytes());
        UnsafeApi.setMemory(address, sizeBytes(), (byte) 0);
        size = 0;
        for (long slot = 0; slot < oldSlots; slot++) {
            long at = oldAddress + (slot << SLOT_SHIFT);
            long block = UnsafeApi.getLong(at) - 1;
            if (block != ABSENT) {
                put(block, UnsafeApi.getLong(at + FRAME_OFFSET));
            }
        }
        if (oldAddress != 0) {
            UnsafeApi.freeMemory(oldAddress);
        }
    }

    private long slotAddress(long slot) {
        return address + (slot << SLOT_SHIFT);
    }

    /** Empties the table and gives its memory back; it can be used again. */
    @Override
    public void close() {
        if (address != 0) {
            UnsafeApi.freeMemory(address);
        }
        address = slots = size = 0;
    }
}
