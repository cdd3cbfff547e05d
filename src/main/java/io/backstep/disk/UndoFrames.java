// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import io.backstep.core.LongVector;
import org.agrona.UnsafeApi;

/** Off-heap memory for the content of blocks, a frame of 4096 bytes each. Not thread-safe. */
final class UndoFrames implements AutoCloseable {
    private static final int SLAB_FRAMES = 256;
    private static final long SLAB_BYTES = (long) SLAB_FRAMES * Blocks.BYTES;

    private final LongVector slabs = new LongVector();
    private final LongVector free = new LongVector();

    /** Could a frame be taken without more memory? */
    boolean hasFree() {
        return !free.isEmpty();
    }

    /** What more memory would be asked for, in bytes. */
    long growthBytes() {
        return SLAB_BYTES;
    }

    /** The address of a frame of any content. */
    long take() {
        if (free.isEmpty()) {
            free.reserve((slabs.size() + 1) * SLAB_FRAMES);
            slabs.reserve(slabs.size() + 1);
            long slab = UnsafeApi.allocateMemory(SLAB_BYTES);
            slabs.add(slab);
            for (int frame = SLAB_FRAMES - 1; frame >= 0; frame--) {
                free.add(slab + (long) frame * Blocks.BYTES);
            }
        }
        return free.removeLast();
    }

    void giveBack(long frame) {
        free.add(frame);
        if (free.size() == slabs.size() * SLAB_FRAMES) {
            releaseAll();
        }
    }

    /** All memory of frames, used or not. */
    long sizeBytes() {
        return slabs.size() * SLAB_BYTES;
    }

    long usedBytes() {
        return sizeBytes() - free.size() * Blocks.BYTES;
    }

    private void releaseAll() {
        while (slabs.size() > 1) {
            UnsafeApi.freeMemory(slabs.removeLast());
        }
        free.clear();
        for (int frame = SLAB_FRAMES - 1; !slabs.isEmpty() && frame >= 0; frame--) {
            free.add(slabs.get(0) + (long) frame * Blocks.BYTES);
        }
    }

    @Override
    public void close() {
        while (!slabs.isEmpty()) {
            UnsafeApi.freeMemory(slabs.removeLast());
        }
        slabs.close();
        free.close();
    }
}
