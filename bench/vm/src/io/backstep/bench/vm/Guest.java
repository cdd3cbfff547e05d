// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A running QEMU with the tests' guest, whose console obeys commands. Closing kills it. For one thread. */
final class Guest implements AutoCloseable {
    static final String CONSOLE = "console.sock";
    static final String MONITOR = "monitor.sock";
    static final String BACKSTEPS_MONITOR = "qmp.sock";

    static final String DISK = "disk.sock";

    /** The name of a {@link #job}. */
    static final String JOB = "job";

    private static final Pattern STAMP = Pattern.compile("\"seconds\": (\\d+), \"microseconds\": (\\d+)");
    private static final Pattern EVENT = Pattern.compile("\"event\": \"(\\w+)\"");

    /**
     * Something that QEMU told.
     *
     * @param atUs by QEMU's clock
     */
    record Event(String name, long atUs) {
    }

    private final String name;
    private final Path directory;
    private final List<AutoCloseable> parts = new ArrayList<>();
    private final Deque<Event> events = new ArrayDeque<>();
    private final KeptProcess qemu;
    private final Lines console;
    private final Lines monitor;

    /** Starts it. */
    Guest(Bed bed, Machine machine) throws IOException {
        name = machine.name();
        directory = Files.createTempDirectory(bed.memory(), "backstep-bench-");
        try {
            Files.copy(bed.images().resolve("disk.img"), directory.resolve("disk.img"));
            KeptProcess disk = kept(new KeptProcess(List.of("sh", "-c", "exec \"$@\"", "sh",
                    bed.home().resolve("backstep").toString(), "disk", "--format", "raw", "--socket",
                    directory.resolve(DISK).toString(), directory.resolve("disk.img").toString()),
                    directory.resolve("disk-errors")));
            await(disk, directory.resolve(DISK), "disk-errors");
            console = kept(Lines.listen(directory.resolve(CONSOLE)));
            qemu = kept(new KeptProcess(machine.command(bed.qemu(), bed.images(), directory), directory.resolve("errors")));
            await(qemu, directory.resolve(BACKSTEPS_MONITOR), "errors"); // the last one that QEMU makes
            monitor = kept(Lines.connect(directory.resolve(MONITOR)));
            monitor.next("a greeting", line -> line.text().contains("\"QMP\"") ? line : null);
            qmp("{\"execute\": \"qmp_capabilities\"}");
        } catch (IOException | RuntimeException e) {
            end();
            throw new IllegalStateException("start " + machine.name(), e);
        }
    }

    private <T extends AutoCloseable> T kept(T part) {
        parts.add(part);
        return part;
    }

    private void await(KeptProcess process, Path socket, String errors) throws IOException {
        while (!Files.exists(socket)) {
            if (!process.isAlive()) {
                throw new IOException("it ended: " + Files.readString(directory.resolve(errors)));
            }
            Bed.sleepMs(5);
        }
    }

    /** Waits until it obeys commands. */
    Guest awaitUp() {
        console.next("a word of " + name + " that it is up", line -> line.text().contains("guest: up") ? line : null);
        return this;
    }

    long pid() {
        return qemu.pid();
    }

    /** A monitor that nobody uses yet. */
    Path socket() {
        return directory.resolve(BACKSTEPS_MONITOR);
    }

    /** Kills what the guest was running, and runs this. */
    void load(String victim) {
        command("quit");
        command("run " + victim);
    }

    /** Gives the guest a command and waits until it says that it obeyed. */
    void command(String command) {
        String answer = "ok " + command.split(" ")[0];
        console.send(command);
        console.next("an answer to " + command, line -> line.text().equals(answer) ? line : null);
    }

    /** Gives the guest a command, and does not wait. */
    void say(String command) {
        console.send(command);
    }

    /** Runs a program to its end; returns how long that took, in ns of the host. */
    long run(String victim) {
        long beganNs = System.nanoTime();
        console.send("run " + victim);
        return console.next("the result of " + victim,
                line -> line.text().startsWith("result ") ? line.atNs() - beganNs : null);
    }

    /** Has QEMU do a command. Returns the answer's line. */
    String qmp(String command) {
        monitor.send(command);
        String answer = monitor.next("an answer to " + command, line -> keep(line) ? null : line.text());
        if (answer.startsWith("{\"error\"")) {
            throw new IllegalStateException(command + ": " + answer);
        }
        return answer;
    }

    private boolean keep(Lines.Line line) {
        Event event = event(line.text());
        if (event != null) {
            events.addLast(event);
        }
        return event != null;
    }

    /** The events that QEMU told of until now, and of which nobody was told yet. */
    List<Event> events() {
        qmp("{\"execute\": \"query-name\"}"); // what happened before is told before the answer
        List<Event> all = List.copyOf(events);
        events.clear();
        return all;
    }

    /** Waits for an event of this name; others are passed over. */
    Event awaitEvent(String name) {
        while (true) {
            while (!events.isEmpty()) {
                Event event = events.removeFirst();
                if (event.name.equals(name)) {
                    return event;
                }
            }
            monitor.next("the event " + name, line -> keep(line) ? line : null);
        }
    }

    private static Event event(String line) {
        Matcher name = EVENT.matcher(line);
        Matcher stamp = STAMP.matcher(line);
        return name.find() && stamp.find()
                ? new Event(name.group(1), Long.parseLong(stamp.group(1)) * 1_000_000 + Long.parseLong(stamp.group(2)))
                : null;
    }

    /** Has QEMU do a job with internal snapshots to its good end. */
    void job(String command) {
        qmp(command);
        String jobs;
        while (!(jobs = qmp("{\"execute\": \"query-jobs\"}")).contains("\"concluded\"")) {
            Bed.sleepMs(1);
        }
        qmp("{\"execute\": \"job-dismiss\", \"arguments\": {\"id\": \"" + JOB + "\"}}");
        if (jobs.contains("\"error\"")) {
            throw new IllegalStateException(jobs);
        }
    }

    /** Waits until what comes in has come. */
    void awaitRunning() {
        while (!qmp("{\"execute\": \"query-status\"}").contains("\"running\": true")) {
            Bed.sleepMs(1);
        }
    }

    /** It does not use a processor any more. */
    void stop() {
        qmp("{\"execute\": \"stop\"}");
    }

    void goOn() {
        qmp("{\"execute\": \"cont\"}");
    }

    /** How many block nodes QEMU has. */
    int blockNodes() {
        return qmp("{\"execute\": \"query-named-block-nodes\"}").split("\"node-name\"", -1).length - 1;
    }

    @Override
    public void close() {
        end();
    }

    private void end() {
        try {
            for (int i = parts.size() - 1; i >= 0; i--) {
                parts.get(i).close();
            }
            try (Stream<Path> files = Files.walk(directory)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        } catch (Exception e) {
            throw new IllegalStateException("end a guest", e);
        }
    }

    static void closeAll(List<Guest> guests) {
        guests.forEach(Guest::close);
    }
}
