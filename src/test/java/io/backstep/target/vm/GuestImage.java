// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static io.backstep.core.Pages.PAGE_SIZE;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

import io.backstep.core.Pages;

/** The memory of a standing machine as /proc shows it. Pages that are not there are not touched, since that would change it. */
final class GuestImage {
    private static final int BATCH_PAGES = 1024;
    private static final long PRESENT = 1L << 63;
    private static final byte[] ZEROS = new byte[PAGE_SIZE];

    private GuestImage() {
    }

    /** The pages that are not all zero, by the number that they have in QEMU's process. */
    static SortedMap<Long, byte[]> of(long pid, List<RamBlock> blocks) {
        SortedMap<Long, byte[]> pages = new TreeMap<>();
        Path process = Path.of("/proc/" + pid);
        try (FileChannel memory = FileChannel.open(process.resolve("mem"), StandardOpenOption.READ);
                FileChannel pagemap = FileChannel.open(process.resolve("pagemap"), StandardOpenOption.READ)) {
            for (RamBlock block : blocks) {
                long end = Pages.ofAddress(block.hostEnd());
                for (long first = Pages.ofAddress(block.hostAddress()); first < end; first += BATCH_PAGES) {
                    add(memory, pagemap, first, Math.min(first + BATCH_PAGES, end), pages);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return pages;
    }

    private static void add(FileChannel memory, FileChannel pagemap, long first, long end, SortedMap<Long, byte[]> pages)
            throws IOException {
        ByteBuffer entries = read(pagemap, first * Long.BYTES, (int) (end - first) * Long.BYTES);
        for (long page = first; page < end; page++) {
            if ((entries.getLong() & PRESENT) == 0) {
                continue;
            }
            byte[] bytes = read(memory, Pages.toAddress(page), PAGE_SIZE).array();
            if (!Arrays.equals(bytes, ZEROS)) {
                pages.put(page, bytes);
            }
        }
    }

    private static ByteBuffer read(FileChannel file, long from, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.nativeOrder());
        while (bytes.hasRemaining()) {
            if (file.read(bytes, from + bytes.position()) < 0) {
                throw new IOException("the process has ended");
            }
        }
        return bytes.flip();
    }
}
