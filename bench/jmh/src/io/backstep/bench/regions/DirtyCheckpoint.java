// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.util.concurrent.TimeUnit;

import io.backstep.Backstep;
import io.backstep.bench.jmh.Baselines;
import io.backstep.target.region.Region;
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
 * How long does a checkpoint of D written pages take, against copying D pages? And how long do the writes and the checkpoint
 * take together, against tracking by mprotect and SIGSEGV?
 */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class DirtyCheckpoint {
    static final int MIB = 64;

    @State(Scope.Thread)
    public static class Sized {
        @Param({"0.1", "1", "10", "100"})
        public double percent;
    }

    @State(Scope.Thread)
    public static class Protected {
        Backstep backstep;
        PageSets pages;

        @Setup
        public void protect(Sized sized) {
            Region region = Memory.ofSmallPages(MIB);
            pages = new PageSets(region, sized.percent);
            backstep = Memory.protect(region);
        }

        @TearDown
        public void close() {
            backstep.close();
        }
    }

    /** Its pages were written before each checkpoint. */
    @State(Scope.Thread)
    public static class Written extends Protected {
        @Setup(Level.Invocation)
        public void write() {
            pages.writeNext();
        }
    }

    @State(Scope.Thread)
    public static class Copied {
        private PageSets pages;
        private Frames frames;

        @Setup
        public void map(Sized sized) {
            pages = new PageSets(Memory.ofSmallPages(MIB), sized.percent);
            frames = new Frames(pages.size());
        }

        @Setup(Level.Invocation)
        public void write() {
            pages.writeNext();
        }
    }

    @State(Scope.Thread)
    public static class Guarded {
        private PageSets pages;
        private Frames frames;

        @Setup
        public void guard(Sized sized) {
            Region region = Memory.ofSmallPages(MIB);
            pages = new PageSets(region, sized.percent);
            frames = new Frames(pages.size());
            Baselines.check(Baselines.baseline_guard(region.address(), region.lengthBytes()));
        }
    }

    @Benchmark
    public long checkpoint(Written region) {
        return region.backstep.checkpoint();
    }

    @Benchmark
    public void copy(Copied memory) {
        Baselines.baseline_copy(memory.pages.now().address(), memory.frames.next(), memory.pages.size());
    }

    @Benchmark
    public long writeAndCheckpoint(Protected region) {
        region.pages.writeNext();
        return region.backstep.checkpoint();
    }

    @Benchmark
    public long writeAndGuardAgain(Guarded memory) {
        memory.pages.writeNext();
        return Baselines.check(Baselines.baseline_guard_again(memory.frames.next()));
    }
}
