// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

import io.backstep.sys.Facility.State;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HostFilesTest {
    private static final String MEMINFO =
            "MemTotal:       24684092 kB\nMemFree:        1 kB\nMemAvailable:   23837240 kB\n";
    private static final String NO_CAPABILITY = "Name:\tjava\nCapEff:\t0000000000000000\n";
    private static final String CAP_SYS_PTRACE = "Name:\tjava\nCapEff:\t0000000000080000\n";

    @TempDir
    private Path root;

    @Test
    void shouldNotFailOnAHostThatTellsNothing() {
        expect("kernel", State.LIMITED, "does not tell its version");
        expect("no seccomp filter", State.OK, "none");
        expect("attaching", State.OK, "no yama: processes of this user");
        expect("memory", State.OK, "unknown");
        expect("transparent huge pages", State.OK, "none");
        expect("swap", State.OK, "none");
        assertEquals("", files(2).unprivilegedUserfaultfd());
    }

    @ParameterizedTest
    @CsvSource({"6.18.44-fc, OK", "6.7.0, OK", "7.0-rc1, OK",
        "6.6.99, LIMITED", "5.14.0-427.el9, LIMITED", "6, LIMITED"})
    void shouldJudgeTheKernelByItsVersion(String release, State state) throws IOException {
        write("proc/sys/kernel/osrelease", release + "\n");

        expect("kernel", state, "Linux " + release);
    }

    @ParameterizedTest
    @CsvSource({
        "0, false, OK, kernel.yama.ptrace_scope=0: processes of this user",
        "0, true, OK, kernel.yama.ptrace_scope=0: any process",
        "1, false, LIMITED, kernel.yama.ptrace_scope=1: descendants only",
        "1, true, OK, kernel.yama.ptrace_scope=1: any process",
        "2, false, MISSING, kernel.yama.ptrace_scope=2: no process",
        "2, true, OK, kernel.yama.ptrace_scope=2: any process",
        "3, true, MISSING, kernel.yama.ptrace_scope=3: no process"
    })
    void shouldSayWhomItMayAttachTo(String scope, boolean capable, State state, String detail) throws IOException {
        write("proc/sys/kernel/yama/ptrace_scope", scope + "\n");
        write("proc/self/status", capable ? CAP_SYS_PTRACE : NO_CAPABILITY);

        expect("attaching", state, detail);
    }

    @Test
    void shouldMissTheFreedomFromASeccompFilter() throws IOException {
        write("proc/self/status", NO_CAPABILITY + "Seccomp:\t2\nSeccomp_filters:\t1\n");

        expect("no seccomp filter", State.MISSING, "backstep has one, and so has every program that it starts");
    }

    @Test
    void shouldReadMemory() throws IOException {
        write("proc/meminfo", MEMINFO);

        expect("memory", State.OK, "22.7 GiB of 23.5 GiB available");
    }

    @Test
    void shouldFindTheTightestLimitOfItsControlGroups() throws IOException {
        write("proc/meminfo", MEMINFO);
        write("proc/self/cgroup", "0::/user.slice/job\n");
        write("sys/fs/cgroup/user.slice/memory.max", "1073741824\n");
        write("sys/fs/cgroup/user.slice/memory.current", "966367642\n");
        write("sys/fs/cgroup/user.slice/memory.stat", "anon 1\ninactive_file 1048576\n");
        write("sys/fs/cgroup/user.slice/job/memory.max", "max\n");
        write("sys/fs/cgroup/user.slice/job/memory.current", "1\n");

        expect("memory", State.LIMITED, "22.7 GiB of 23.5 GiB available, 920 MiB of the control group's 1.0 GiB used");
    }

    @Test
    void shouldFindTheLimitOfAnOldControlGroupInAContainer() throws IOException {
        write("proc/meminfo", MEMINFO);
        write("proc/self/cgroup", "3:cpuset:/\n4:memory,hugetlb:/docker/4711\n0::/\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "4294967296\n");
        write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");

        expect("memory", State.OK, "22.7 GiB of 23.5 GiB available, 1 MiB of the control group's 4.0 GiB used");
    }

    @Test
    void shouldNotTakeAnEndlessLimitForOne() throws IOException {
        write("proc/meminfo", MEMINFO);
        write("proc/self/cgroup", "4:memory:/\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");

        expect("memory", State.OK, "22.7 GiB of 23.5 GiB available");
    }

    @ParameterizedTest
    @CsvSource({"[always] madvise never, LIMITED, always", "always [madvise] never, OK, madvise"})
    void shouldReadTheChosenHugePageSetting(String setting, State state, String chosen) throws IOException {
        write("sys/kernel/mm/transparent_hugepage/enabled", setting + "\n");

        expect("transparent huge pages", state, chosen);
    }

    @Test
    void shouldAddUpSwap() throws IOException {
        write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
                + "/dev/sda2   partition\t2097152\t\t1024\t-2\n/swapfile file 2097152 1024 -3\n");

        expect("swap", State.LIMITED, "4.0 GiB, 2 MiB used");
    }

    @Test
    void shouldSayWhenThereIsOneProcessor() {
        Facility one = files(1).facilities().stream()
                .filter(facility -> facility.name().equals("processors")).findFirst().orElseThrow();

        assertEquals(State.LIMITED, one.state());
    }

    @ParameterizedTest
    @CsvSource({
        "0, false, LIMITED, not allowed",
        "1, false, OK, of any program",
        "0, true, OK, 'of programs with CAP_SYS_PTRACE, as root''s have'"
    })
    void shouldTellWhoseWritesCanBeHeld(String setting, boolean capable, State state, String detail) throws IOException {
        write("proc/sys/vm/unprivileged_userfaultfd", setting + "\n");
        write("proc/self/status", capable ? CAP_SYS_PTRACE : NO_CAPABILITY);

        expect("holding writes", state, detail);
    }

    private HostFiles files(int processors) {
        return new HostFiles(root, processors);
    }

    private void expect(String name, State state, String detail) {
        Facility found = Stream.concat(Stream.of(files(2).kernel()), files(2).facilities().stream())
                .filter(facility -> facility.name().equals(name)).findFirst().orElseThrow();
        assertEquals(detail, found.detail());
        assertEquals(state, found.state());
    }

    private void write(String name, String content) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, content);
    }
}
