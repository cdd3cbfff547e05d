// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Pages;
import io.backstep.engine.DetectionRecord;
import io.backstep.engine.EngineListener;
import io.backstep.target.region.InvariantDetector;
import io.backstep.target.region.ManyWritersQuiescence;
import io.backstep.target.region.Problem;
import io.backstep.target.region.Region;
import io.backstep.target.region.RegionListener;
import org.agrona.DirectBuffer;
import org.agrona.MutableDirectBuffer;

/**
 * Many writers, a capture every two milliseconds, rollbacks at random, garbage and forced collections: for a JVM with a
 * small heap. Ends with status 0 when all went well; with 1, and every thread's stack, as soon as a writer, the
 * captures or the rollbacks make no progress. Each writer has a region whose first word is the sum of the others, but
 * within an update.
 */
final class RegionStress implements RegionListener, EngineListener {
    private static final int WRITERS = 8;
    private static final int CAPTURES = WRITERS; // behind the writers' places in progress
    private static final int ROLLBACKS = CAPTURES + 1;
    private static final int REGION_BYTES = 256 * Pages.PAGE_SIZE;
    private static final int CELLS = REGION_BYTES / Long.BYTES;
    private static final int UPDATES_PER_ENTRY = 20;
    private static final int ENTRIES_PER_WRITER = 5_000;
    private static final int GARBAGE_BYTES = 64 << 10;
    private static final long LOOK_MS = 20;
    private static final long COLLECT_MS = 100;
    private static final long STALL_NS = TimeUnit.SECONDS.toNanos(10);
    private static final long TELL_NS = TimeUnit.SECONDS.toNanos(20);

    private final ManyWritersQuiescence quiescence = new ManyWritersQuiescence();
    private final List<Region> regions = new ArrayList<>();
    private final AtomicLongArray progress = new AtomicLongArray(ROLLBACKS + 1);
    private final List<Thread> threads = new ArrayList<>();
    private final SplittableRandom seeds;
    private final Backstep backstep;
    private volatile byte[] garbage;
    private volatile boolean ending;
    private volatile Object failure;
    private long longestNs;

    private RegionStress(long seed) {
        seeds = new SplittableRandom(seed);
        Backstep.Context context = new Backstep.Context().quiescence(quiescence).intervalNs(2_000_000).keep(5)
                .regionListener(this).listener(this);
        for (int i = 0; i < WRITERS; i++) {
            Region region = Region.map("region" + i, REGION_BYTES);
            regions.add(region);
            context.region(region);
            context.detector(new InvariantDetector("sum of region" + i, region.buffer(), RegionStress::isSum), 1);
        }
        backstep = Backstep.launch(context);
    }

    /** Arguments: a seed, and how many seconds. */
    public static void main(String[] args) throws InterruptedException {
        RegionStress stress = new RegionStress(Long.parseLong(args[0]));
        boolean well = stress.run(System.nanoTime() + (long) (Double.parseDouble(args[1]) * 1e9));
        System.out.println((well ? "well: " : "failed: ") + stress);
        System.exit(well ? 0 : 1);
    }

    /* ---- what backstep calls ---- */

    @Override
    public int onCheckpoint(MutableDirectBuffer record) {
        progress.incrementAndGet(CAPTURES);
        return 0;
    }

    @Override
    public void afterRollback(DirectBuffer record, int length) {
        progress.incrementAndGet(ROLLBACKS);
    }

    /** Nothing breaks the regions, so no sum may be wrong. */
    @Override
    public void errorDetected(DetectionRecord detection, String detail) {
        if (detection.detector().startsWith("sum")) {
            failure = detection;
        }
    }

    private static boolean isSum(DirectBuffer region) {
        long sum = 0;
        for (int cell = 1; cell < CELLS; cell++) {
            sum += region.getLong(cell * Long.BYTES);
        }
        return sum == region.getLong(0);
    }

    /* ---- threads ---- */

    private boolean run(long endNs) throws InterruptedException {
        for (int i = 0; i < WRITERS; i++) {
            int index = i;
            SplittableRandom random = seeds.split();
            start("writer" + i, () -> write(index, random));
        }
        SplittableRandom random = seeds.split();
        start("rollbacks", () -> rollBack(random));
        start("collections", this::collect);
        boolean well = watch(endNs) && end();
        backstep.close();
        return well;
    }

