// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

import io.backstep.core.LongVector;
import io.backstep.core.Pages;

/** What {@code /proc} tells of a process that is measured. */
final class ProcessFiles {
    private static final long ENTRY_PRESENT = 1L << 63;
    private static final long ENTRY_PROTECTED = 1L << 57;

    private final Path directory;
    private final ByteBuffer entries = ByteBuffer.allocateDirect(1 << 16).order(ByteOrder.nativeOrder());

    ProcessFiles(long pid) {
        directory = Path.of("/proc", Long.toString(pid));
    }

    /** Processor time that its first thread has used so far. */
    long processorNs() {
        return Long.parseLong(read("schedstat").split(" ")[0]);
    }

    /** Its anonymous resident memory as the kernel counts it in passing, exact to some dozen pages. */
    long residentAnonymousBytes() {
        return kib(read("status"), "RssAnon:");
    }

    /** Its anonymous resident memory, counted page by page: takes its time. */
    long countedAnonymousBytes() {
        return kib(read("smaps_rollup"), "Anonymous:");
    }

    private static long kib(String text, String field) {
        return text.lines().filter(line -> line.startsWith(field)).findFirst()
                .map(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024).orElseThrow();
    }

    private String read(String name) {
        try {
            return Files.readString(directory.resolve(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Finds the pages that are there, may be written and are not write-protected, ascending. For a standing process. */
    void writtenPages(LongVector into) {
        into.clear();
        try (FileChannel pagemap = FileChannel.open(directory.resolve("pagemap"), StandardOpenOption.READ)) {
            for (String line : Files.readAllLines(directory.resolve("maps"))) {
                int dash = line.indexOf('-');
                int space = line.indexOf(' ');
                if (line.charAt(space + 2) == 'w' && line.charAt(space + 4) == 'p') {
                    addWritten(pagemap, Pages.ofAddress(Long.parseUnsignedLong(line, 0, dash, 16)),
                            Pages.ofAddress(Long.parseUnsignedLong(line, dash + 1, space, 16)), into);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void addWritten(FileChannel pagemap, long first, long end, LongVector into) throws IOException {
        for (long page = first; page < end;) {
            entries.clear().limit((int) Math.min(entries.capacity(), (end - page) * Long.BYTES));
            if (pagemap.read(entries, page * Long.BYTES) <= 0) {
                return;
            }
            entries.flip();
            for (; entries.remaining() >= Long.BYTES; page++) {
                long entry = entries.getLong();
                if ((entry & ENTRY_PRESENT) != 0 && (entry & ENTRY_PROTECTED) == 0) {
                    into.add(page);
                }
            }
        }
    }
}
