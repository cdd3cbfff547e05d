// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

import io.backstep.target.process.Victim;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Random rollbacks of real programs. After each the program's memory and layout are compared, byte for byte, with what they were at the
 * checkpoint, and each program must come to the end that it comes to undisturbed.
 *
 * <p>-Dbackstep.seed=N repeats the random choices, though not the moments; -Dbackstep.victim=NAME takes one program only,
 * -Dbackstep.capture=NAME one discipline, -Dbackstep.redundancy=NAME one redundancy;
 * -Dbackstep.minutes=N is how long the soak test takes.
 */
class RollbackIT {
    private static final int ROLLBACKS = 1_000;
    private static final int MINUTES_AT_MOST = 15;

    @TempDir
    private Path directory;

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
    }

    @Test
    void shouldRestoreEveryByteInAThousandRandomRollbacks() throws IOException, InterruptedException {
        rollBackAtRandom(ROLLBACKS, 0);
    }

    @Test
    @Tag("soak")
    void shouldRestoreEveryByteForALongTime() throws IOException, InterruptedException {
        rollBackAtRandom(1, Double.parseDouble(System.getProperty("backstep.minutes", "30")));
    }

    private void rollBackAtRandom(int rollbacks, double minutes) throws IOException, InterruptedException {
        long seed = Long.getLong("backstep.seed", ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE));
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), RandomRollbacks.class.getName(), Long.toString(seed),
                Integer.toString(rollbacks), Double.toString(minutes), directory.toString(),
                System.getProperty("backstep.victim", ""), System.getProperty("backstep.capture", ""),
                System.getProperty("backstep.redundancy", "")));
        Process process = new ProcessBuilder(command).redirectOutput(file("stdout")).redirectError(file("stderr")).start();
        boolean ended = process.waitFor((long) Math.ceil(minutes) + MINUTES_AT_MOST, TimeUnit.MINUTES);
        process.destroyForcibly();

        List<String> report = Files.readAllLines(directory.resolve("report"));
        String told = "-Dbackstep.seed=" + seed + "\n" + String.join("\n", report);
        assertTrue(ended, "did not end; " + told);
        assertEquals("passed", report.get(report.size() - 1), told);
        System.out.println("random rollbacks, " + told);
    }

    private File file(String name) {
        return directory.resolve(name).toFile();
    }
}
