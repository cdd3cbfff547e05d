// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;

import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * A test's own directory and processes: a directory for control sockets, one for the JVM's temporary files, one to run in. What is
 * left of a test that passed - a process, a socket, a file - fails it.
 */
final class Sandbox implements BeforeEachCallback, AfterEachCallback {
    static final Path LAUNCHER = Path.of(System.getProperty("backstep.launcher"));

    private final List<Launch> launches = new CopyOnWriteArrayList<>();
    private final List<AutoCloseable> resources = new CopyOnWriteArrayList<>();
    private Path root;
    private Path runtime;
    private Path temporary;
    private Path working;
    private boolean socketsMayStay;

    @Override
    public void beforeEach(ExtensionContext context) throws IOException {
        root = Files.createTempDirectory("backstep-it-").toRealPath();
        runtime = Files.createDirectory(root.resolve("run"));
        temporary = Files.createDirectory(root.resolve("tmp"));
        working = Files.createDirectory(root.resolve("cwd"));
        socketsMayStay = false;
    }

    /** Where tests put files. */
    Path file(String name) {
        return root.resolve(name);
    }

    /** Where commands run; nothing may be left there. */
    Path working() {
        return working;
    }

    Path runtime() {
        return runtime;
    }

    Path temporary() {
        return temporary;
    }

    /** A backstep that is killed leaves its socket behind. */
    void letSocketsStay() {
        socketsMayStay = true;
    }

    Invocation backstep(String... arguments) {
        List<String> words = new ArrayList<>(List.of(LAUNCHER.toString()));
        words.addAll(List.of(arguments));
        return new Invocation(this, words);
    }

    /** {@code backstep run OPTION... -- PROGRAM ARGUMENT...} */
    Invocation run(List<String> options, List<String> program) {
        List<String> words = new ArrayList<>(List.of(LAUNCHER.toString(), "run"));
        words.addAll(options);
        words.add("--");
        words.addAll(program);
        return new Invocation(this, words);
    }

    Invocation run(String... program) {
        return run(List.of(), List.of(program));
    }

    /** Any command. */
    Invocation command(String... words) {
        return new Invocation(this, List.of(words));
    }

    void add(Launch launch) {
        launches.add(launch);
    }

    /** Closes something at the end, whatever happens. */
    <T extends AutoCloseable> T closing(T resource) {
        resources.add(resource);
        return resource;
    }

    Path socketOf(int pid) {
        return runtime.resolve("backstep-" + ControlDirectory.effectiveUid()).resolve(pid + ".sock");
    }

    /** Waits until a run protects its program, and gives the program's pid. */
    int awaitTarget(Launch run) {
        return Await.value("a program is protected by " + run, () -> {
            run.requireAlive();
            return Proc.descendants(run.pid()).stream().filter(pid -> Files.exists(socketOf(pid))).findFirst().orElse(null);
        });
    }

    /** Waits until an attached backstep protects a process. */
    void awaitProtected(int pid, Launch attach) {
        Await.until("process " + pid + " is protected by " + attach, () -> {
            attach.requireAlive();
            return Files.exists(socketOf(pid));
        });
    }

    /** Speaks to the backstep that protects a process. */
    Ctl ctl(int pid) {
        return closing(new Ctl(socketOf(pid)));
    }

    @Override
    public void afterEach(ExtensionContext context) throws Exception {
        for (AutoCloseable resource : resources) {
            resource.close();
        }
        boolean passed = context.getExecutionException().isEmpty();
        List<String> left = new ArrayList<>();
        for (Launch launch : launches) {
            left.addAll(launch.end(passed));
        }
        if (!passed) {
            launches.forEach(launch -> System.out.println(launch.describe()));
        }
        left.addAll(filesIn(temporary));
        left.addAll(filesIn(working));
        if (!socketsMayStay) {
            left.addAll(filesIn(runtime));
        }
        delete(root);
        launches.clear();
        resources.clear();
        if (passed && !left.isEmpty()) {
            throw new AssertionError("left behind: " + left);
        }
    }

    private static List<String> filesIn(Path directory) throws IOException {
        try (Stream<Path> paths = Files.walk(directory)) {
            return paths.filter(path -> !Files.isDirectory(path)).map(Path::toString).toList();
        }
    }

    private static void delete(Path directory) throws IOException {
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(directory)) {
            paths = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : paths) {
            Files.delete(path);
        }
    }
}
