// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

import io.backstep.bench.jmh.Rounds;
import io.backstep.bench.jmh.Run;
import org.openjdk.jmh.runner.RunnerException;

/** The questions about protected regions. */
public final class RegionBench {
    private static final String BIGGEST = "mib=4096";
    private static final long BIGGEST_NEEDS_KIB = 11L << 20;

    private RegionBench() {
    }

    public static void main(String[] names) throws IOException, RunnerException {
        boolean big = availableKib() >= BIGGEST_NEEDS_KIB;
        if (!big) {
            System.err.println("bench: less than " + (BIGGEST_NEEDS_KIB >> 20) + " GiB of memory: no region of 4 GiB");
        }
        new Rounds(Questions.all(), "target/bench/regions.log").ask(names, run -> big || !isBiggest(run));
    }

    private static boolean isBiggest(Run run) {
        return run.parameters().contains(BIGGEST);
    }

    private static long availableKib() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
            if (line.startsWith("MemAvailable:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        return 0;
    }
}
