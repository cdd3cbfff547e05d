// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;

import io.backstep.Backstep;
import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import io.backstep.target.region.Region;
import io.backstep.target.region.RegionListener;
import io.backstep.target.region.SingleWriterQuiescence;
import org.agrona.MutableDirectBuffer;
import org.agrona.UnsafeApi;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * How much less does a writer get done under protection? It changes records, in another hundredth of the pages in each interval:
 * from one capture to the next, or, unprotected, by the clock.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@State(Scope.Thread)
public class Writers {
    static final int MIB = 256;
    private static final double PERCENT = 1;
    private static final int RECORD_BYTES = 64;
    private static final int UPDATES = 64;

    @Param({"10", "50"})
    public int intervalMs;
    @Param({"false", "true"})
    public boolean isProtected;
    private final SingleWriterQuiescence quiescence = new SingleWriterQuiescence();
    private final SplittableRandom random = new SplittableRandom(1);
    private PageSets pages;
    private LongVector window;
    private long windowEndNs;
    private volatile boolean isCaptured;
    private Backstep backstep;
    private long beganNs;

    @Setup
    public void protect() {
        Region region = Memory.ofSmallPages(MIB);
        pages = new PageSets(region, PERCENT);
        if (isProtected) {
            backstep = Backstep.launch(new Backstep.Context().region(region).quiescence(quiescence)
                    .regionListener(new RegionListener() {
                        @Override
                        public int onCheckpoint(MutableDirectBuffer record) {
                            isCaptured = true;
                            return 0;
                        }
                    })
                    .intervalNs(TimeUnit.MILLISECONDS.toNanos(intervalMs)));
        }
        beganNs = windowEndNs = System.nanoTime();
    }

    @Setup(Level.Iteration)
    public void online() {
        quiescence.online();
    }

    @TearDown(Level.Iteration)
    public void offline() {
        quiescence.offline();
    }

    /** What was not captured does not count as protected. */
    @TearDown
    public void close() {
        if (backstep == null) {
            return;
        }
        long captures = backstep.checkpoint();
        long intervals = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beganNs) / intervalMs;
        backstep.close();
        if (captures < intervals / 2) {
            throw new IllegalStateException(captures + " captures in " + intervals + " intervals");
        }
    }

    @Benchmark
    public void update() {
        long now = System.nanoTime();
        if (window == null || (isProtected ? isCaptured : now - windowEndNs >= 0)) {
            isCaptured = false;
            window = pages.next();
            windowEndNs = now + TimeUnit.MILLISECONDS.toNanos(intervalMs);
        }
        for (int i = 0; i < UPDATES; i++) {
            long bits = random.nextLong();
            long page = window.get((bits >>> 32) * window.size() >>> 32);
            change(page + (bits & Pages.PAGE_SIZE - RECORD_BYTES), bits);
        }
        if (isProtected) {
            quiescence.quiescentState();
        }
    }

    private static void change(long record, long bits) {
        for (long field = record; field < record + RECORD_BYTES; field += Long.BYTES) {
            UnsafeApi.putLong(field, UnsafeApi.getLong(field) + bits);
        }
    }
}
