// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A process that ends with this JVM. It is a shell's child: a JVM that starts a process waits for it, and would take its
 * stops away from who traces it. Closing kills it.
 */
final class KeptProcess implements AutoCloseable {
    // Tells the number of the process, and kills it at the end of standard input.
    private static final String KEEPER =
            "\"$@\" </dev/null >/dev/null & echo $!; { read -r _; kill -KILL $!; } 2>/dev/null; wait $!";

    private final Process keeper;
    private final long pid;

    /** @param errors where standard error goes */
    KeptProcess(List<String> command, Path errors) throws IOException {
        List<String> words = new ArrayList<>(List.of("sh", "-c", KEEPER, "sh"));
        words.addAll(command);
        keeper = new ProcessBuilder(words).redirectError(errors.toFile()).start();
        BufferedReader out = keeper.inputReader();
        pid = Long.parseLong(out.readLine());
    }

    long pid() {
        return pid;
    }

    /** Whether it has neither ended nor become a zombie. */
    boolean isAlive() {
        return ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false);
    }

    @Override
    public void close() throws IOException {
        keeper.getOutputStream().close();
        try {
            keeper.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