    private void start(String name, Runnable work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (RuntimeException | Error e) {
                failure = e;
                throw e;
            }
        }, name);
        thread.setDaemon(true);
        threads.add(thread);
        thread.start();
    }

    private void write(int index, SplittableRandom random) {
        MutableDirectBuffer region = regions.get(index).buffer();
        while (!ending) {
            try (ManyWritersQuiescence.Writer writer = quiescence.newWriter()) {
                for (int i = 0; i < ENTRIES_PER_WRITER && !ending; i++) {
                    writer.enter();
                    try {
                        update(region, random);
                    } finally {
                        writer.exit();
                    }
                    progress.incrementAndGet(index);
                    if (random.nextInt(100) == 0) {
                        LockSupport.parkNanos(random.nextInt(1_000_000));
                    }
                }
            }
        }
    }

    private void update(MutableDirectBuffer region, SplittableRandom random) {
        for (int i = 0; i < UPDATES_PER_ENTRY; i++) {
            int cell = 1 + random.nextInt(CELLS - 1);
            long value = random.nextLong();
            region.putLong(0, region.getLong(0) + value - region.getLong(cell * Long.BYTES));
            if (random.nextInt(50) == 0) {
                garbage = new byte[random.nextInt(GARBAGE_BYTES)]; // in the middle of it
            }
            region.putLong(cell * Long.BYTES, value);
        }
    }

    private void rollBack(SplittableRandom random) {
        long last = 1;
        while (!ending) {
            LockSupport.parkNanos(random.nextInt(40_000_000));
            try {
                switch (random.nextInt(5)) {
                    case 0 -> last = backstep.checkpoint();
                    case 1 -> backstep.rollbackTo(last);
                    case 2 -> backstep.errorNoticed("chance", Problem.now("chance", "no error"));
                    default -> backstep.rollback();
                }
            } catch (BackstepException e) { // not kept any more, all were tried, a collection took too long
                if (e.reason() != Reason.FAILED && e.reason() != Reason.REFUSED) {
                    throw e;
                }
            }
        }
    }

    private void collect() {
        while (!ending) {
            System.gc();
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(COLLECT_MS));
        }
    }

    /* ---- watching ---- */

    private boolean watch(long endNs) throws InterruptedException {
        long[] seen = new long[progress.length()];
        long[] sinceNs = new long[progress.length()];
        Arrays.fill(sinceNs, System.nanoTime());
        long toldNs = System.nanoTime();
        while (System.nanoTime() - endNs < 0) {
            Thread.sleep(LOOK_MS);
            if (System.nanoTime() - toldNs > TELL_NS) {
                toldNs += TELL_NS;
                System.out.println("so far: " + this);
            }
            for (int i = 0; i < seen.length; i++) {
                long now = System.nanoTime();
                longestNs = Math.max(longestNs, now - sinceNs[i]);
                if (progress.get(i) != seen[i]) {
                    seen[i] = progress.get(i);
                    sinceNs[i] = now;
                } else if (now - sinceNs[i] > STALL_NS) {
                    failure = "no progress of " + i;
                }
            }
            if (!isWell()) {
                return false;
            }
        }
        return true;
    }

    private boolean isWell() {
        if (failure == null) {
            failure = backstep.failure();
        }
        if (failure != null) {
            for (Map.Entry<Thread, StackTraceElement[]> entry : Thread.getAllStackTraces().entrySet()) {
                System.out.println(entry.getKey());
                for (StackTraceElement frame : entry.getValue()) {
                    System.out.println("        at " + frame);
                }
            }
        }
        return failure == null;
    }

    private boolean end() throws InterruptedException {
        ending = true;
        for (Thread thread : threads) {
            thread.join(TimeUnit.NANOSECONDS.toMillis(STALL_NS));
            if (thread.isAlive()) {
                failure = thread + " does not end";
            }
        }
        backstep.checkpoint(); // asks the detectors
        return isWell();
    }

    @Override
    public String toString() {
        return String.format("progress %s, longest without any %d ms, failure %s, the last garbage %d bytes", progress,
                longestNs / 1_000_000, failure, garbage == null ? 0 : garbage.length);
    }
}
