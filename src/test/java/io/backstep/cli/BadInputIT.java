// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What cannot be done is refused: one line on standard error, a documented status, and nothing is started or harmed. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
class BadInputIT {
    private static final String NOBODY = "65534";

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    private String refused(int status, Invocation invocation) {
        return refused(status, invocation.toEnd());
    }

    private static String refused(int status, Launch launch) {
        assertEquals(status, launch.status(), launch.describe());
        assertEquals("", launch.out(), launch.describe());
        return onlyLineOf(launch);
    }

    private static String onlyLineOf(Launch launch) {
        String err = launch.err();
        assertTrue(err.startsWith("backstep: ") && err.indexOf('\n') == err.length() - 1, launch.describe());
        assertFalse(err.contains("Exception") || err.contains("please report"), launch.describe());
        return err;
    }

    private String refused(int status, String... arguments) {
        return refused(status, sandbox.backstep(arguments));
    }

    private static void assertSays(String expected, String line) {
        assertTrue(line.contains(expected), line);
    }

    /* ---- usage ---- */

    @ParameterizedTest
    @ValueSource(strings = {"", "jump", "--jump", "run", "run --", "run --jump -- true", "run true --jump", "attach", "attach --jump 1",
        "attach 1 2", "ctl", "ctl 1", "ctl 1 jump", "ctl x status", "ctl 0 status", "ctl 1 status --to 3", "ctl 1 rollback --to -1",
        "ctl 1 rollback --to x", "check --jump", "run --interval", "run --output keep -- true", "retain",
        "retain --error-latency", "retain --jump", "retain --error-latency soon",
        "retain --error-latency exp:mean=1ms --json --csv", "retain --error-latency exp:mean=1ms x", "disk", "disk image",
        "disk --socket s", "disk --socket s image --jump", "disk --socket s --format vmdk image"})
    void shouldRefuseBadCommandLine(String line) {
        String told = refused(ExitStatus.USAGE, line.isEmpty() ? new String[0] : line.split(" "));
        assertSays("--help", told);
    }

