// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.core.TargetEvent.Kind;
import io.backstep.sys.Host;

/**
 * A program that verifies itself, started by a shell that waits for it: so it is not this JVM's child, and may be attached to and
 * left alone. Its standard output goes to a file.
 */
public final class Victim implements AutoCloseable {
    private static final long PATIENCE_S = 120;

    /** Child processes are those of the thread that starts them: a thread that waits for what it traces must not start any. */
    private static final ExecutorService STARTER = Executors.newSingleThreadExecutor(work -> {
        Thread thread = new Thread(work, "victim-starter");
        thread.setDaemon(true);
        return thread;
    });

    private final Process shell;
    private final BufferedReader answers;
    private final int pid;

    private Victim(Process shell) throws IOException {
        this.shell = shell;
        answers = shell.inputReader();
        pid = Integer.parseInt(answers.readLine());
    }

    /** Skips the test where processes cannot be protected, and says what is missing. */
    public static void assumeProtection() {
        Host host = Host.current();
        assumeTrue(host.canProtect(), host.verdict());
        assumeTrue(System.getProperty("backstep.victims") != null, "no -Dbackstep.victims: where the victims were built");
    }

    /** The command line of a victim. */
    public static List<String> command(String name, Object... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("backstep.victims"), name).toString());
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        return command;
    }

    /** A command line that becomes the victim's, with its standard output in a file. */
    public static List<String> intoFile(Path output, List<String> command) {
        List<String> shell = new ArrayList<>(List.of("sh", "-c", "exec \"$@\" >\"$0\"", output.toString()));
        shell.addAll(command);
        return shell;
    }

    /** Starts a victim and returns when it is that program. */
    public static Victim start(Path output, Path error, List<String> command) {
        List<String> shell = new ArrayList<>(List.of("sh", "-c",
                "out=$1 err=$2; shift 2; \"$@\" >\"$out\" 2>\"$err\" & echo $!; wait $!; echo $?", "sh", output.toString(),
                error.toString()));
        shell.addAll(command);
        Victim victim = elsewhere(() -> new Victim(new ProcessBuilder(shell).redirectError(ProcessBuilder.Redirect.DISCARD).start()));
        Path program = Path.of(command.get(0)).toAbsolutePath().normalize();
        await("process " + victim.pid + " to become " + program, () -> program.equals(programOf(victim.pid)));
        return victim;
    }

    private static Path programOf(int pid) {
        try {
            return Files.readSymbolicLink(Path.of("/proc/" + pid + "/exe"));
        } catch (IOException e) {
            return null;
        }
    }

    /** Starts a target that may still be on its way out of exec. */
    public static void begin(Target target) {
        try {
            target.start();
        } catch (BackstepException e) {
            TargetEvent event = new TargetEvent();
            target.await(System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S), event);
            if (e.reason() != Reason.OVERTAKEN || event.kind() != Kind.REPLACED) {
                throw e;
            }
            target.start();
        }
    }

    /** Runs a program undisturbed and returns its exit status. */
    public static int run(Path output, Path error, List<String> command) {
        return elsewhere(() -> {
            Process process = new ProcessBuilder(command).redirectOutput(output.toFile()).redirectError(error.toFile()).start();
            return exitOf(process);
        });
    }

    private static int exitOf(Process process) throws InterruptedException, TimeoutException {
        if (!process.waitFor(PATIENCE_S, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new TimeoutException("a program did not end within " + PATIENCE_S + " s");
        }
        return process.exitValue();
    }

    private static <T> T elsewhere(Callable<T> work) {
        try {
            return STARTER.submit(work).get(PATIENCE_S, TimeUnit.SECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Waits for something that another process brings about. */
    static void await(String what, BooleanSupplier condition) {
        long deadlineNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - deadlineNs >= 0) {
                throw new IllegalStateException("waited in vain for " + what);
            }
            Thread.yield();
        }
    }

    public int pid() {
        return pid;
    }

    /** Waits for the victim's end and returns its exit status as a shell gives it. */
    public int awaitEnd() {
        return elsewhere(() -> Integer.parseInt(answers.readLine()));
    }

    /** Ends what is left of it. */
    @Override
    public void close() {
        ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
        shell.destroyForcibly();
    }
}
