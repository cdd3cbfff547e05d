// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongSupplier;

import io.backstep.core.Pages;
import io.backstep.core.Target;
import io.backstep.target.TargetContractTest;
import io.backstep.target.process.Victim;
import org.agrona.DirectBuffer;
import org.agrona.MutableDirectBuffer;
import org.agrona.UnsafeApi;

/** Two regions and a thread that writes to them; how far it has come goes with each checkpoint. */
class RegionContractTest extends TargetContractTest {
    private static final int PAGES = 300;
    private static final int STEPS_PER_CYCLE = 20;

    private final SingleWriterQuiescence writerQuiescence = new SingleWriterQuiescence();
    private final List<Region> regions = List.of(
            Region.wrap("first", ByteBuffer.allocateDirect((PAGES + 1) * Pages.PAGE_SIZE)),
            Region.wrap("second", ByteBuffer.allocateDirect((PAGES + 1) * Pages.PAGE_SIZE)));
    private final Thread writer = new Thread(this::write, "writer");
    private volatile boolean standing;
    private volatile boolean ending;
    private volatile long step;

    private final Quiescence quiescence = new Quiescence() {
        @Override
        public boolean stop(long deadlineNs) {
            standing = writerQuiescence.stop(deadlineNs);
            return standing;
        }

        @Override
        public void go() {
            standing = false;
            writerQuiescence.go();
        }
    };

    private final RegionListener listener = new RegionListener() {
        @Override
        public int onCheckpoint(MutableDirectBuffer record) {
            record.putLong(0, step);
            return Long.BYTES;
        }

        @Override
        public void afterRollback(DirectBuffer record, int length) {
            assertEquals(Long.BYTES, length);
            step = record.getLong(0);
        }
    };

    private void write() {
        while (!ending) {
            writerQuiescence.quiescentState();
            long next = step;
            for (int i = 0; i < STEPS_PER_CYCLE; i++) {
                next++;
                long address = regions.get((int) (next & 1)).address() + offsetOf(next);
                UnsafeApi.putLong(address, contentOf(next));
            }
            step = next;
        }
        writerQuiescence.offline();
    }

    private static long offsetOf(long step) {
        return (step * 0x9e3779b97f4a7c15L >>> 8) % ((long) PAGES * Pages.PAGE_SIZE / Long.BYTES) * Long.BYTES;
    }

    private static long contentOf(long step) {
        return step * 0xbf58476d1ce4e5b9L | 1;
    }

    @Override
    protected Target open() {
        Victim.assumeProtection();
        RegionTarget target = new RegionTarget(regions, quiescence, true, listener, Long.BYTES);
        writer.setDaemon(true);
        writer.start();
        target.start();
        return target;
    }

    @Override
    protected SortedMap<Long, byte[]> image() {
        SortedMap<Long, byte[]> image = new TreeMap<>();
        for (Region region : regions) {
            for (long offset = 0; offset < region.lengthBytes(); offset += Pages.PAGE_SIZE) {
                byte[] page = new byte[Pages.PAGE_SIZE];
                region.bytesStore().read(offset, page, 0, page.length);
                if (!Arrays.equals(page, new byte[Pages.PAGE_SIZE])) {
                    image.put(Pages.ofAddress(region.address() + offset), page);
                }
            }
        }
        return image;
    }

    @Override
    protected SortedMap<Long, byte[]> ownPages() {
        return image();
    }

    @Override
    protected boolean isStanding() {
        return standing;
    }

    @Override
    protected LongSupplier clock() {
        return System::nanoTime;
    }

    /** All that the writer has done, done again in other memory. */
    @Override
    protected void assertEndsWellAlone() throws InterruptedException {
        ending = true;
        writer.join();
        List<ByteBuffer> again = List.of(ByteBuffer.allocateDirect(PAGES * Pages.PAGE_SIZE),
                ByteBuffer.allocateDirect(PAGES * Pages.PAGE_SIZE));
        again.forEach(buffer -> buffer.order(java.nio.ByteOrder.nativeOrder()));
        for (long i = 1; i <= step; i++) {
            again.get((int) (i & 1)).putLong((int) offsetOf(i), contentOf(i));
        }
        for (int i = 0; i < regions.size(); i++) {
            byte[] expected = new byte[PAGES * Pages.PAGE_SIZE];
            again.get(i).get(0, expected);
            byte[] found = new byte[expected.length];
            regions.get(i).bytesStore().read(0, found, 0, found.length);
            assertTrue(Arrays.equals(expected, found), regions.get(i) + " differs after " + step + " steps");
        }
    }

    @Override
    protected void assertNothingIsLeft() {
        ending = true;
    }
}
