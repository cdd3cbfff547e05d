// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A running process is taken hold of, rolled back, and let go as if nothing had been. */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class AttachIT {
    private static final int FAULTS = 3;
    private static final int BETWEEN_FAULTS_MS = 500; // one on probation would count as the error before it

    private static long seed;

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    @BeforeAll
    static void chooseSeed() {
        seed = Seed.of(AttachIT.class);
    }

    /** How an attached backstep is made to let go. */
    enum Farewell {
        CTL {
            @Override
            void say(Sandbox sandbox, int target, Launch attach) {
                assertEquals(0, sandbox.backstep("ctl", Integer.toString(target), "detach").toEnd().status());
            }
        },
        INTERRUPT {
            @Override
            void say(Sandbox sandbox, int target, Launch attach) {
                attach.signal("INT");
            }
        },
        TERMINATION {
            @Override
            void say(Sandbox sandbox, int target, Launch attach) {
                attach.signal("TERM");
            }
        },
        DURATION {
            @Override
            List<String> options() {
                return List.of("--duration", "300ms");
            }

            @Override
            void say(Sandbox sandbox, int target, Launch attach) {
            }
        };

        List<String> options() {
            return List.of();
        }

        abstract void say(Sandbox sandbox, int target, Launch attach);
    }

    static Stream<Victim> victims() {
        long number = Seed.of(AttachIT.class) & 0xffff;
        return Stream.of(Victim.of("writers", number, 3000), Victim.of("threads", number, 3000), Victim.of("server", number, 4000));
    }

    static Stream<Arguments> farewells() {
        return victims().flatMap(victim -> Stream.of(Farewell.values())
                .map(farewell -> Arguments.of(victim, farewell)));
    }

    private Launch attach(int target, List<String> options) {
        List<String> words = new ArrayList<>(List.of("attach"));
        words.addAll(options);
        words.add(Integer.toString(target));
        Launch attach = sandbox.backstep(words.toArray(new String[0])).start();
        sandbox.awaitProtected(target, attach);
        return attach;
    }

    private static void assertFree(int target, Map<Integer, String> descriptors) throws IOException {
        char state = Proc.state(target);
        assertEquals(0, Proc.tracerOf(target));
        assertTrue("RSD".indexOf(state) >= 0, "state " + state);
        assertEquals(descriptors, Proc.descriptors(target));
        for (String thread : Path.of("/proc/" + target + "/task").toFile().list()) {
            String status = Files.readString(Path.of("/proc/" + target + "/task/" + thread + "/status"));
            assertTrue(status.contains("TracerPid:\t0\n") && !status.contains("(tracing stop)") && !status.contains("(stopped)"), status);
        }
        assertTrue(Proc.runsOn(target), "it stands still");
    }

    private static void assertEndedAsAlone(Launch launch, Victim victim) {
        assertEquals(0, launch.status(), launch.describe());
        assertArrayEquals(victim.undisturbed(), launch.outBytes(), launch.describe());
    }

    @ParameterizedTest
    @MethodSource("farewells")
    void shouldLetGoUntouched(Victim victim, Farewell farewell) throws IOException {
        Launch launch = sandbox.command(victim.words()).start();
        int target = launch.pid();
        Await.until("it runs", () -> Proc.cpuTicks(target) > 2);
        Map<Integer, String> before = Proc.descriptors(target);
        Launch attach = attach(target, farewell.options());

        farewell.say(sandbox, target, attach);

        assertEquals(0, attach.status(), attach.describe());
        assertTrue(attach.err().contains("it was let go"), attach.describe());
        assertFree(target, before);
        attach.awaitAll();
        assertEndedAsAlone(launch, victim);
    }

    @ParameterizedTest
    @MethodSource("victims")
    void shouldRollBackInjectedFaults(Victim victim) throws IOException {
        Path report = sandbox.file("report.json");
        Launch launch = sandbox.command(victim.words()).start();
        Await.until("it runs", () -> Proc.cpuTicks(launch.pid()) > 2);
        List<String> options = new ArrayList<>(List.of("--interval", "20ms", "--keep", "5", "--report", report.toString()));
        for (int i = 0; i < FAULTS; i++) {
            options.addAll(List.of("--inject", "register:rip@" + (105 + BETWEEN_FAULTS_MS * i) + "ms,bits=24,seed=" + Seed.random(seed, i).nextInt(1 << 30)));
        }

        Launch attach = attach(launch.pid(), options);

        assertEquals(0, launch.awaitAll().status(), launch.describe());
        assertEquals(0, attach.awaitAll().status(), attach.describe());
        Json told = Json.parse(Files.readString(report));
        assertEquals(0, told.number("exit.code"), told.toString());
        assertEquals(FAULTS, told.list("faults").size(), told.toString());
        assertTrue(told.list("detections").size() >= FAULTS, told.toString());
        long recovered = told.list("rollbacks").stream().filter(rollback -> rollback.text("outcome").equals("recovered")).count();
        assertEquals(FAULTS, recovered, told.toString());
        assertArrayEquals(victim.undisturbed(), launch.outBytes());
    }

    @Test
    void shouldAttachAgainAndAgain() throws IOException {
        Victim victim = Victim.of("threads", seed & 0xffff, 6000);
        Launch launch = sandbox.command(victim.words()).start();
        int target = launch.pid();
        Await.until("it runs", () -> Proc.cpuTicks(target) > 2);
        Map<Integer, String> before = Proc.descriptors(target);

        for (int i = 0; i < 5; i++) {
            Launch attach = attach(target, List.of("--interval", "5ms"));
            Ctl ctl = sandbox.ctl(target);
            ctl.granted("rollback");
            ctl.granted("detach");
            assertEquals(0, attach.awaitAll().status(), attach.describe());
            assertFree(target, before);
        }

        assertEndedAsAlone(launch, victim);
    }

    @Test
    void shouldAttachToStoppedProcessAndLeaveItStopped() {
        Victim victim = Victim.of("writers", seed & 0xffff, 1500);
        Launch launch = sandbox.command(victim.words()).start();
        int target = launch.pid();
        Await.until("it runs", () -> Proc.cpuTicks(target) > 2);
        launch.signal("STOP");
        Await.until("it has stopped", () -> Proc.state(target) == 'T');

        Launch attach = attach(target, List.of());
        sandbox.ctl(target).granted("detach");
        assertEquals(0, attach.awaitAll().status(), attach.describe());

        assertEquals('T', Proc.state(target));
        launch.signal("CONT");
        assertEndedAsAlone(launch, victim);
    }

    @Test
    void shouldSayHowProcessEnded() throws IOException {
        Path report = sandbox.file("report.json");
        Launch launch = sandbox.command("sleep", "1000").start();

        Launch attach = attach(launch.pid(), List.of("--report", report.toString()));
        launch.signal("TERM");

        assertEquals(128 + 15, launch.status());
        assertEquals(0, attach.awaitAll().status(), attach.describe());
        Json told = Json.parse(Files.readString(report));
        assertEquals("SIGTERM", told.text("exit.signal"));
        assertNull(told.at("exit.code"));
        assertEquals("sleep", told.text("target.name"));
    }

    @Test
    void shouldLetPermanentFaultTakeItsCourse() {
        Launch launch = sandbox.command(Victim.of("crasher", 3, 1500, "segv").words()).start();

        Launch attach = attach(launch.pid(), List.of());

        assertEquals(128 + 11, launch.status(), launch.describe());
        assertEquals(0, attach.awaitAll().status(), attach.describe());
        assertTrue(attach.err().contains("takes its course: SIGSEGV"), attach.describe());
    }
}
