// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import io.backstep.sys.Facility.State;

/** What the files of {@code /proc} and {@code /sys} tell about this host. A file that is not there is no failure. */
final class HostFiles {
    private static final int FIRST_MAJOR = 6;
    private static final int FIRST_MINOR = 7;
    private static final int CAP_SYS_PTRACE = 19;

    private final Path root;
    private final int processors;

    HostFiles() {
        this(Path.of("/"), Runtime.getRuntime().availableProcessors());
    }

    /** @param root the directory that has proc and sys in it */
    HostFiles(Path root, int processors) {
        this.root = root;
        this.processors = processors;
    }

    List<Facility> facilities() {
        return List.of(systemCallFilter(), attaching(), holding(), memory(), hugePages(), swap(), processors());
    }

    /** The setting's value, or nothing when this kernel has no such setting. */
    String unprivilegedUserfaultfd() {
        return read("proc/sys/vm/unprivileged_userfaultfd").trim();
    }

    Facility kernel() {
        String release = read("proc/sys/kernel/osrelease").trim();
        return new Facility("kernel", isNewEnough(release) ? State.OK : State.LIMITED,
                release.isEmpty() ? "does not tell its version" : "Linux " + release, false,
                "before 6.7 Linux does not track written pages asynchronously, unless its distributor added that",
                "Linux 6.7 or newer; 6.11 for the shortest pauses");
    }

    private static boolean isNewEnough(String release) {
        long major = numberAt(release, 0);
        int dot = release.indexOf('.');
        long minor = dot < 0 ? 0 : numberAt(release, dot + 1);
        return major > FIRST_MAJOR || major == FIRST_MAJOR && minor >= FIRST_MINOR;
    }

    /** A program inherits its starter's filter. */
    private Facility systemCallFilter() {
        boolean filtered = numberAt(field(read("proc/self/status"), "Seccomp:"), 0) != 0;
        return new Facility("no seccomp filter", filtered ? State.MISSING : State.OK,
                filtered ? "backstep has one, and so has every program that it starts" : "none", true,
                "programs with a filter are refused: a system call made in them for tracking could be their death",
                "a container without a seccomp profile, a service without SystemCallFilter");
    }

    private Facility attaching() {
        String text = read("proc/sys/kernel/yama/ptrace_scope").trim();
        long scope = text.isEmpty() ? 0 : numberAt(text, 0);
        boolean capable = hasPtraceCapability();
        String setting = text.isEmpty() ? "no yama" : "kernel.yama.ptrace_scope=" + text;
        State state = scope == 0 || capable && scope < 3 ? State.OK : scope == 1 ? State.LIMITED : State.MISSING;
        String whom = switch (state) {
            case OK -> capable ? ": any process" : ": processes of this user";
            case LIMITED -> ": descendants only";
            case MISSING -> ": no process";
        };
        return new Facility("attaching", state, setting + whom, false,
                "'backstep attach' can take hold of nothing but its own descendants; 'backstep run' does not need it",
                "run backstep as root or with CAP_SYS_PTRACE, or set kernel.yama.ptrace_scope=0 (3 stays till reboot)");
    }

    /** Writes by the kernel itself, in a system call of the target, must be held as well. */
    private Facility holding() {
        boolean isAllowed = unprivilegedUserfaultfd().equals("1");
        boolean capable = hasPtraceCapability();
        return new Facility("holding writes", isAllowed || capable ? State.OK : State.LIMITED,
                isAllowed ? "of any program" : capable ? "of programs with CAP_SYS_PTRACE, as root's have" : "not allowed",
                false, "--capture cow is refused for programs without that capability; --capture copy needs nothing of it",
                "vm.unprivileged_userfaultfd=1, or a program run as root");
    }

    private boolean hasPtraceCapability() {
        String effective = field(read("proc/self/status"), "CapEff:");
        try {
            return !effective.isEmpty() && (Long.parseUnsignedLong(effective, 16) >>> CAP_SYS_PTRACE & 1) == 1;
        } catch (NumberFormatException e) {
            return false;
        }
    }

    private Facility memory() {
        MemoryRoom room = new MemoryRoom(root);
        return new Facility("memory", room.isScarce() ? State.LIMITED : State.OK, room.toString(), false,
                "checkpoints mirror a program's memory; without room for that, protection stops and it runs on",
                "free memory, raise the control group's limit, or protect smaller programs");
    }

    private Facility hugePages() {
        String setting = read("sys/kernel/mm/transparent_hugepage/enabled");
        int from = setting.indexOf('[');
        int to = setting.indexOf(']');
        String chosen = from < 0 || to < from ? "none" : setting.substring(from + 1, to);
        return new Facility("transparent huge pages", chosen.equals("always") ? State.LIMITED : State.OK, chosen, false,
                "tracking splits huge pages that are written now and then: a program that gains from them is slower",
                "none is needed; /sys/kernel/mm/transparent_hugepage/enabled may say madvise: for who asks only");
    }

    private Facility swap() {
        long sizeKib = 0;
        long usedKib = 0;
        String[] lines = read("proc/swaps").split("\n");
        for (int i = 1; i < lines.length; i++) {
            List<String> words = words(lines[i]);
            if (words.size() >= 4) {
                sizeKib += numberAt(words.get(2), 0);
                usedKib += numberAt(words.get(3), 0);
            }
        }
        String detail = sizeKib == 0 ? "none" : MemoryRoom.text(sizeKib) + ", " + MemoryRoom.text(usedKib) + " used";
        return new Facility("swap", usedKib == 0 ? State.OK : State.LIMITED, detail, false,
                "pages in swap are read back in the pause",
                "enough memory, or swapoff");
    }

    private Facility processors() {
        State state = processors > 1 ? State.OK : State.LIMITED;
        return new Facility("processors", state, Integer.toString(processors), false,
                "backstep's work between two captures competes with the program for the one processor",
                "a second processor");
    }

    private String read(String name) {
        return read(root.resolve(name));
    }

    /** The content, or nothing. */
    static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return "";
        }
    }

    /** The first word after a field's name at the start of a line, or nothing. */
    static String field(String text, String name) {
        for (String line : text.split("\n")) {
            if (line.startsWith(name)) {
                List<String> words = words(line.substring(name.length()));
                return words.isEmpty() ? "" : words.get(0);
            }
        }
        return "";
    }

    /** The digits at an index as a number, 0 without any. */
    static long numberAt(String text, int from) {
        int to = from;
        while (to < text.length() && to - from < 18 && Character.isDigit(text.charAt(to))) {
            to++;
        }
        return to == from ? 0 : Long.parseLong(text, from, to, 10);
    }

    private static List<String> words(String line) {
        List<String> words = new ArrayList<>();
        for (String word : line.replace('\t', ' ').split(" ")) {
            if (!word.isEmpty()) {
                words.add(word);
            }
        }
        return words;
    }
}
