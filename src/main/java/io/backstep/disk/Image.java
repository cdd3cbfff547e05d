// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * What a guest's disk is stored in. Offsets and lengths are bytes inside of the image. Thread-safe. Buffers are direct
 * and are taken from position to limit, all of it; an image that fails throws, and may have done a part.
 */
interface Image extends AutoCloseable {
    long sizeBytes();

    void read(ByteBuffer into, long offset) throws IOException;

    void write(ByteBuffer from, long offset) throws IOException;

    /** Lets a range read as zeros. If holes are not wanted its room stays allocated, or becomes so. */
    void zero(long offset, long length, boolean holesWanted) throws IOException;

    /** Gives up a range's room, where that is possible; it may read as anything afterwards. */
    void discard(long offset, long length) throws IOException;

    /** The first offset in a range that may hold anything but zeros; its end if there is none. */
    long dataFrom(long offset, long end) throws IOException;

    /** The first offset in a range, which begins with data, where only zeros are known to be; its end if none is. */
    long dataUntil(long offset, long end) throws IOException;

    /** Returns when all that was written before is on stable storage. */
    void flush() throws IOException;

    /** Does what was written survive the end of this process, however it ends, as long as the host runs? */
    boolean outlivesUs();

    /** Does not flush. */
    @Override
    void close() throws IOException;
}