    @ParameterizedTest
    @ValueSource(strings = {"--interval 0", "--interval 0ms", "--interval -50ms", "--interval 50", "--interval fast", "--interval 1us", "--interval auto", "--interval auto:99%", "--learn --keep 3",
        "--interval 99999999999h", "--interval NaNms", "--keep 0", "--keep -1", "--keep 99999999999", "--keep many", "--keep 0s",
        "--error-latency 20ms", "--error-latency exp:mean=0s", "--error-latency hist:/no/such/file", "--coverage 0.9", "--coverage much",
        "--memory-budget 0",
        "--memory-budget -1", "--memory-budget much", "--memory-budget 99999999999T", "--duration 0s", "--duration 0", "--duration -1s",
        "--duration long", "--capture none", "--capture COPY", "--predict all", "--log loud", "--catch BOOM", "--catch 99", "--catch SEGV,BOOM"})
    void shouldRefuseBadValueAndNameTheOption(String options) {
        String option = options.substring(2, options.indexOf(' '));
        String value = options.substring(options.indexOf(' ') + 1);
        Path made = sandbox.file("made");

        String told = refused(ExitStatus.USAGE, ("run " + options + " -- touch " + made).split(" "));

        assertTrue(told.contains(option.replace('-', ' ')) || told.contains(option) || told.contains(value.replace("SEGV,", "")), told);
        assertFalse(Files.exists(made));
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "register", "register@", "register@soon", "register@-1s", "register@3s..1s", "register:nope@1s", "register:@1s",
        "memory:nope@1s", "memory@1s,bits=0", "memory@1s,bits=65", "memory@1s,seed=x", "memory@1s,bits=1,bits=2", "disk@1s",
        "register@1s,", "register@99999999999h"})
    void shouldRefuseFaultThatCannotBe(String spec) {
        Path made = sandbox.file("made");

        String told = refused(ExitStatus.USAGE, "run", "--inject", spec, "--", "touch", made.toString());

        assertSays(spec.contains(":nope") ? "nope" : spec, told);
        assertFalse(Files.exists(made));
    }

    /** Much is no mistake: it protects as long as there is memory. */
    @ParameterizedTest
    @ValueSource(strings = {"--keep 2147483647", "--memory-budget 1", "--memory-budget 8000000T", "--interval 2000000h", "--duration 2000000h"})
    void shouldTakeHugeAndTinyValuesThatMakeSense(String options) {
        Launch launch = sandbox.backstep(("run " + options + " -- echo well").split(" ")).toEnd();

        assertEquals(0, launch.status(), launch.describe());
        assertEquals("well\n", launch.out());
    }

    /* ---- programs ---- */

    @Test
    void shouldSayThatProgramDoesNotExist() {
        assertSays("no-such-program", refused(ExitStatus.CANNOT_START, "run", "--", "no-such-program"));
        assertSays("./no-such-program", refused(ExitStatus.CANNOT_START, "run", "--", "./no-such-program"));
        assertSays("''", refused(ExitStatus.CANNOT_START, "run", "--", ""));
        refused(ExitStatus.CANNOT_START, "run", "--", "two\nlines");
    }

    @Test
    void shouldSayThatProgramCannotBeExecuted() throws IOException {
        Path file = Files.writeString(sandbox.file("script"), "#!/bin/sh\necho started\n");

        assertSays("EACCES", refused(ExitStatus.CANNOT_START, "run", "--", file.toString()));
        assertSays("EACCES", refused(ExitStatus.CANNOT_START, "run", "--", sandbox.file(".").toString()));
    }

    @Test
    void shouldSayThatFileIsNoProgram() throws IOException {
        Path text = executable("text", "echo started\n".getBytes());
        Path lost = executable("lost", "#!/no/such/interpreter\n".getBytes());
        Path cut = executable("cut", new byte[] {0x7f, 'E', 'L', 'F', 2, 1, 1});

        assertSays("ENOEXEC", refused(ExitStatus.CANNOT_START, "run", "--", text.toString()));
        assertSays("ENOENT", refused(ExitStatus.CANNOT_START, "run", "--", lost.toString()));
        assertSays("ENOEXEC", refused(ExitStatus.CANNOT_START, "run", "--", cut.toString()));
    }

    @Test
    void shouldRefuse32BitProgram() throws IOException {
        Path program = executable("program32", Elf32.exitingWith(7));
        assume32Bit(program);

        assertSays("64-bit", refused(ExitStatus.CANNOT_START, "run", "--", program.toString()));
    }

    @Test
    void shouldLetProgramGoOnWhenItTurnsInto32BitOne() throws IOException {
        Path program = executable("program32", Elf32.exitingWith(7));
        assume32Bit(program);

        Launch launch = sandbox.run("sh", "-c", "echo before; exec " + program).toEnd();

        assertEquals(7, launch.status(), launch.describe());
        assertEquals("before\n", launch.out());
        assertTrue(launch.err().contains("protection has stopped"), launch.describe());
    }

    private Path executable(String name, byte[] content) throws IOException {
        Path path = Files.write(sandbox.file(name), content);
        return Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private void assume32Bit(Path program) {
        assumeTrue(sandbox.command(program.toString()).toEnd().status() == 7, "this kernel runs no 32-bit programs");
    }

    /* ---- processes ---- */

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "x", "", "1.5", "99999999999", "1e3"})
    void shouldRefuseWhatIsNoPid(String pid) {
        refused(ExitStatus.USAGE, "attach", pid);
    }

    @Test
    void shouldNotAttachToItself() {
        Invocation itself = sandbox.command("sh", "-c", "exec " + Sandbox.LAUNCHER + " attach $$");

        assertSays("itself", refused(ExitStatus.CANNOT_ATTACH, itself));
    }

    @Test
    void shouldSayThatProcessDoesNotExist() {
        Launch gone = sandbox.command("true").toEnd();

        assertSays("no process " + gone.pid(), refused(ExitStatus.CANNOT_ATTACH, "attach", Integer.toString(gone.pid())));
        assertSays("2147483647", refused(ExitStatus.CANNOT_ATTACH, "attach", "2147483647"));
    }

    @Test
    void shouldNotAttachToThreadOfTheKernel() {
        assumeTrue("1".equals(Proc.status(2, "Kthread")), "no kernel threads are seen here");

        assertSays("kernel", refused(ExitStatus.CANNOT_ATTACH, "attach", "2"));
    }

    @Test
    void shouldNotAttachToZombie() {
        Launch parent = sandbox.command("perl", "-e", "$| = 1; my $child = fork // die; exit if !$child; print \"$child\\n\"; sleep 1000").start();
        int zombie = Integer.parseInt(Await.value("the child's pid", () -> parent.out().isEmpty() ? null : parent.out().trim()));
        Await.until("it is a zombie", () -> Proc.state(zombie) == 'Z');

        assertSays("already ended", refused(ExitStatus.CANNOT_ATTACH, "attach", Integer.toString(zombie)));
        parent.kill();
    }

    @Test
    void shouldNotAttachToSingleThread() throws IOException {
        Victim.of("threads", 1, 2000).play(victim -> {
            Launch launch = start(victim);
            String[] threads = Await.value("it has threads", () -> {
                String[] names = Path.of("/proc/" + launch.pid() + "/task").toFile().list();
                return names == null || names.length < 3 ? null : names;
            });
            String other = threads[threads.length - 1];

            Launch attach = sandbox.backstep("attach", other).toEnd();

            boolean livesOn = !launch.hasEnded();
            assertUnharmed(launch, victim);
            if (livesOn) {
                assertSays("thread of process " + launch.pid(), refused(ExitStatus.CANNOT_ATTACH, attach));
            }
            return livesOn;
        });
    }

    @Test
    void shouldNotAttachToTracedProcess() throws IOException {
        Victim.of("writers", 1, 3000).play(victim -> {
            Launch launch = start(victim);
            Launch first = sandbox.backstep("attach", Integer.toString(launch.pid())).start();
            Await.until("it is protected", () -> Files.exists(sandbox.socketOf(launch.pid())) || first.hasEnded());

            Launch second = sandbox.backstep("attach", Integer.toString(launch.pid())).toEnd();

            boolean livesOn = !launch.hasEnded();
            assertUnharmed(launch, victim);
            first.awaitAll();
            if (livesOn) {
                assertSays("already traced by process " + first.pid(), refused(ExitStatus.CANNOT_ATTACH, second));
                assertEquals(0, first.status(), first.describe());
            }
            return livesOn;
        });
    }

    @Test
    void shouldNotAttachToProcessOfAnotherUser() throws IOException {
        if (ControlDirectory.effectiveUid() != 0) {
            assertSays("permi", refused(ExitStatus.CANNOT_ATTACH, "attach", "1").toLowerCase());
            return;
        }
        String[] asNobody = {"setpriv", "--reuid=" + NOBODY, "--regid=" + NOBODY, "--clear-groups"};
        assumeTrue(sandbox.backstep("--version").under(asNobody).toEnd().status() == 0, "nobody cannot run backstep here");
        Victim.of("writers", 1, 3000).play(victim -> {
            Launch launch = start(victim);

            Launch attach = sandbox.backstep("attach", Integer.toString(launch.pid())).under(asNobody).toEnd();

            boolean livesOn = !launch.hasEnded();
            assertUnharmed(launch, victim);
            if (livesOn) {
                assertSays("permi", refused(ExitStatus.CANNOT_ATTACH, attach).toLowerCase());
            }
            return livesOn;
        });
    }

    @Test
    void shouldSayThatProgramMayNotHoldItsWrites() throws IOException {
        String[] asNobody = {"setpriv", "--reuid=" + NOBODY, "--regid=" + NOBODY, "--clear-groups"};
        assumeTrue(ControlDirectory.effectiveUid() == 0
                && sandbox.backstep("--version").under(asNobody).toEnd().status() == 0, "nobody cannot run backstep here");
        assumeTrue(Files.readString(Path.of("/proc/sys/vm/unprivileged_userfaultfd")).trim().equals("0"),
                "everybody may hold writes here");

        Launch launch = sandbox.backstep("run", "--capture", "cow", "--", "true").under(asNobody).toEnd();

        assertSays("--capture copy needs neither", refused(ExitStatus.CANNOT_START, launch));
    }

    @Test
    void shouldNotAttachTo32BitProcess() throws IOException {
        assume32Bit(executable("program32", Elf32.exitingWith(7)));
        Launch victim = sandbox.command(executable("pausing32", Elf32.pausing()).toString()).start();
        Await.until("it pauses", () -> Proc.state(victim.pid()) == 'S');

        assertSays("64-bit", refused(ExitStatus.CANNOT_ATTACH, "attach", Integer.toString(victim.pid())));

        Await.until("it pauses again", () -> Proc.state(victim.pid()) == 'S' && Proc.tracerOf(victim.pid()) == 0);
        victim.kill();
    }

    private Launch start(Victim victim) {
        return sandbox.command(victim.words()).start();
    }

    private static void assertUnharmed(Launch launch, Victim victim) {
        assertEquals(0, launch.status(), launch.describe());
        assertArrayEquals(victim.undisturbed(), launch.outBytes());
    }

    @Test
    void shouldSayThatNobodyProtectsProcess() {
        Launch victim = sandbox.command("sleep", "1000").start();

        assertSays("no backstep protects", refused(ExitStatus.CANNOT_ATTACH, "ctl", Integer.toString(victim.pid()), "status"));
        assertSays("no backstep protects", refused(ExitStatus.CANNOT_ATTACH, "ctl", "2147483647", "detach"));
        victim.kill();
    }

    /* ---- reports ---- */

    @Test
    void shouldRefuseReportThatCannotBeWrittenBeforeProgramStarts() {
        Path made = sandbox.file("made");

        for (String report : List.of("/no/such/directory/report.json", sandbox.file(".").toString(), "/proc/report.json")) {
            assertSays(report, refused(ExitStatus.FAILED, "run", "--report", report, "--", "touch", made.toString()));
        }
        assertFalse(Files.exists(made));
    }

    @Test
    void shouldRefuseReportInReadOnlyDirectory() throws IOException {
        assumeTrue(ControlDirectory.effectiveUid() != 0, "root may write everywhere");
        Path closed = Files.createDirectory(sandbox.file("closed"), PosixFilePermissions.asFileAttribute(
                PosixFilePermissions.fromString("r-xr-xr-x")));

        assertSays("permission", refused(ExitStatus.FAILED, "run", "--report", closed.resolve("r.json").toString(), "--", "true"));
    }

    @Test
    void shouldGiveProgramsStatusWhenDeviceForReportIsFull() {
        Launch launch = sandbox.run(List.of("--log", "error", "--report", "/dev/full"), List.of("sh", "-c", "echo well; exit 3")).toEnd();

        assertEquals(3, launch.status(), launch.describe());
        assertEquals("well\n", launch.out());
        assertSays("No space left", onlyLineOf(launch));
    }

    @Test
    void shouldGiveProgramsStatusWhenDiskForReportIsFull() throws IOException {
        Path disk = Files.createDirectory(sandbox.file("disk"));
        boolean isMounted = sandbox.command("mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", disk.toString()).toEnd().status() == 0;
        assumeTrue(isMounted, "only root may mount a small disk");
        sandbox.closing(() -> new ProcessBuilder("umount", disk.toString()).start().waitFor());
        Files.write(disk.resolve("filler"), new byte[4096]);
        String report = disk.resolve("report.json").toString();

        Launch launch = sandbox.run(List.of("--log", "error", "--report", report), List.of("sh", "-c", "echo well; exit 3")).toEnd();

        assertEquals(3, launch.status(), launch.describe());
        assertEquals("well\n", launch.out());
        assertSays("No space left", onlyLineOf(launch));
        assertEquals(List.of("filler"), List.of(disk.toFile().list()));
    }
}
