// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.util.concurrent.TimeUnit;

import io.backstep.Backstep;
import io.backstep.bench.jmh.Baselines;
import io.backstep.core.LongVector;
import io.backstep.target.region.Region;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** What does a writer pay for the first write to a page after a checkpoint, by who takes note of it? */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class FirstWrite {
    static final int PAGES = 1024;
    private static final int MIB = 64;

    @State(Scope.Thread)
    public static class Tracked {
        @Param({"nobody", "backstep", "mprotect"})
        public String by;
        private PageSets pages;
        private Backstep backstep;
        private Frames frames;
        private LongVector next;

        @Setup
        public void track() {
            Region region = Memory.ofSmallPages(MIB);
            pages = new PageSets(region, (long) PAGES);
            if (by.equals("backstep")) {
                backstep = Memory.protect(region);
            } else if (by.equals("mprotect")) {
                frames = new Frames(PAGES);
                Baselines.check(Baselines.baseline_guard(region.address(), region.lengthBytes()));
            }
        }

        @Setup(Level.Invocation)
        public void checkpoint() {
            if (backstep != null) {
                backstep.checkpoint();
            } else if (frames != null) {
                Baselines.check(Baselines.baseline_guard_again(frames.next()));
            }
            next = pages.next();
        }
    }

    /** Huge pages, none of which was written since the first checkpoint: others in each iteration, since it can be asked once. */
    @State(Scope.Thread)
    public static class Huge {
        static final int COUNT = 64;
        @Param({"nobody", "backstep"})
        public String by;
        private PageSets pages;
        private final LongVector one = new LongVector();
        private Backstep backstep;

        @Setup(Level.Iteration)
        public void track() {
            Region region = Memory.ofHugePages(2 * COUNT);
            pages = new PageSets(region, 1L);
            one.clear();
            for (long i = 0; i < COUNT; i++) {
                one.add(region.address() + i * 2 * Memory.MIB);
            }
            pages.write(one);
            if (by.equals("backstep")) {
                backstep = Memory.protect(region);
            }
        }

        @TearDown(Level.Iteration)
        public void close() {
            if (backstep != null) {
                backstep.close();
            }
        }
    }

    @Benchmark
    @OperationsPerInvocation(PAGES)
    public void write(Tracked memory) {
        memory.pages.write(memory.next);
    }

    @Benchmark
    @BenchmarkMode(Mode.SingleShotTime)
    @OperationsPerInvocation(Huge.COUNT)
    public void writeHuge(Huge memory) {
        memory.pages.write(memory.one);
    }
}
