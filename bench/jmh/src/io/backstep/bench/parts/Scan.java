// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.util.concurrent.TimeUnit;

import io.backstep.bench.jmh.Baselines;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * How long does it take to look for written pages when there are none, against one PAGEMAP_SCAN of the same program? The program
 * stands already, so that the capture is the scan and what there is of state.
 */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Thread)
public class Scan {
    @Param({"64", "256", "1024"})
    public int mib;
    private Program program;

    @Setup
    public void start() {
        program = new Program(mib);
        program.halt();
        Baselines.check(Baselines.baseline_watch_process(program.pid()));
    }

    @TearDown
    public void end() {
        program.close();
    }

    @Benchmark
    public long capture() {
        return program.capture();
    }

    @Benchmark
    public int bareScan() {
        return Baselines.baseline_scan();
    }
}
