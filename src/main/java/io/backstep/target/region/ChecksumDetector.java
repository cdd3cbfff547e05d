// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.util.zip.CRC32C;

import org.agrona.BitUtil;
import org.agrona.MutableDirectBuffer;

/**
 * Finds any change of a range that must not change unless the application says so. For several ranges have several.
 *
 * <pre>
 *  a view of a region    | ... | what is covered ... | CRC32C, 8 bytes |
 *                              offset                offset + lengthBytes
 * </pre>
 *
 * <p>The sum lies behind what it covers, so a rollback puts both back together, and a fault in the sum is noticed too.
 * Writers wait while it looks; a gibibyte takes tens of milliseconds, so give it a part, or ask it not before
 * every capture. A check allocates nothing.
 */
public final class ChecksumDetector implements Detector {
    /** What the sum takes behind the range. */
    public static final int SUM_BYTES = Long.BYTES;
    private static final int CHUNK_BYTES = 8192;
    /** Not zero, so that a range and a sum that were both wiped do not agree. */
    private static final long SUM_MARK = 0x4352_4333L << Integer.SIZE;

    private final String name;
    private final MutableDirectBuffer view;
    private final int offset;
    private final int lengthBytes;
    private final CRC32C checkCrc = new CRC32C(); // of the engine's thread; who changes the range has its own
    private final byte[] checkChunk = new byte[CHUNK_BYTES];

    /**
     * Covers a range as it is and writes its sum behind it: before the launch, or as a writer.
     *
     * @param view of a region
     * @param lengthBytes without the sum
     * @throws IllegalArgumentException the sum would not lie at a multiple of 8
     */
    public ChecksumDetector(String name, MutableDirectBuffer view, int offset, int lengthBytes) {
        if (!BitUtil.isAligned((long) offset + lengthBytes, SUM_BYTES)) {
            throw new IllegalArgumentException("detector " + name + ": offset " + offset + " and length " + lengthBytes
                    + " end at no multiple of " + SUM_BYTES);
        }
        view.boundsCheck(offset, lengthBytes + SUM_BYTES);
        this.name = name;
        this.view = view;
        this.offset = offset;
        this.lengthBytes = lengthBytes;
        changed();
    }

    /** What the range holds now is what it shall hold. By a writer, before its data counts as consistent again. */
    public void changed() {
        view.putLong(offset + lengthBytes, sum(new CRC32C(), new byte[CHUNK_BYTES]));
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Problem check() {
        long expected = view.getLong(offset + lengthBytes);
        checkCrc.reset();
        long found = sum(checkCrc, checkChunk);
        return found == expected ? null : Problem.now("wrong checksum",
                String.format("%d bytes at %d have checksum %x, not %x", lengthBytes, offset, found, expected));
    }

    private long sum(CRC32C crc, byte[] chunk) {
        for (int done = 0; done < lengthBytes; done += chunk.length) {
            int some = Math.min(chunk.length, lengthBytes - done);
            view.getBytes(offset + done, chunk, 0, some);
            crc.update(chunk, 0, some);
        }
        return SUM_MARK | crc.getValue();
    }
}
