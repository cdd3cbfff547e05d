// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * Keeps others away from a raw image, as QEMU does it: with locks on single bytes of the file, far apart from what a
 * lock of the whole file means to others. A lock is held until the channel is closed.
 *
 * <pre>
 *  byte   100 + i   somebody uses the image in way i
 *         200 + i   somebody does not stand others that use it in way i
 *  i            0   reads and expects the content to hold still
 *               1   writes
 *               2   writes what is there already
 *               3   resizes
 * </pre>
 */
final class ImageLock {
    private static final long USES = 100;
    private static final long REFUSES = 200;
    private static final long READ = 0;
    private static final long WRITE = 1;
    private static final long RESIZE = 3;
    private static final long WAYS = 4;

    private ImageLock() {
    }

    /**
     * Takes an image for writing: nobody else may use it in any way.
     *
     * @throws BackstepException somebody uses it
     */
    static void takeAlone(FileChannel image, Path path) throws IOException {
        lock(image, path, USES, WAYS, false);
        lock(image, path, REFUSES, WAYS, false);
    }

    /**
     * Takes an image for reading, beside others that only read.
     *
     * @throws BackstepException somebody writes to it, or wants no reader
     */
    static void takeShared(FileChannel image, Path path) throws IOException {
        lock(image, path, USES + READ, 1, true);
        lock(image, path, REFUSES + WRITE, 1, true);
        lock(image, path, REFUSES + RESIZE, 1, true);
        // Whether others have locks cannot be tried without the right to write; the kernel tells it, too.
        requireFree(path, USES + WRITE);
        requireFree(path, USES + RESIZE);
        requireFree(path, REFUSES + READ);
    }

    private static void lock(FileChannel image, Path path, long offset, long length, boolean shared)
            throws IOException {
        FileLock lock = image.tryLock(offset, length, shared);
        if (lock == null) {
            throw inUse(path);
        }
    }

    /** /proc/locks: number, kind, ADVISORY, READ or WRITE, process, major:minor:inode, first and last byte. */
    private static void requireFree(Path path, long offset) throws IOException {
        long inode = ((Number) Files.getAttribute(path, "unix:ino")).longValue();
        long device = ((Number) Files.getAttribute(path, "unix:dev")).longValue();
        String file = String.format("%02x:%02x:%d", device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00, inode);
        String self = Long.toString(ProcessHandle.current().pid());
        for (String line : Files.readAllLines(Path.of("/proc/locks"))) {
            String[] words = line.trim().split("\\s+");
            if (words.length == 8 && words[5].equals(file) && !words[4].equals(self)) {
                long last = words[7].equals("EOF") ? Long.MAX_VALUE : Long.parseLong(words[7]);
                if (Long.parseLong(words[6]) <= offset && offset <= last) {
                    throw inUse(path);
                }
            }
        }
    }

    private static BackstepException inUse(Path path) {
        return new BackstepException(Reason.UNFIT, "another process uses " + path);
    }
}
