// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * What a process uses that a rollback does not restore, one sentence each. Looked up while it runs, so a use of a
 * moment can be missed.
 */
final class ProcessUse {
    private static final int ACCESS_MODE = 3;
    private static final int APPEND = 02000;

    private final Path proc;
    private final boolean outputHeld;
    private final Set<String> found = new LinkedHashSet<>();

    private ProcessUse(int pid, boolean outputHeld) {
        proc = ProcFiles.of(pid);
        this.outputHeld = outputHeld;
    }

    static Set<String> of(int pid, boolean outputHeld) {
        ProcessUse use = new ProcessUse(pid, outputHeld);
        try {
            use.lookAtDescriptors();
            use.lookAtMappings();
            use.lookAtChildren();
        } catch (IOException | UncheckedIOException e) {
            return use.found; // it ends, or closes things while we look: what was found so far is true
        }
        return use.found;
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
