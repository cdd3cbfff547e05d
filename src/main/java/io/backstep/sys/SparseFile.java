// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.io.IOException;
import java.nio.file.Path;

import com.sun.jna.LastErrorException;
import com.sun.jna.Native;

/**
 * The holes of a file: found, and made. Has a descriptor of its own, which must be closed last of all of this process:
 * the kernel forgets a process's locks on a file when any of its descriptors of that file is closed. Thread-safe.
 */
public final class SparseFile implements AutoCloseable {
    private static final int READ_WRITE_CLOEXEC = 02 | 02000000;
    private static final int READ_CLOEXEC = 02000000;
    private static final int KEEP_SIZE = 0x1;
    private static final int PUNCH_HOLE = 0x2;
    private static final int ZERO_RANGE = 0x10;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;
    private static final int EINVAL = 22;
    private static final int ENXIO = 6;
    private static final int EOPNOTSUPP = 95;

    /** The C library's functions under their names. */
    private static final class LibC {
        static {
            Native.register(LibC.class, "c");
        }

        static native int open(String path, int flags) throws LastErrorException;

        static native int fallocate(int descriptor, int mode, long offset, long length) throws LastErrorException;

        static native long lseek(int descriptor, long offset, int whence) throws LastErrorException;

        static native int close(int descriptor);
    }

    private final Path path;
    private final int descriptor;
    private boolean isClosed;

    /** @throws IOException the file cannot be opened */
    public SparseFile(Path path, boolean readOnly) throws IOException {
        this.path = path;
        try {
            descriptor = LibC.open(path.toString(), readOnly ? READ_CLOEXEC : READ_WRITE_CLOEXEC);
        } catch (LastErrorException e) {
            throw failure("open", e);
        }
    }

    /**
     * Makes a hole of a range of bytes, which then read as zeros.
     *
     * @return false if this file system makes no holes; nothing was changed then
     */
    public boolean punch(long offset, long length) throws IOException {
        return allocate("punch a hole into", PUNCH_HOLE | KEEP_SIZE, offset, length);
    }

    /**
     * Lets a range of bytes read as zeros and keeps their room on the disk.
     *
     * @return false if this file system cannot; nothing was changed then
     */
    public boolean zero(long offset, long length) throws IOException {
        return allocate("zero", ZERO_RANGE | KEEP_SIZE, offset, length);
    }

    private boolean allocate(String verb, int mode, long offset, long length) throws IOException {
        try {
            LibC.fallocate(descriptor, mode, offset, length);
            return true;
        } catch (LastErrorException e) {
            if (e.getErrorCode() == EOPNOTSUPP) {
                return false;
            }
            throw failure(verb, e);
        }
    }

    /** The first offset from here on that may hold anything but zeros; the limit if there is none before it. */
    public long dataFrom(long offset, long limit) throws IOException {
        return seek(offset, limit, SEEK_DATA, limit, offset);
    }

    /** The first offset from here on that is in a hole; the limit if there is none before it. */
    public long holeFrom(long offset, long limit) throws IOException {
        return seek(offset, limit, SEEK_HOLE, limit, limit);
    }

    private long seek(long offset, long limit, int whence, long ifNoMore, long ifUnknown) throws IOException {
        try {
            return Math.min(LibC.lseek(descriptor, offset, whence), limit);
        } catch (LastErrorException e) {
            return switch (e.getErrorCode()) {
                case ENXIO -> ifNoMore;
                case EINVAL, EOPNOTSUPP -> ifUnknown;
                default -> throw failure("look for holes in", e);
            };
        }
    }

    private IOException failure(String verb, LastErrorException e) {
        return new IOException("cannot " + verb + " " + path + ": " + Errno.name(-e.getErrorCode()));
    }

    @Override
    public synchronized void close() {
        if (!isClosed) {
            isClosed = true;
            LibC.close(descriptor);
        }
    }
}
