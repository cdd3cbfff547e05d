// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

import io.backstep.target.process.Victim;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Writers of regions never get stuck, whatever the garbage collector does. -Dbackstep.seed=N replays the choices of a
 * failure.
 */
class RegionStressTest {
    private static final long SEED = Long.getLong("backstep.seed", System.nanoTime());
    private static final double SECONDS = 60;
    private static final long PATIENCE_S = 60;
    private static final long LOOK_S = 1;

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
        System.out.println("RegionStressTest: replay with -Dbackstep.seed=" + SEED);
    }

    @Test
    void shouldNeverStallAWriter(@TempDir Path directory) throws Exception {
        runInASmallHeap(directory, SECONDS);
    }

    static void runInASmallHeap(Path directory, double seconds) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(option -> option.startsWith("--")).forEach(command::add);
        command.addAll(List.of("-XX:+IgnoreUnrecognizedVMOptions", "-Xmx32m",
                "-cp", System.getProperty("java.class.path"),
                RegionStress.class.getName(), Long.toString(SEED), Double.toString(seconds)));
        Path output = directory.resolve("output");
        Process stress = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile()).start();
        try (BufferedReader lines = Files.newBufferedReader(output)) {
            long endNs = System.nanoTime() + (long) ((seconds + PATIENCE_S) * 1e9);
            boolean ended;
            do { // so that one sees how far it is
                ended = stress.waitFor(LOOK_S, TimeUnit.SECONDS);
                lines.lines().forEach(System.out::println);
            } while (!ended && System.nanoTime() - endNs < 0);
            assertTrue(ended, "it does not end");
            assertEquals(0, stress.exitValue());
        } finally {
            stress.destroyForcibly();
        }
    }
}
