// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.sys.SparseFile;
import org.agrona.CloseHelper;

/** A file that holds the disk's content as it is. Locked against others while it is open. */
final class RawImage implements Image {
    static final int SECTOR_BYTES = 512;
    private static final int ZEROS_BYTES = 1 << 16;

    private final FileChannel channel;
    private final SparseFile holes;
    private final long sizeBytes;
    private final ByteBuffer zeros = ByteBuffer.allocateDirect(ZEROS_BYTES);

    private RawImage(FileChannel channel, SparseFile holes, long sizeBytes) {
        this.channel = channel;
        this.holes = holes;
        this.sizeBytes = sizeBytes;
    }

    /** @throws BackstepException it is no file, of no whole number of sectors, used by others, or cannot be opened */
    static RawImage open(Path path, boolean readOnly) {
        FileChannel channel = null;
        SparseFile holes = null;
        try {
            if (Files.exists(path) && !Files.isRegularFile(path)) {
                throw unfit(path, "it is not a regular file");
            }
            channel = FileChannel.open(path, readOnly ? Set.of(StandardOpenOption.READ)
                    : Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE));
            holes = new SparseFile(path, readOnly);
            if (readOnly) {
                ImageLock.takeShared(channel, path);
            } else {
                ImageLock.takeAlone(channel, path);
            }
            long size = channel.size();
            if (size == 0 || size % SECTOR_BYTES != 0) {
                throw unfit(path, "its size of " + size + " bytes is no multiple of " + SECTOR_BYTES
                        + " (truncate --size=%512 FILE rounds up)");
            }
            return new RawImage(channel, holes, size);
        } catch (IOException e) {
            CloseHelper.quietCloseAll(channel, holes);
            throw unfit(path, reason(e));
        } catch (RuntimeException e) {
            CloseHelper.quietCloseAll(channel, holes);
            throw e;
        }
    }

    static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "there is no such file";
        }
        return e instanceof AccessDeniedException ? "permission denied" : e.getMessage();
    }

    static BackstepException unfit(Path path, String why) {
        return new BackstepException(Reason.UNFIT, "cannot serve " + path + ": " + why);
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public void read(ByteBuffer into, long offset) throws IOException {
        for (long at = offset; into.hasRemaining();) {
            int count = channel.read(into, at);
            if (count < 0) {
                throw new EOFException("the image was cut to " + channel.size() + " bytes");
            }
            at += count;
        }
    }

    @Override
    public void write(ByteBuffer from, long offset) throws IOException {
        for (long at = offset; from.hasRemaining();) {
            at += channel.write(from, at);
        }
    }

    @Override
    public void zero(long offset, long length, boolean holesWanted) throws IOException {
        if (!(holesWanted && holes.punch(offset, length)) && !holes.zero(offset, length)) {
            for (long at = offset; at < offset + length;) {
                int count = (int) Math.min(ZEROS_BYTES, offset + length - at);
                write(zeros.duplicate().limit(count), at);
                at += count;
            }
        }
    }

    @Override
    public void discard(long offset, long length) throws IOException {
        holes.punch(offset, length);
    }

    @Override
    public long dataFrom(long offset, long end) throws IOException {
        return holes.dataFrom(offset, end);
    }

    @Override
    public long dataUntil(long offset, long end) throws IOException {
        return holes.holeFrom(offset, end);
    }

    @Override
    public void flush() throws IOException {
        channel.force(false);
    }

    @Override
    public boolean outlivesUs() {
        return true;
    }

    @Override
    public void close() throws IOException {
        try {
            channel.close();
        } finally {
            holes.close();
        }
    }
}
