// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.PageRanges;
import io.backstep.core.Pages;

/** Which pages of a process have a place in memory or in swap, by its {@code /proc/PID/pagemap}. */
final class PresentPages implements AutoCloseable {
    private static final int BATCH = 8192;
    private static final long PRESENT_OR_SWAPPED = 3L << 62;

    private final ByteBuffer entries = ByteBuffer.allocateDirect(BATCH * Long.BYTES).order(ByteOrder.nativeOrder());
    private final FileChannel pagemap;

    private PresentPages(FileChannel pagemap) {
        this.pagemap = pagemap;
    }

    static PresentPages of(int pid) {
        try {
            return new PresentPages(FileChannel.open(Path.of("/proc", Integer.toString(pid), "pagemap"),
                    StandardOpenOption.READ));
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "cannot tell which pages of process " + pid + " are there: " + e, e);
        }
    }

    /**
     * Adds those of a range.
     *
     * @param shownAt the address by which they are added instead of their own; it is above all that were added
     */
    void add(long address, long lengthBytes, long shownAt, PageRanges into) {
        long first = Pages.ofAddress(address);
        long count = Pages.ofAddress(lengthBytes);
        for (long at = 0; at < count; at += BATCH) {
            int batch = (int) Math.min(BATCH, count - at);
            read(first + at, batch);
            addBatch(batch, Pages.ofAddress(shownAt) + at, into);
        }
    }

    private void read(long page, int count) {
        entries.clear().limit(count * Long.BYTES);
        try {
            while (entries.hasRemaining()) {
                if (pagemap.read(entries, page * Long.BYTES + entries.position()) < 0) {
                    throw new IOException("it is cut off");
                }
            }
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "reading a pagemap: " + e.getMessage(), e);
        }
    }

    private void addBatch(int count, long shownPage, PageRanges into) {
        int begin = -1;
        for (int i = 0; i <= count; i++) {
            boolean present = i < count && (entries.getLong(i * Long.BYTES) & PRESENT_OR_SWAPPED) != 0;
            if (present && begin < 0) {
                begin = i;
            } else if (!present && begin >= 0) {
                into.add(shownPage + begin, shownPage + i);
                begin = -1;
            }
        }
    }

    @Override
    public void close() {
        try {
            pagemap.close();
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "closing a pagemap: " + e.getMessage(), e);
        }
    }
}
