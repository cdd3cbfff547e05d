// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** What {@code /proc} tells about a process, read when it does not hurry. */
final class ProcFiles {
    private ProcFiles() {
    }

    static Path of(int pid) {
        return Path.of("/proc", Integer.toString(pid));
    }

    /** The command's name as the kernel keeps it, or the pid if it is gone. */
    static String commandName(int pid) {
        try {
            return Files.readString(of(pid).resolve("comm")).trim();
        } catch (IOException e) {
            return Integer.toString(pid);
        }
    }

    /** Refuses, with the reason, what an attach would fail on less clearly. */
    static void refuseUnlessTraceable(int pid) {
        if (pid == ProcessHandle.current().pid()) {
            throw new BackstepException(Reason.UNFIT, "process " + pid + " is backstep itself");
        }
        String status;
        try {
            status = Files.readString(of(pid).resolve("status"));
        } catch (IOException e) {
            throw new BackstepException(Reason.UNFIT, "there is no process " + pid, e);
        }
        if (field(status, "Tgid") != pid) {
            throw new BackstepException(
                    Reason.UNFIT, pid + " is a thread of process " + field(status, "Tgid") + ": give that number");
        }
        if (status.contains("\nState:\tZ")) {
            throw new BackstepException(Reason.UNFIT, "process " + pid + " has already ended");
        }
        if (status.contains("\nKthread:\t1")) {
            throw new BackstepException(Reason.UNFIT, pid + " is a thread of the kernel");
        }
        int tracer = processOf((int) field(status, "TracerPid"));
        if (tracer != 0) {
            throw new BackstepException(Reason.UNFIT,
                    "process " + pid + " is already traced by process " + tracer + " (" + commandName(tracer)
                            + ")");
        }
    }

    /** The process that a thread belongs to, as far as that is to be seen. */
    private static int processOf(int thread) {
        try {
            return thread == 0 ? 0 : (int) field(Files.readString(of(thread).resolve("status")), "Tgid");
        } catch (IOException e) {
            return thread;
        }
    }

    /** The first number of a field of a status file, or 0. */
    private static long field(String status, String name) {
        int start = status.indexOf("\n" + name + ":");
        if (start < 0) {
            return 0;
        }
        int from = start + name.length() + 2;
        while (from < status.length() && Character.isWhitespace(status.charAt(from))) {
            from++;
        }
        int to = from;
        while (to < status.length() && Character.isDigit(status.charAt(to))) {
            to++;
        }
        return from == to ? 0 : Long.parseLong(status.substring(from, to));
    }
}
