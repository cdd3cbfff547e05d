// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

import io.backstep.vm.GuestSetup;
import io.backstep.vm.GuestVm;
import io.backstep.vm.MonitorRelay;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Real guests under protection: rolled back at random moments, panicked, left alone. A guest that checks itself ends with what it computes undisturbed. */
@Timeout(value = 8, unit = TimeUnit.MINUTES)
class VmIT {
    private static final Path GUEST = Path.of(System.getProperty("backstep.guest", "target/guest")).toAbsolutePath();
    private static final int ROLLBACKS = Integer.getInteger("backstep.vm.rollbacks", 12);
    private static final int PANICS = 3;
    private static final int KILLS = 5;
    private static final int BURST_MIB = 64;
    private static final int BURST_MIB_PER_S = 400;
    private static final int BURST_S = 8;
    private static final Object[] COMPUTATION = {7, 20000, 8, 100};
    private static final String COMPUTED = "562bf7f2aabe17c4";

    private static long seed;

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    private final SplittableRandom random = new SplittableRandom(seed);

    @BeforeAll
    static void chooseSeed() {
        seed = Seed.of(VmIT.class);
    }

    private Launch protect(GuestVm guest, String... options) {
        List<String> words = new ArrayList<>(List.of("vm", "--qmp", guest.qmpSocket().toString(), "--keep", "40"));
        words.addAll(List.of(options));
        Launch launch = sandbox.backstep(words.toArray(new String[0])).start();
        sandbox.awaitProtected(guest.pid(), launch);
        return launch;
    }

    private void letGo(GuestVm guest, Launch protection) {
        sandbox.ctl(guest.pid()).granted("detach");
        assertEquals(0, protection.status(), protection.describe());
    }

    private void rollBackAtRandom(GuestVm guest, Launch protection, int times) {
        Ctl ctl = sandbox.ctl(guest.pid());
        for (int i = 0; i < times; i++) {
            Await.pause(random.nextLong(20, 150));
            long checkpoint = (long) ctl.granted("checkpoint").number("checkpoint");
            Await.pause(random.nextLong(0, 90));
            protection.requireAlive();
            Json reply = ctl.ask(Ctl.rollbackTo(checkpoint));
            assertEquals(Boolean.TRUE, reply.at("ok"), reply.toString());
        }
    }

    @ParameterizedTest
    @CsvSource({"q35, true, 1, copy", "pc, false, 2, copy", "microvm, false, 1, copy", "q35, true, 2, cow",
        "pc, false, 1, cow"})
    void shouldComputeTheSameWhenItIsRolledBackAtRandom(String machine, boolean isShared, int cpus, String capture) {
        GuestSetup setup = GuestVm.setup().machine(machine).cpus(cpus).noDisk().victim("compute", COMPUTATION);
        try (GuestVm guest = (isShared ? setup.sharedMemory() : setup).start()) {
            guest.awaitLine("step 100 .*");
            Launch protection = protect(guest, "--capture", capture);

            rollBackAtRandom(guest, protection, ROLLBACKS);

            assertEquals(COMPUTED, guest.awaitResult());
            letGo(guest, protection);
        }
    }

    @Test
    void shouldRecoverFromPanics() {
        try (GuestVm guest = GuestVm.setup().noDisk().victim("compute", COMPUTATION).start()) {
            guest.awaitLine("step 100 .*");
            Path report = sandbox.file("report.json");
            Launch protection = protect(guest, "--report", report.toString());
            for (int i = 0; i < PANICS; i++) {
                Await.pause(random.nextLong(300, 800)); // one on probation would count as the one before
                guest.command("panic");
                guest.awaitEvent("GUEST_PANICKED");
                guest.awaitEvent("RESUME");
            }
            assertEquals(COMPUTED, guest.awaitResult());
            letGo(guest, protection);
            String told = read(report);
            Json json = Json.parse(told);
            // One checkpoint may be of the time between the command and the panic, which then comes again.
            assertTrue(json.list("detections").size() >= PANICS, told);
            assertEquals("panic", json.list("detections").get(0).text("detector"));
        }
    }

    /** What QEMU reads from a disk the kernel writes to the guest's memory. */
    @ParameterizedTest
    @ValueSource(strings = {"copy", "cow"})
    void shouldTakeItsDiskBackToo(String capture) throws Exception {
        Path image = Files.copy(GUEST.resolve("disk.img"), sandbox.file("disk.img"));
        Path socket = sandbox.file("disk.sock");
        Launch server = sandbox.backstep("disk", "--format", "raw", "--socket", socket.toString(), image.toString()).start();
        Await.until("the disk is served", () -> Files.exists(socket));
        try (GuestVm guest = GuestVm.setup().disk("nbd:unix:" + socket, "raw").victim("fsload", 3, 1_000_000, 3).start()) {
            guest.awaitLine("fsload . step .*");
            Launch protection = protect(guest, "--capture", capture);

            rollBackAtRandom(guest, protection, ROLLBACKS);

            letGo(guest, protection);
            guest.command("check"); // unmounts
            assertEquals(List.of(), guest.console().stream().filter(line -> line.startsWith("inconsistent")).toList());
        }
        server.signal("TERM");
        assertEquals(0, server.status(), server.describe());
        assertEquals(0, sandbox.command("e2fsck", "-fn", image.toString()).start().status());
    }

    @Test
    void shouldRefuseADiskThatWouldStayAsItIs() {
        try (GuestVm guest = GuestVm.setup().victim("idle").start()) {
            guest.awaitUp();
            Launch refused = sandbox.backstep("vm", "--qmp", guest.qmpSocket().toString()).toEnd();
            assertEquals(123, refused.status());
            assertTrue(refused.err().contains("is not served by 'backstep disk'"), refused.err());
            assertEquals("running", guest.qmp("{\"execute\": \"query-status\"}").text("return.status"));

            Launch warned = protect(guest, "--unserved-disks", "warn");
            letGo(guest, warned);
        }
    }

