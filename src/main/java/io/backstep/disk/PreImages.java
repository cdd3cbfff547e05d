// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;

import org.agrona.BufferUtil;
import org.agrona.UnsafeApi;

/** The blocks of a rollback in the order of the disk, each with its content or as zeros. */
final class PreImages {
    private static final long ZERO_FLAG = 1L << 63;

    private final long[] entries;
    private final Contents contents;

    /** Where the content of blocks comes from. */
    @FunctionalInterface
    interface Contents {
        /** Fills a buffer with a block's bytes, from its position to its limit. Blocks are asked for in order. */
        void read(long block, ByteBuffer into) throws IOException;
    }

    /** @param entries block numbers in ascending order, with the highest bit set where the content is zeros */
    PreImages(long[] entries, Contents contents) {
        this.entries = entries;
        this.contents = contents;
    }

    /** What a table holds, as long as nothing in it changes. */
    static PreImages of(BlockTable table) {
        long[] blocks = new long[(int) table.size()];
        int count = 0;
        for (long slot = 0; slot < table.slots(); slot++) {
            long block = table.blockAt(slot);
            if (block != BlockTable.ABSENT) {
                blocks[count++] = block;
            }
        }
        Arrays.sort(blocks);
        for (int i = 0; i < count; i++) {
            if (table.get(blocks[i]) == BlockTable.ZEROS) {
                blocks[i] |= ZERO_FLAG;
            }
        }
        return new PreImages(blocks, (block, into) -> {
            UnsafeApi.copyMemory(table.get(block), BufferUtil.address(into) + into.position(), into.remaining());
            into.position(into.limit());
        });
    }

    int count() {
        return entries.length;
    }

    /** As the constructor takes it. */
    long entry(int index) {
        return entries[index];
    }

    long block(int index) {
        return entries[index] & ~ZERO_FLAG;
    }

    boolean isZero(int index) {
        return entries[index] < 0;
    }

    /** Fills a direct buffer with the content of a block that is not zero. */
    void read(int index, ByteBuffer into) throws IOException {
        contents.read(block(index), into);
    }

    /** Gives the blocks of an image this content, neighbours together. The scratch buffer is direct. */
    void applyTo(Image image, ByteBuffer scratch) throws IOException {
        long diskBytes = image.sizeBytes();
        for (int first = 0; first < entries.length;) {
            int end = first + 1;
            int most = isZero(first) ? Integer.MAX_VALUE : scratch.capacity() / Blocks.BYTES;
            while (end < entries.length && end - first < most && block(end) == block(end - 1) + 1
                    && isZero(end) == isZero(first)) {
                end++;
            }
            long offset = Blocks.offset(block(first));
            long lengthBytes = Blocks.offset(block(end - 1)) - offset + Blocks.length(block(end - 1), diskBytes);
            if (isZero(first)) {
                image.zero(offset, lengthBytes, true);
            } else {
                scratch.clear();
                for (int index = first; index < end; index++) {
                    scratch.limit(scratch.position() + Blocks.length(block(index), diskBytes));
                    read(index, scratch);
                }
                image.write(scratch.flip(), offset);
            }
            first = end;
        }
    }
}
