// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.util.concurrent.TimeUnit;

import org.agrona.collections.Long2LongHashMap;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * How long does it take to make a checkpoint of a capture of D pages, to merge the undo logs of two neighbours, to plan a rollback
 * over two intervals and to follow it? Against putting as many pages and frames into a map, and getting out what was there.
 */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class Bookkeeping {
    @State(Scope.Thread)
    public static class Sized {
        @Param({"1000", "10000"})
        public int pages;
    }

    /** Captured, not published; one checkpoint before it. */
    @State(Scope.Thread)
    public static class Captured {
        private Checkpoints checkpoints;
        private final Long2LongHashMap map = new Long2LongHashMap(0);

        @Setup
        public void make(Sized sized) {
            checkpoints = new Checkpoints(sized.pages);
        }

        @Setup(Level.Invocation)
        public void capture() {
            while (checkpoints.count() > 1) {
                checkpoints.drop(0);
            }
            checkpoints.capture();
        }
    }

    /** Three checkpoints, and pages written since the last. */
    @State(Scope.Thread)
    public static class Three {
        Checkpoints checkpoints;

        @Setup
        public void make(Sized sized) {
            checkpoints = new Checkpoints(sized.pages);
        }

        @Setup(Level.Invocation)
        public void publish() {
            while (checkpoints.count() > 1) {
                checkpoints.drop(0);
            }
            while (checkpoints.count() < 3) {
                checkpoints.capture();
                checkpoints.publish();
            }
            checkpoints.write();
        }
    }

    /** The same, with a plan. */
    @State(Scope.Thread)
    public static class Planned extends Three {
        @Setup(Level.Invocation)
        public void plan() {
            checkpoints.plan();
        }
    }

    @Benchmark
    public void publish(Captured captured) {
        captured.checkpoints.publish();
    }

    /** The map grows to the pages of all sets in the first calls. */
    @Benchmark
    public long map(Captured captured) {
        long before = 0;
        for (long i = 0; i < captured.checkpoints.captured().size(); i++) {
            before += captured.map.put(captured.checkpoints.captured().get(i), captured.checkpoints.frames().get(i));
        }
        return before;
    }

    @Benchmark
    public void merge(Three three) {
        three.checkpoints.drop(1);
    }

    @Benchmark
    public long plan(Three three) {
        return three.checkpoints.plan();
    }

    @Benchmark
    public void follow(Planned planned) {
        planned.checkpoints.follow();
    }
}
