// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** A victim program with its arguments, and what it writes when nobody disturbs it. */
record Victim(List<String> command) {
    private static final Path DIRECTORY = Path.of(System.getProperty("backstep.victims"));
    private static final Map<List<String>, byte[]> UNDISTURBED = new ConcurrentHashMap<>();

    static Victim of(String name, Object... arguments) {
        List<String> command = new ArrayList<>(List.of(DIRECTORY.resolve(name).toString()));
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        return new Victim(List.copyOf(command));
    }

    String[] words() {
        return command.toArray(new String[0]);
    }

    @Override
    public String toString() {
        return Path.of(command.get(0)).getFileName() + " " + String.join(" ", command.subList(1, command.size()));
    }

    /** Its standard output when it runs alone. */
    byte[] undisturbed() {
        return undisturbed(command);
    }

    /** What any command writes to standard output, alone; it must end well. Kept, since it is the same every time. */
    static byte[] undisturbed(List<String> command) {
        return UNDISTURBED.computeIfAbsent(command, Victim::outputOf);
    }

    private static byte[] outputOf(List<String> command) {
        try {
            Process process = new ProcessBuilder(command).redirectInput(Redirect.from(Path.of("/dev/null").toFile()))
                    .redirectError(Redirect.DISCARD).start();
            byte[] output = process.getInputStream().readAllBytes();
            int status = process.waitFor();
            if (status != 0) {
                throw new AssertionError(command + " ends with " + status);
            }
            return output;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
