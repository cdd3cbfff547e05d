// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;

import io.backstep.Backstep;
import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import io.backstep.target.region.Quiescence;
import io.backstep.target.region.Region;
import io.backstep.target.region.RegionListener;
import io.backstep.target.region.SingleWriterQuiescence;
import org.agrona.MutableDirectBuffer;
import org.agrona.UnsafeApi;
import org.agrona.concurrent.Agent;
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
    static final String NONE = "none";
    static final String THREAD = "thread";
    static final String AGENT = "agent";
    private static final double PERCENT = 1;
    private static final int RECORD_BYTES = 64;
    private static final int UPDATES = 64;
    private static final int ROUNDS_OF_AGENT = 16; // some 10 us

    @Param({"10", "50"})
    public int intervalMs;
    /** By nobody, by a thread of backstep's own, or by the writer itself, which has backstep's agent in its duty cycle. */
    @Param({NONE, THREAD, AGENT})
    public String protection;
    private final SingleWriterQuiescence quiescence = new SingleWriterQuiescence();
    private final SplittableRandom random = new SplittableRandom(1);
    private PageSets pages;
    private LongVector window;
    private long windowEndNs;
    private volatile boolean isCaptured;
    private Backstep backstep;
    private Agent agent;
    private boolean isProtected;
    private long beganNs;
    private long workedNs;
    private int rounds;

    @Setup
    public void protect() {
        Region region = Memory.ofSmallPages(MIB);
        pages = new PageSets(region, PERCENT);
        isProtected = !protection.equals(NONE);
        if (isProtected) {
            boolean byAgent = protection.equals(AGENT);
            backstep = Backstep.launch(new Backstep.Context().region(region)
                    .quiescence(byAgent ? Quiescence.CALLER : quiescence)
                    .regionListener(new RegionListener() {
                        @Override
                        public int onCheckpoint(MutableDirectBuffer record) {
                            isCaptured = true;
                            return 0;
                        }
                    })
                    .intervalNs(TimeUnit.MILLISECONDS.toNanos(intervalMs)));
            agent = byAgent ? backstep.agent() : null;
        }
        windowEndNs = System.nanoTime();
    }

    @Setup(Level.Iteration)
    public void online() {
        beganNs = System.nanoTime();
        quiescence.online();
    }

    @TearDown(Level.Iteration)
    public void offline() {
        quiescence.offline();
        workedNs += System.nanoTime() - beganNs;
    }

    /** What was not captured does not count as protected. */
    @TearDown
    public void close() {
        if (backstep == null) {
            return;
        }
        long captures = backstep.checkpoint();
        long intervals = TimeUnit.NANOSECONDS.toMillis(workedNs) / intervalMs;
        backstep.close();
        if (captures < intervals / 2) {
            throw new IllegalStateException(captures + " captures in " + intervals + " intervals");
        }
    }

    @Benchmark
    public void update() throws Exception {
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
        if (agent != null) {
            if (++rounds % ROUNDS_OF_AGENT == 0) {
                agent.doWork();
            }
        } else if (isProtected) {
            quiescence.quiescentState();
        }
    }

    private static void change(long record, long bits) {
        for (long field = record; field < record + RECORD_BYTES; field += Long.BYTES) {
            UnsafeApi.putLong(field, UnsafeApi.getLong(field) + bits);
        }
    }
}
