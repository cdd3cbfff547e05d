// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

import io.backstep.sys.Inheritance;
import io.backstep.sys.NativeProcess;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.CompilerControl;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** What does a call of the native library cost that does next to nothing, against a call of Java that does as little? */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class NativeCall {
    private NativeProcess process;
    private int number = 1;

    @Setup
    public void start() {
        String path = Path.of(System.getProperty("bench.home"), "target/victims/idle").toString();
        process = NativeProcess.spawn(path.getBytes(StandardCharsets.UTF_8), (path + "\0").getBytes(StandardCharsets.UTF_8),
                Inheritance.NONE, null, null);
    }

    @TearDown
    public void end() {
        process.kill();
        process.close();
    }

    @Benchmark
    public int nativeCall() {
        return process.pid();
    }

    @Benchmark
    public int javaCall() {
        return number();
    }

    @CompilerControl(CompilerControl.Mode.DONT_INLINE)
    private int number() {
        return number;
    }
}
