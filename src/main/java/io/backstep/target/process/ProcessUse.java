// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/**
 * What a process uses that a rollback does not restore, one sentence each. Looked up while it runs, so a use of a
 * moment can be missed. What every program sets when it starts counts only if it changes later.
 */
final class ProcessUse {
    private static final int ACCESS_MODE = 3;
    private static final int APPEND = 02000;
    private static final int PROBABLY_SET_UP = 2;

    private final Path proc;
    private final boolean outputHeld;
    private final Map<String, String> settings = new HashMap<>();
    private Set<String> found = Set.of();
    private int looks;

    /** @param proc the process's directory in /proc */
    ProcessUse(Path proc, boolean outputHeld) {
        this.proc = proc;
        this.outputHeld = outputHeld;
    }

    /** What is used now. */
    Set<String> look() {
        found = new LinkedHashSet<>();
        looks++;
        try {
            lookAtDescriptors();
            lookAtMappings();
            lookAtTimers();
            lookAtSettings();
            lookAtChildren();
        } catch (IOException | UncheckedIOException e) {
            return found; // it ends, or closes things while we look: what was found so far is true
        }
        return found;
    }

    private void lookAtDescriptors() throws IOException {
        try (DirectoryStream<Path> links = Files.newDirectoryStream(proc.resolve("fd"))) {
            for (Path link : links) {
                lookAtDescriptor(
                        Integer.parseInt(link.getFileName().toString()), Files.readSymbolicLink(link).toString(), link);
            }
        }
    }

    private void lookAtDescriptor(int fd, String leadsTo, Path link) throws IOException {
        if (leadsTo.startsWith("socket:")) {
            found.add("sockets (descriptor " + fd + "): what was sent and received stays so");
        } else if (leadsTo.startsWith("pipe:") && !(outputHeld && fd > 0 && fd <= 2)) {
            found.add(fd == 0 ? "standard input is a pipe: what was read from it is not given again"
                    : "pipes (descriptor " + fd + "): what was written and read stays so");
        } else if (leadsTo.startsWith("anon_inode:")) {
            found.add(leadsTo.substring("anon_inode:".length()).replaceAll("[\\[\\]]", "") + " (descriptor " + fd
                    + "): its state in the kernel is not restored");
        } else if (leadsTo.startsWith("/dev/pts/") || leadsTo.startsWith("/dev/tty")) {
            found.add(fd == 0 ? "standard input is a terminal: what was typed is not given again"
                    : "descriptor " + fd + " is a terminal: what was written to it stays there");
        } else if (leadsTo.startsWith("/") && Files.isRegularFile(link)) {
            lookAtFile(fd, leadsTo, link);
        }
    }

    private void lookAtFile(int fd, String path, Path link) throws IOException {
        long position = 0;
        int flags = 0;
        for (String line : Files.readAllLines(proc.resolve("fdinfo").resolve(Integer.toString(fd)))) {
            if (line.startsWith("pos:")) {
                position = Long.parseLong(line.substring(4).trim());
            } else if (line.startsWith("flags:")) {
                flags = Integer.parseInt(line.substring(6).trim(), 8);
            } else if (line.startsWith("lock:")) {
                found.add("file locks (" + path + "): they stay as they are");
            }
        }
        if ((flags & ACCESS_MODE) != 0 && (flags & APPEND) == 0 && position < Files.size(link)) {
            found.add("file " + path + " (descriptor " + fd + "): bytes overwritten in place are not put back");
        }
    }

    private void lookAtMappings() throws IOException {
        for (String line : Files.readAllLines(proc.resolve("maps"))) {
            int space = line.indexOf(' ');
            if (line.charAt(space + 2) == 'w' && line.charAt(space + 4) == 's') {
                int path = line.indexOf('/');
                found.add("shared memory" + (path < 0 ? "" : " (" + line.substring(path) + ")")
                        + ": its content is not restored");
            }
        }
    }

    private void lookAtTimers() throws IOException {
        Path timers = proc.resolve("timers");
        if (Files.exists(timers) && !Files.readString(timers).isBlank()) {
            found.add("timers (timer_create): they run on");
        }
    }

    private void lookAtSettings() throws IOException {
        String status = Files.readString(proc.resolve("status"));
        lookAtSetting("signal handlers", line(status, "SigCgt:") + line(status, "SigIgn:"));
        lookAtSetting("umask", line(status, "Umask:"));
        lookAtSetting("user and group", line(status, "Uid:") + line(status, "Gid:"));
        lookAtSetting("working directory", Files.readSymbolicLink(proc.resolve("cwd")).toString());
    }

    private void lookAtSetting(String name, String value) {
        String before = settings.put(name, value);
        if (looks > PROBABLY_SET_UP && before != null && !before.equals(value)) {
            found.add("a change of " + name);
        }
    }

    private static String line(String text, String name) {
        return text.lines().filter(line -> line.startsWith(name)).findFirst().orElse("");
    }

    private void lookAtChildren() throws IOException {
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(proc.resolve("task"))) {
            for (Path task : tasks) {
                if (!Files.readString(task.resolve("children")).isBlank()) {
                    found.add("child processes: they are neither protected nor rolled back");
                }
            }
        }
    }
}
