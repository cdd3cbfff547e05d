// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** What {@code /proc} tells about processes, as seen by a test. */
final class Proc {
    private Proc() {
    }

    static boolean exists(int pid) {
        return Files.exists(Path.of("/proc/" + pid));
    }

    /** A field of the process's status file, without its name, or null if there is no such process. */
    static String status(int pid, String field) {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/status"))) {
                if (line.startsWith(field + ":")) {
                    return line.substring(field.length() + 1).trim();
                }
            }
        } catch (IOException | UncheckedIOException e) {
            return null;
        }
        return null;
    }

    /** The state's letter: R, S, D, T, t, Z, or X if there is no such process. */
    static char state(int pid) {
        String state = status(pid, "State");
        return state == null ? 'X' : state.charAt(0);
    }

    /** Who traces it, or 0. */
    static int tracerOf(int pid) {
        String tracer = status(pid, "TracerPid");
        return tracer == null ? 0 : Integer.parseInt(tracer);
    }

    /** Its parent, or 0. */
    static int parentOf(int pid) {
        String parent = status(pid, "PPid");
        return parent == null ? 0 : Integer.parseInt(parent);
    }

    /** Processor time that it has used, in the kernel's ticks; -1 if there is no such process. */
    static long cpuTicks(int pid) {
        try {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            String[] afterName = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            return Long.parseLong(afterName[11]) + Long.parseLong(afterName[12]);
        } catch (IOException e) {
            return -1;
        }
    }

    /** Does it get on? Waits until it has used some processor time, or has ended. */
    static boolean runsOn(int pid) {
        long before = cpuTicks(pid);
        return Await.within(Await.LIMIT, () -> {
            long now = cpuTicks(pid);
            return now < 0 || now > before;
        });
    }

    /** The file name of the program that it runs, or "" if it runs none any more. */
    static String program(int pid) {
        try {
            return Files.readSymbolicLink(Path.of("/proc/" + pid + "/exe")).getFileName().toString();
        } catch (IOException e) {
            return "";
        }
    }

    /** Its command line, for people. */
    static String commandLine(int pid) {
        try {
            return Files.readString(Path.of("/proc/" + pid + "/cmdline")).replace('\0', ' ').trim();
        } catch (IOException e) {
            return "?";
        }
    }

    /** Its open descriptors and where they lead. */
    static Map<Integer, String> descriptors(int pid) throws IOException {
        Map<Integer, String> found = new TreeMap<>();
        try (DirectoryStream<Path> links = Files.newDirectoryStream(Path.of("/proc/" + pid + "/fd"))) {
            for (Path link : links) {
                found.put(Integer.parseInt(link.getFileName().toString()), Files.readSymbolicLink(link).toString());
            }
        }
        return found;
    }

    /** All processes that descend from one, without itself. */
    static SortedSet<Integer> descendants(int ancestor) {
        Map<Integer, Integer> parents = new TreeMap<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (Path entry : entries) {
                int pid = Integer.parseInt(entry.getFileName().toString());
                parents.put(pid, parentOf(pid));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        SortedSet<Integer> found = new TreeSet<>();
        for (int pid : parents.keySet()) {
            for (int above = pid; above != 0; above = parents.getOrDefault(above, 0)) {
                if (above == ancestor && pid != ancestor) {
                    found.add(pid);
                }
            }
        }
        return found;
    }

    /** Sends a signal by name, such as INT; to a process group if the number is negative. Says whether anyone got it. */
    static boolean signal(int pid, String signal) {
        try {
            return new ProcessBuilder("sh", "-c", "kill -" + signal + " " + pid)
                    .redirectError(ProcessBuilder.Redirect.DISCARD).start().waitFor() == 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    /** Kills at once: no process is started for it. */
    static void kill(int pid) {
        ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
    }
}
