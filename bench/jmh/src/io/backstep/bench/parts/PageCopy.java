// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.util.concurrent.TimeUnit;

import io.backstep.bench.jmh.Baselines;
import io.backstep.core.LongVector;
import io.backstep.sys.NativeProcess;
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

/** How long does it take to copy D pages of another process, as a capture does, against D pages of this one by memcpy? */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class PageCopy {
    static final int MIB = 128;
    private static final int PAGES_OF_MIB = 256;

    @State(Scope.Thread)
    public static class Sized {
        @Param({"100", "1000", "10000"})
        public int pages;
    }

    @State(Scope.Thread)
    public static class Theirs {
        private Program program;
        private SomePages pages;
        private LongVector frames;

        @Setup
        public void start(Sized sized) {
            program = new Program(MIB);
            pages = program.some(sized.pages);
            frames = new Memory(sized.pages).addresses(sized.pages);
        }

        @TearDown
        public void end() {
            program.close();
        }
    }

    @State(Scope.Thread)
    public static class Ours {
        private Memory memory;
        private SomePages pages;
        private LongVector frames;
        private final LongVector addresses = new LongVector();

        @Setup
        public void map(Sized sized) {
            memory = new Memory((long) MIB * PAGES_OF_MIB);
            pages = new SomePages(0, (long) MIB * PAGES_OF_MIB, sized.pages);
            frames = new Memory(sized.pages).addresses(sized.pages);
        }

        @Setup(Level.Invocation)
        public void choose() {
            memory.addresses(pages.next(), addresses);
        }
    }

    @Benchmark
    public long processVmReadv(Theirs theirs) {
        LongVector pages = theirs.pages.next();
        return NativeProcess.measureCopy(theirs.program.pid(), pages.address(), theirs.frames.address(), pages.size(), false);
    }

    @Benchmark
    public void memcpy(Ours ours) {
        Baselines.baseline_copy(ours.addresses.address(), ours.frames.address(), ours.addresses.size());
    }
}
