// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.zip.CRC32C;

import io.backstep.core.ExecutionState;

/**
 * The state of processors and devices at a checkpoint, as QEMU wrote it, and the number of the disks' mark, which is told
 * when nobody needs it any more.
 */
final class MachineState implements ExecutionState {
    private static final int SLACK_BYTES = 4096;

    private static final long NO_MARK = 0;

    private final LongConsumer onUnmarked;
    private ByteBuffer stream = ByteBuffer.allocateDirect(0);
    private final CRC32C crc = new CRC32C();
    private long mark = NO_MARK;
    private long checksum;
    private long number;

    MachineState(LongConsumer onUnmarked) {
        this.onUnmarked = onUnmarked;
    }

    /** Takes over what is in a file, of the capture of a number. */
    void fill(FileChannel file, long diskMark, long ofCapture) throws IOException {
        begin(Math.toIntExact(file.size()), diskMark, ofCapture);
        for (int at = 0; stream.hasRemaining();) {
            int count = file.read(stream, at);
            if (count < 0) {
                throw new IOException("the state of devices was cut off");
            }
            at += count;
        }
        end();
    }

    /** Takes over so many bytes, which are put into the given buffer. */
    void fill(int length, Consumer<ByteBuffer> content, long diskMark, long ofCapture) {
        begin(length, diskMark, ofCapture);
        content.accept(stream);
        end();
    }

    private void begin(int length, long diskMark, long ofCapture) {
        clear();
        mark = diskMark;
        number = ofCapture;
        if (stream.capacity() < length) {
            stream = ByteBuffer.allocateDirect(length + SLACK_BYTES);
        }
        stream.clear().limit(length);
    }

    private void end() {
        stream.rewind();
        checksum = checksum();
    }

    private long checksum() {
        crc.reset();
        crc.update(stream());
        crc.update(ByteBuffer.allocate(2 * Long.BYTES).putLong(mark).putLong(number).flip());
        return crc.getValue();
    }

    @Override
    public boolean isIntact() {
        return checksum == checksum();
    }

    /** The number of its capture; those of later captures are greater. */
    long number() {
        return number;
    }

    /** A view of the stream, from its first byte. */
    ByteBuffer stream() {
        return stream.duplicate().rewind();
    }

    /** The mark that the disks have for this moment. */
    long mark() {
        return mark;
    }

    @Override
    public long sizeBytes() {
        return stream.capacity();
    }

    @Override
    public void clear() {
        stream.clear().limit(0);
        if (mark != NO_MARK) {
            onUnmarked.accept(mark);
            mark = NO_MARK;
        }
    }

    @Override
    public void close() {
        clear();
        stream = ByteBuffer.allocateDirect(0);
    }
}
