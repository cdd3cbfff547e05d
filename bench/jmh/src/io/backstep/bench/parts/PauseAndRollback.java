// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.util.concurrent.TimeUnit;

import io.backstep.core.LongVector;
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

/** How long is a pause with D dirty pages, and how long takes a rollback of D pages, of a program that sleeps? */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class PauseAndRollback {
    @State(Scope.Thread)
    public static class Sized {
        @Param({"0", "100", "1000", "10000"})
        public int pages;
    }

    @State(Scope.Thread)
    public static class Dirty {
        Program program;
        private SomePages pages;
        private LongVector content;

        @Setup
        public void start(Sized sized) {
            program = new Program(PageCopy.MIB);
            pages = sized.pages == 0 ? null : program.some(sized.pages);
            content = new Memory(sized.pages + 1).addresses(sized.pages);
        }

        @Setup(Level.Invocation)
        public void write() {
            if (pages != null) {
                program.write(pages.next(), content);
            }
        }

        @TearDown
        public void end() {
            program.close();
        }
    }

    @State(Scope.Thread)
    public static class Captured extends Dirty {
        @TearDown(Level.Invocation)
        public void publish() {
            program.publish();
        }
    }

    @State(Scope.Thread)
    public static class RolledBack extends Dirty {
        @TearDown(Level.Invocation)
        public void resume() {
            program.resume();
        }
    }

    @Benchmark
    public long capture(Captured captured) {
        return captured.program.capture();
    }

    @Benchmark
    public long rollback(RolledBack rolledBack) {
        return rolledBack.program.rollback();
    }
}
