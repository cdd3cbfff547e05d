// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.function.LongSupplier;

import io.backstep.target.Descriptors;
import io.backstep.target.ProgramContractTest;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/** The contract for a process, however it is taken hold of. */
abstract class ProcessContractTest extends ProgramContractTest {
    private static final Object[] ARGUMENTS = {11, 600, 1};
    private static String rightOutput;

    @TempDir
    Path directory;
    private long pid;

    @BeforeAll
    static void runUndisturbed(@TempDir Path directory) throws IOException {
        Victim.assumeProtection();
        Path output = directory.resolve("output");
        assertEquals(0, Victim.run(output, directory.resolve("error"), command()));
        rightOutput = Files.readString(output);
    }

    static List<String> command() {
        return Victim.command("writers", ARGUMENTS);
    }

    Path output() {
        return directory.resolve("output");
    }

    void pid(long number) {
        pid = number;
    }

    long pid() {
        return pid;
    }

    void assertOutputIsRight() throws IOException {
        assertEquals(rightOutput, Files.readString(output()));
    }

    @Override
    protected SortedMap<Long, byte[]> image() {
        return ProcessImage.bytesOf(pid);
    }

    @Override
    protected SortedMap<Long, byte[]> ownPages() {
        return ProcessImage.ownBytesOf(pid);
    }

    /** Every thread is in a tracing stop. */
    @Override
    protected boolean isStanding() {
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/" + pid + "/task"))) {
            for (Path task : tasks) {
                String stat = Files.readString(task.resolve("stat"));
                if (stat.charAt(stat.lastIndexOf(')') + 2) != 't') {
                    return false;
                }
            }
            return true;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    protected LongSupplier clock() {
        return System::nanoTime;
    }

    /** Descriptors that lead to the process, or were made for it. */
    @Override
    protected void assertNothingIsLeft() {
        List<String> left = Descriptors.open().stream().filter(path -> path.startsWith("/proc/" + pid)
                || path.contains("userfaultfd") || path.contains("pidfd") || path.equals(output().toString())).toList();
        assertEquals(List.of(), left);
        assertFalse(Thread.getAllStackTraces().keySet().stream().anyMatch(t -> t.getName().startsWith("backstep-")));
    }
}
