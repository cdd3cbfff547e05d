// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.SplittableRandom;

/** Faults that reads of the guest are to meet. The image stays as it is. Thread-safe. */
final class ReadFaults {
    private final List<ReadFault> planned = new ArrayList<>();
    private volatile boolean isAny;
    private long injected;

    /** Reads that touch a range fail, or get a bit inverted in it, a number of times. */
    private static final class ReadFault {
        private final long offset;
        private final long end;
        private final SplittableRandom random;
        private long left;

        private ReadFault(long offset, long length, long times, SplittableRandom random) {
            this.offset = offset;
            this.end = offset + length;
            this.left = times;
            this.random = random;
        }
    }

    /** The next reads that touch a range fail. */
    synchronized void failReads(long offset, long length, long times) {
        add(new ReadFault(offset, length, times, null));
    }

    /** The next reads that touch a range get one bit inverted there, chosen by a seed. */
    synchronized void corruptReads(long offset, long length, long times, long seed) {
        add(new ReadFault(offset, length, times, new SplittableRandom(seed)));
    }

    private void add(ReadFault fault) {
        planned.add(fault);
        isAny = true;
    }

    synchronized void clear() {
        planned.clear();
        isAny = false;
    }

    /** How many reads have met a fault. */
    synchronized long injected() {
        return injected;
    }

    synchronized long pending() {
        return planned.stream().mapToLong(fault -> fault.left).sum();
    }

    /**
     * Lets a read that was done meet its faults.
     *
     * @param content what was read, from its beginning to its position
     * @throws IOException the read is to fail
     */
    void apply(ByteBuffer content, int start, long offset, int length) throws IOException {
        if (isAny) {
            applyPlanned(content, start, offset, length);
        }
    }

    private synchronized void applyPlanned(ByteBuffer content, int start, long offset, int length) throws IOException {
        boolean fails = false;
        for (Iterator<ReadFault> faults = planned.iterator(); faults.hasNext();) {
            ReadFault fault = faults.next();
            long from = Math.max(offset, fault.offset);
            long to = Math.min(offset + length, fault.end);
            if (from >= to) {
                continue;
            }
            if (fault.random == null) {
                fails = true;
            } else {
                int at = start + (int) (fault.random.nextLong(from, to) - offset);
                content.put(at, (byte) (content.get(at) ^ 1 << fault.random.nextInt(Byte.SIZE)));
            }
            injected++;
            if (--fault.left == 0) {
                faults.remove();
            }
        }
        isAny = !planned.isEmpty();
        if (fails) {
            throw new IOException("an injected read error");
        }
    }
}
