// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

/** The unit in which the disk's old content is kept: a block is 4096 bytes, named by its number (offset / 4096). */
final class Blocks {
    static final int SHIFT = 12;
    static final int BYTES = 1 << SHIFT;

    private Blocks() {
    }

    /** The block that a byte lies in. */
    static long of(long offset) {
        return offset >>> SHIFT;
    }

    static long offset(long block) {
        return block << SHIFT;
    }

    /** All bytes, but for a last block that the disk's end cuts. */
    static int length(long block, long diskBytes) {
        return (int) Math.min(BYTES, diskBytes - offset(block));
    }
}
