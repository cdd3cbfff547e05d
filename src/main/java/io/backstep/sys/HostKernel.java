// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.util.ArrayList;
import java.util.List;

import io.backstep.core.BackstepException;
import io.backstep.sys.Facility.State;

/** What the kernel lets this user do, as the native library found out by doing it. */
final class HostKernel {
    private static final String CONTAINER = "in a container, a seccomp profile that allows it and CAP_SYS_PTRACE";

    private final HostWords words;
    private final String unprivilegedUserfaultfd;

    HostKernel(HostWords words, String unprivilegedUserfaultfd) {
        this.words = words;
        this.unprivilegedUserfaultfd = unprivilegedUserfaultfd;
    }

    /** Tries everything. Without the native library that is all there is to tell. */
    static List<Facility> probe(String unprivilegedUserfaultfd) {
        List<Facility> found = new ArrayList<>();
        found.add(architecture(System.getProperty("os.arch")));
        try (HostWords words = new HostWords()) {
            Codes.check(LibBackstep.bs_host_probe(words.address()));
            found.add(library(State.OK, "ABI " + LibBackstep.bs_abi_version()));
            found.addAll(new HostKernel(words, unprivilegedUserfaultfd).facilities());
        } catch (BackstepException | LinkageError e) {
            found.add(library(State.MISSING, firstLine(rootOf(e).getMessage())));
        }
        return found;
    }

    static Facility architecture(String name) {
        boolean known = name.equals("amd64") || name.equals("x86_64");
        return new Facility("x86-64", known ? State.OK : State.MISSING, name, true,
                "nothing can be protected: registers are saved and set for this architecture only",
                "an x86-64 host and JVM");
    }

    private static Facility library(State state, String detail) {
        return new Facility("native library", state, detail, true,
                "nothing can be protected, and what the kernel offers cannot be tried",
                "use the library that was built with this backstep.jar");
    }

    List<Facility> facilities() {
        return List.of(userfaultfd(), writeProtect(), pagemapScan(), procmapQuery(),
                ptrace(), processVm(), pidfdGetfd(), kcmp(), realTime());
    }

    private Facility userfaultfd() {
        long call = words.word(HostWords.UFFD_SYSCALL);
        boolean device = words.word(HostWords.UFFD_DEVICE) == 0;
        String setting = unprivilegedUserfaultfd.isEmpty() ? ""
                : ", vm.unprivileged_userfaultfd=" + unprivilegedUserfaultfd;
        String detail = call == 0
                ? "system call" + (device ? " and device" : "") + setting
                : "system call: " + Errno.name(call) + (device ? "; the device works, but will not do" : "") + setting;
        return new Facility("userfaultfd", stateOf(call), detail, true,
                "the pages that a program writes cannot be tracked",
                "a kernel with CONFIG_USERFAULTFD; before Linux 5.11, vm.unprivileged_userfaultfd=1; " + CONTAINER);
    }

    private Facility writeProtect() {
        boolean tried = words.word(HostWords.UFFD_SYSCALL) == 0 || words.word(HostWords.UFFD_DEVICE) == 0;
        long word = words.word(HostWords.WP_ASYNC);
        return new Facility("asynchronous write-protect", stateOf(word),
                tried ? detail(word, "tracks private memory") : "cannot be tried without userfaultfd", true,
                "the pages that a program writes cannot be tracked without stopping it at each of them",
                "Linux 6.7 or newer with CONFIG_PTE_MARKER_UFFD_WP");
    }

    private Facility pagemapScan() {
        boolean tried = words.word(HostWords.WP_ASYNC) == 0;
        long word = words.word(HostWords.PAGEMAP_SCAN);
        return new Facility("PAGEMAP_SCAN", stateOf(word),
                tried ? detail(word, "lists and re-protects") : "cannot be tried without asynchronous write-protect",
                true, "the pages that a program wrote cannot be listed",
                "Linux 6.7 or newer with CONFIG_PROC_PAGE_MONITOR");
    }

    private Facility procmapQuery() {
        long word = words.word(HostWords.PROCMAP_QUERY);
        return new Facility("PROCMAP_QUERY", word == 0 ? State.OK : State.LIMITED, detail(word, "works"), false,
                "mappings are read from text in the pause: about 0.1 ms for 10 of them, over 1 ms for 200",
                "Linux 6.11 or newer");
    }

    private Facility ptrace() {
        long word = words.word(HostWords.PTRACE);
        return new Facility("ptrace of own children", stateOf(word), detail(word, "works"), true,
                "a program can be neither stopped nor given its registers back",
                CONTAINER + "; kernel.yama.ptrace_scope at 0 or 1");
    }

    private Facility processVm() {
        long word = words.word(HostWords.PROCESS_VM);
        State state = word == Errno.EPERM ? State.LIMITED : stateOf(word);
        return new Facility("process_vm_readv", state, detail(word, "reads and writes"), true,
                state == State.LIMITED
                        ? "pages are copied one by one through /proc/PID/mem: longer pauses"
                        : "the pages of a program cannot be copied",
                "a kernel with CONFIG_CROSS_MEMORY_ATTACH; " + CONTAINER);
    }

    private Facility pidfdGetfd() {
        long word = words.word(HostWords.PIDFD_GETFD);
        return new Facility("pidfd_getfd", stateOf(word), detail(word, "works"), true,
                "what tracks a program's pages cannot be fetched from it",
                "Linux 5.6 or newer; " + CONTAINER);
    }

    private Facility kcmp() {
        long word = words.word(HostWords.KCMP);
        return new Facility("kcmp", word == 0 ? State.OK : State.LIMITED, detail(word, "works"), false,
                "descriptors are fetched anew at each capture, and a rollback opens them anew: longer pauses",
                "a kernel with CONFIG_KCMP; " + CONTAINER);
    }

    private Facility realTime() {
        long word = words.word(HostWords.REAL_TIME);
        return new Facility("real-time priority", word == 0 ? State.OK : State.LIMITED, detail(word, "works"), false,
                "one pause in a hundred takes milliseconds longer: another thread gets the processor of the one that captures",
                "CAP_SYS_NICE, or a limit of at least 1 (ulimit -r 1, LimitRTPRIO=1)");
    }

    private static State stateOf(long word) {
        return word == 0 ? State.OK : State.MISSING;
    }

    private static String detail(long word, String whenOk) {
        return word == 0 ? whenOk : Errno.name(word);
    }

    private static Throwable rootOf(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root;
    }

    private static String firstLine(String text) {
        String line = text == null ? "" : text.lines().findFirst().orElse("");
        return line.endsWith(":") ? line.substring(0, line.length() - 1) : line;
    }
}
