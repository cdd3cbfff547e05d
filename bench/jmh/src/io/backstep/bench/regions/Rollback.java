// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.util.concurrent.TimeUnit;

import io.backstep.Backstep;
import io.backstep.bench.jmh.Baselines;
import io.backstep.engine.RollbackRecord;
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

/** How long does it take to put D written pages back, against copying D pages? */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class Rollback {
    @State(Scope.Thread)
    public static class Sized {
        @Param({"0.1", "1", "10", "100"})
        public double percent;
    }

    @State(Scope.Thread)
    public static class Protected {
        private Backstep backstep;
        private PageSets pages;
        private long checkpoint;

        @Setup
        public void protect(Sized sized) {
            Region region = Memory.ofSmallPages(DirtyCheckpoint.MIB);
            pages = new PageSets(region, sized.percent);
            backstep = Memory.protect(region);
            checkpoint = backstep.checkpoint();
        }

        @Setup(Level.Invocation)
        public void write() {
            pages.writeNext();
        }

        @TearDown
        public void close() {
            backstep.close();
        }
    }

    @State(Scope.Thread)
    public static class Copied {
        private PageSets pages;
        private Frames frames;

        @Setup
        public void map(Sized sized) {
            pages = new PageSets(Memory.ofSmallPages(DirtyCheckpoint.MIB), sized.percent);
            frames = new Frames(pages.size());
        }

        @Setup(Level.Invocation)
        public void write() {
            pages.writeNext();
        }
    }

    @Benchmark
    public RollbackRecord rollback(Protected region) {
        return region.backstep.rollbackTo(region.checkpoint);
    }

    @Benchmark
    public void copyBack(Copied memory) {
        Baselines.baseline_copy(memory.frames.next(), memory.pages.now().address(), memory.pages.size());
    }
}