    /** Also while it stands for a capture, which it does most of the time here. */
    @ParameterizedTest
    @ValueSource(strings = {"copy", "cow"})
    void shouldRunOnWhenBackstepIsKilled(String capture) throws IOException {
        sandbox.letSocketsStay();
        Path exchange = Files.createDirectory(sandbox.file("exchange"));
        try (GuestVm guest = GuestVm.setup().noDisk().victim("compute", COMPUTATION).start()) {
            for (int i = 0; i < KILLS; i++) {
                guest.awaitLine("step \\d+ .*");
                Launch protection = sandbox.backstep("vm", "--qmp", guest.qmpSocket().toString(), "--interval", "5ms",
                        "--capture", capture, "--exchange", exchange.toString()).start();
                sandbox.awaitProtected(guest.pid(), protection);
                Await.pause(random.nextLong(0, 300));
                protection.kill();
                protection.awaitAll();
                Await.until("it runs", () -> guest.qmp("{\"execute\": \"query-status\"}").text("return.status").equals("running"));
                delete(sandbox.socketOf(guest.pid()));
            }
            assertEquals(COMPUTED, guest.awaitResult());
        }
        try (Stream<Path> left = Files.list(exchange)) {
            assertEquals(List.of(), left.toList());
        }
    }

    @Test
    void shouldEndWhenQemuIsKilled() {
        try (GuestVm guest = GuestVm.setup().noDisk().start()) {
            guest.awaitUp();
            Launch protection = protect(guest);
            Proc.kill(guest.pid());
            assertEquals(0, protection.status(), protection.describe());
            assertEquals("", protection.err().lines().filter(line -> line.contains("Exception")).findFirst().orElse(""));
        }
    }

    /** What somebody else paused stays paused, and captures go on. */
    @Test
    void shouldLeaveAPausedMachinePaused() {
        try (GuestVm guest = GuestVm.setup().noDisk().victim("compute", COMPUTATION).start()) {
            guest.awaitLine("step 100 .*");
            Launch protection = protect(guest);
            guest.qmp("{\"execute\": \"stop\"}");
            Ctl ctl = sandbox.ctl(guest.pid());
            ctl.granted("checkpoint");
            ctl.granted("checkpoint");
            assertEquals("paused", guest.qmp("{\"execute\": \"query-status\"}").text("return.status"));
            guest.qmp("{\"execute\": \"cont\"}");
            assertEquals(COMPUTED, guest.awaitResult());
            letGo(guest, protection);
        }
    }

    /** While backstep stands, writes of the guest wait for it. */
    @Test
    void shouldComputeTheSameThoughWhoSavesItsPagesIsSlow() {
        try (GuestVm guest = GuestVm.setup().noDisk().victim("compute", COMPUTATION).start()) {
            guest.awaitLine("step 100 .*");
            Launch protection = protect(guest, "--capture", "cow");
            for (int i = 0; i < PANICS; i++) {
                protection.signal("STOP");
                Await.pause(random.nextLong(100, 500));
                protection.signal("CONT");
                rollBackAtRandom(guest, protection, 1);
            }
            assertEquals(COMPUTED, guest.awaitResult());
            letGo(guest, protection);
        }
    }

    /** Whatever it was doing: its writes are not held any more. */
    @Test
    void shouldNotHoldTheGuestWhenTheMonitorIsLost() {
        sandbox.letSocketsStay();
        try (GuestVm guest = GuestVm.setup().noDisk().victim("compute", COMPUTATION).start()) {
            for (int i = 0; i < PANICS; i++) {
                guest.awaitLine("step \\d+ .*");
                try (MonitorRelay relay = new MonitorRelay(guest)) {
                    Launch protection = sandbox.backstep("vm", "--qmp", relay.socket().toString(), "--pid",
                            Integer.toString(guest.pid()), "--network", "pass", "--capture", "cow").start();
                    sandbox.awaitProtected(guest.pid(), protection);
                    Await.pause(random.nextLong(100, 400));
                    relay.close();
                    assertEquals(0, protection.status(), protection.describe());
                }
                guest.qmp("{\"execute\": \"cont\"}"); // it can have been lost in a pause
            }
            assertEquals(COMPUTED, guest.awaitResult());
        }
    }

    /** It writes to 64 MiB in each interval: more than fits. */
    @Test
    void shouldRunOnThoughTheBudgetDoesNotHoldWhatIsSaved() {
        try (GuestVm guest = GuestVm.setup().noDisk().victim("memload", BURST_MIB_PER_S, BURST_MIB).start()) {
            guest.awaitLine("memload .*");
            Launch protection = protect(guest, "--capture", "cow", "--interval", "400ms", "--memory-budget", "16M");
            Await.until("protection stops", () -> protection.err().contains("protection has stopped"));
            int lines = guest.console().size();
            Await.until("the guest goes on", () -> guest.console().size() > lines + 1);
            letGo(guest, protection);
        }
    }

    /** Bursts of writes, and rollbacks in their midst. */
    @Test
    void shouldBeRolledBackInBursts() {
        try (GuestVm guest = GuestVm.setup().noDisk().victim("memload", BURST_MIB_PER_S, BURST_MIB, BURST_S).start()) {
            guest.awaitLine("memload .*");
            Launch protection = protect(guest, "--capture", "cow", "--interval", "100ms");
            rollBackAtRandom(guest, protection, ROLLBACKS);
            guest.awaitLine("result .*");
            assertEquals(List.of(), guest.console().stream().filter(line -> line.startsWith("inconsistent")).toList());
            letGo(guest, protection);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
