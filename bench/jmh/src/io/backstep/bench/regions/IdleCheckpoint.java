// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.util.concurrent.TimeUnit;

import io.backstep.Backstep;
import io.backstep.bench.jmh.Baselines;
import io.backstep.target.region.Region;
import org.agrona.UnsafeApi;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** How long does a checkpoint take when nothing was written, and how much of that is the kernel's walk of the page tables? */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class IdleCheckpoint {
    @State(Scope.Thread)
    public static class Sized {
        @Param({"16", "64", "256", "1024", "4096"})
        public int mib;
        /** Split: huge pages, each written since the first checkpoint, which makes the kernel use small ones again. */
        @Param({"small", "huge", "split"})
        public String pages;

        Region populated() {
            return pages.equals("small") ? Memory.ofSmallPages(mib) : Memory.ofHugePages(mib);
        }
    }

    @State(Scope.Thread)
    public static class Protected {
        private Backstep backstep;

        @Setup
        public void protect(Sized sized) {
            Region region = sized.populated();
            backstep = Memory.protect(region);
            if (sized.pages.equals("split")) {
                for (long at = 0; at < region.lengthBytes(); at += 2 * Memory.MIB) {
                    UnsafeApi.putLong(region.address() + at, at);
                }
                backstep.checkpoint();
            }
        }

        @TearDown
        public void close() {
            backstep.close();
        }
    }

    @State(Scope.Thread)
    public static class Watched {
        @Setup
        public void watch(Sized sized) {
            Region region = sized.populated();
            Baselines.check(Baselines.baseline_watch(region.address(), region.lengthBytes()));
        }
    }

    @Benchmark
    public long checkpoint(Protected region) {
        return region.backstep.checkpoint();
    }

    @Benchmark
    public int bareScan(Watched region) {
        return Baselines.baseline_scan();
    }
}
