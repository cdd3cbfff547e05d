// SPDX-License-Identifier: Apache-2.0
package io.backstep.vm;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import io.backstep.cli.Json;

/**
 * A running QEMU with the guest of {@code make guest}. Every wait has a limit, and ends at once when QEMU does; what fails shows the
 * last lines of whom it waited for. QEMU is no child of this JVM, so that it may be traced from here, and ends with it.
 */
public final class GuestVm implements AutoCloseable {
    /** Far more than anything here takes on a busy machine. */
    public static final Duration LIMIT = Duration.ofSeconds(90);

    /** The file name of the monitor that tests leave to whoever protects the guest. */
    static final String QMP = "qmp.sock";

    // Between this JVM and QEMU: tells QEMU's number, and kills it at the end of standard input.
    private static final String KEEPER = """
            exec 3<&0
            "$@" </dev/null 3<&- &
            qemu=$!
            echo $qemu
            { read -r _ <&3; kill -KILL $qemu; } &
            wait $qemu
            status=$?
            kill $!
            exit $status
            """;

    private final Path directory;
    private final LinePort monitor;
    private final LinePort console;
    private final LinePort control;
    private final LinePort beats;
    private final Process keeper;
    private final long pid;

    GuestVm(GuestSetup setup) {
        try {
            directory = Files.createTempDirectory("backstep-vm-");
            monitor = new LinePort(directory, "monitor");
            console = new LinePort(directory, "console");
            control = new LinePort(directory, "control");
            beats = new LinePort(directory, "beats");
            List<String> words = new ArrayList<>(List.of("sh", "-c", KEEPER, "sh"));
            words.addAll(setup.command(directory, monitor, console, control, beats));
            keeper = new ProcessBuilder(words).redirectError(Redirect.to(errors().toFile())).start();
            pid = Long.parseLong(new BufferedReader(new InputStreamReader(keeper.getInputStream(), StandardCharsets.US_ASCII)).readLine());
        } catch (IOException e) {
            throw new UncheckedIOException("start QEMU", e);
        }
        keeper.onExit().thenRun(() -> ports().forEach(LinePort::refuse));
        try {
            monitor.awaitConnection(LIMIT);
            qmp("{\"execute\": \"qmp_capabilities\"}");
        } catch (AssertionError e) {
            String said = said();
            close();
            throw new AssertionError("QEMU does not start: " + said, e);
        }
    }

    /** A guest as it is unless said otherwise. */
    public static GuestSetup setup() {
        return new GuestSetup();
    }

    private List<LinePort> ports() {
        return List.of(monitor, console, control, beats);
    }

    private Path errors() {
        return directory.resolve("errors");
    }

    private String said() {
        try {
            return Files.readString(errors());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** QEMU's process. */
    public int pid() {
        return (int) pid;
    }

    /** A directory for files of this guest, which ends with it. */
    public Path directory() {
        return directory;
    }

    /** A QMP monitor that nobody uses yet; it serves one client at a time. */
    public Path qmpSocket() {
        return directory.resolve(QMP);
    }

    /** The guest's memory as a file, if it is a shared memfd. */
    public Path memory() {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/" + pid + "/fd"))) {
            for (Path descriptor : descriptors.toList()) {
                if (Files.readSymbolicLink(descriptor).toString().startsWith("/memfd:memory-backend-memfd")) {
                    return descriptor;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        throw new AssertionError("the guest's memory is no memfd");
    }

    /** Waits until the victim is about to start, and gives the guest's own time since its kernel started, in seconds. */
    public double awaitUp() {
        return awaitUp(LIMIT);
    }

    double awaitUp(Duration limit) {
        return Double.parseDouble(awaitLine("guest: up after (\\S+) s", limit).group(1));
    }

    /** The next line on the console that matches as a whole, after all that was waited for before. */
    public MatchResult awaitLine(String regex) {
        return awaitLine(regex, LIMIT);
    }

    /** The same, within a limit. */
    public MatchResult awaitLine(String regex, Duration limit) {
        Pattern pattern = Pattern.compile(regex);
        return console.next("a line '" + regex + "'", limit, line -> {
            Matcher matcher = pattern.matcher(line);
            return matcher.matches() ? matcher.toMatchResult() : null;
        });
    }

    /** All lines that the guest wrote on its console. */
    public List<String> console() {
        return console.lines();
    }

    /** What the victim computed; waits for its end. */
    public String awaitResult() {
        return awaitLine("result (\\S+)").group(1);
    }

    /** Gives the guest one of the commands in {@code src/test/guest/control} and waits for its answer, which must be a good one. */
    public void command(String command) {
        String word = command.split(" ")[0];
        control.skip(); // a rollback may have an earlier answer given again
        control.send(command);
        String answer = control.next("an answer to '" + command + "'", LIMIT, line -> line);
        if (!answer.equals("ok " + word)) {
            throw new AssertionError("'" + command + "' was answered: " + answer);
        }
    }

    /** Waits for the guest's next heartbeat, and gives its number. */
    public long awaitBeat() {
        return awaitBeat(LIMIT);
    }

    /** The same, within a limit. */
    public long awaitBeat(Duration limit) {
        return beats.next("a heartbeat", limit, Long::valueOf);
    }

    /** How many heartbeats came; a rollback may leave one cut. */
    public int beatCount() {
        return beats.lines().size();
    }

    /** All numbers of heartbeats that came. */
    public List<Long> beats() {
        return beats.lines().stream().map(Long::valueOf).toList();
    }

    /** Gives QEMU a command on the tests' own monitor and waits for its answer, which must be a good one. Passes over events. */
    public Json qmp(String command) {
        monitor.send(command);
        Json answer = monitor.next("an answer to " + command, LIMIT, line -> {
            Json json = Json.parse(line);
            return json.has("return") || json.has("error") ? json : null;
        });
        if (answer.has("error")) {
            throw new AssertionError(command + " was answered: " + answer);
        }
        return answer;
    }

    /** Waits for an event of that name, after all that was waited for before on this monitor. */
    public Json awaitEvent(String name) {
        return monitor.next("the event " + name, LIMIT, line -> {
            Json json = Json.parse(line);
            return json.has("event") && json.text("event").equals(name) ? json : null;
        });
    }

    /** Waits until QEMU has ended by itself, and gives its exit status. */
    public int awaitEnd() {
        try {
            if (keeper.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS)) {
                return keeper.exitValue();
            }
            throw new AssertionError("waited in vain for " + LIMIT.toSeconds() + " s for the end of QEMU (" + pid + ")");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    /** Kills QEMU and deletes its directory. */
    @Override
    public void close() {
        try {
            keeper.getOutputStream().close();
            awaitEnd();
            for (LinePort port : ports()) {
                port.close();
            }
            delete();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void delete() throws IOException {
        if (!Files.exists(directory)) {
            return;
        }
        try (Stream<Path> walk = Files.walk(directory)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path); // QEMU removes its socket itself when it gets to it
            }
        }
    }
}
