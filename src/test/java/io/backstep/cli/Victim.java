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
    private static final int STEPS = 2; // where in the command
    private static final int TRIES = 3;
    private static final int LONGER = 3;

    /** Something that happens to a running victim; says whether the victim lived long enough for it. */
    interface Scene {
        boolean play(Victim victim) throws IOException;
    }

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

    /**
     * Plays a scene. A victim's life is an amount of work: on a busy machine it can end before the scene does. Then the scene is
     * played again, with a longer life.
     */
    void play(Scene scene) throws IOException {
        Victim victim = this;
        for (int tries = 1; !scene.play(victim); tries++) {
            if (tries == TRIES) {
                throw new AssertionError("even " + victim + " ended too early");
            }
            victim = victim.livingLonger();
        }
    }

    private Victim livingLonger() {
        List<String> longer = new ArrayList<>(command);
        longer.set(STEPS, Long.toString(LONGER * Long.parseLong(command.get(STEPS))));
        return new Victim(List.copyOf(longer));
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
