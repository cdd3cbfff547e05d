// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;
import static org.agrona.BufferUtil.BYTE_BUFFER_ADDRESS_FIELD_OFFSET;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;
import org.agrona.UnsafeApi;

/** Reads whole frames, which are named by their addresses. Allocates nothing once it is made. Not thread-safe. */
final class FrameReader {
    private final CRC32C crc = new CRC32C();
    // Led to the frames that are to be read: neither copies nor garbage, and no option of the JVM besides Agrona's.
    private final ByteBuffer one = ByteBuffer.allocateDirect(PAGE_SIZE);
    private final ByteBuffer other = ByteBuffer.allocateDirect(PAGE_SIZE);

    /** Of the content that a frame has now. */
    int checksum(long frame) {
        lead(one, frame);
        crc.reset();
        crc.update(one);
        return (int) crc.getValue();
    }

    boolean isSame(long oneFrame, long otherFrame) {
        lead(one, oneFrame);
        lead(other, otherFrame);
        return one.mismatch(other) < 0;
    }

    private static void lead(ByteBuffer view, long frame) {
        UnsafeApi.putLong(view, BYTE_BUFFER_ADDRESS_FIELD_OFFSET, frame);
        view.clear();
    }
}
