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
                Launch ctl = sandbox.backstep("ctl", Integer.toString(target), "detach").toEnd();
                assertTrue(ctl.status() == 0 || !Proc.exists(target), ctl.describe());
            }
        },
        INTERRUPT {
            @Override
            void say(Sandbox sandbox, int target, Launch attach) {
                Proc.signal(attach.pid(), "INT");
            }
        },
        TERMINATION {
            @Override
            void say(Sandbox sandbox, int target, Launch attach) {
                Proc.signal(attach.pid(), "TERM");
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
        return Stream.of(Victim.of("writers", number, 3000), Victim.of("threads", number, 3000),
                Victim.of("server", number, 4000));
    }

    static Stream<Arguments> farewells() {
        long number = Seed.of(AttachIT.class) & 0xffff;
        return Stream.of(Victim.of("writers", number, 2000), Victim.of("threads", number, 2000),
                        Victim.of("server", number, 3000))
                .flatMap(victim -> Stream.of(Farewell.values()).map(farewell -> Arguments.of(victim, farewell)));
    }

    private Launch startAttach(int target, List<String> options) {
        List<String> words = new ArrayList<>(List.of("attach"));
        words.addAll(options);
        words.add(Integer.toString(target));
        return sandbox.backstep(words.toArray(new String[0])).start();
    }

    private Launch attach(int target, List<String> options) {
        Launch attach = startAttach(target, options);
        sandbox.awaitProtected(target, attach);
        return attach;
    }

    private Launch startRunning(Victim victim) {
        Launch launch = sandbox.command(victim.words()).start();
        Await.until("it runs", () -> Proc.cpuTicks(launch.pid()) > 2 || launch.hasEnded());
        return launch;
    }

    /** For a scene whose victim may have ended before; if so, then well. */
    private static boolean livesOn(Launch launch, Victim victim) {
        if (launch.hasEnded()) {
            assertEndedAsAlone(launch, victim);
            return false;
        }
        return true;
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

    /** Of a process that ends meanwhile nothing can be said. */
    private static boolean isSeenFree(Launch launch, Map<Integer, String> descriptors) throws IOException {
        try {
            assertFree(launch.pid(), descriptors);
            return true;
        } catch (IOException | AssertionError | NullPointerException e) {
            if (!launch.hasEnded()) {
                throw e;
            }
            return false;
        }
    }

    private static void assertEndedAsAlone(Launch launch, Victim victim) {
        assertEquals(0, launch.status(), launch.describe());
        assertArrayEquals(victim.undisturbed(), launch.outBytes(), launch.describe());
    }

    @ParameterizedTest
    @MethodSource("farewells")
    void shouldLetGoUntouched(Victim shortest, Farewell farewell) throws IOException {
        shortest.play(victim -> {
            Launch launch = startRunning(victim);
            int target = launch.pid();
            Map<Integer, String> before = Proc.descriptors(target);
            Launch attach = startAttach(target, farewell.options());
            Await.until("it is protected", () -> Files.exists(sandbox.socketOf(target)) || attach.hasEnded());

            farewell.say(sandbox, target, attach);

            attach.awaitAll();
            if (!livesOn(launch, victim) || !isSeenFree(launch, before)) {
                return false;
            }
            assertEquals(0, attach.status(), attach.describe());
            assertTrue(attach.err().contains("it was let go"), attach.describe());
            assertEndedAsAlone(launch, victim);
            return true;
        });
    }

    @ParameterizedTest
    @MethodSource("victims")
    void shouldRollBackInjectedFaults(Victim shortest) throws IOException {
        List<String> options = new ArrayList<>(List.of("--interval", "20ms", "--keep", "5"));
        for (int i = 0; i < FAULTS; i++) {
            int atMs = 105 + BETWEEN_FAULTS_MS * i;
            int faultSeed = Seed.random(seed, i).nextInt(1 << 30);
            options.addAll(List.of("--inject", "register:rip@" + atMs + "ms,bits=24,seed=" + faultSeed));
        }
        shortest.play(victim -> {
            Path report = sandbox.file(victim.hashCode() + ".json");
            Launch launch = startRunning(victim);

            List<String> reporting = Stream.concat(options.stream(), Stream.of("--report", report.toString())).toList();
            Launch attach = startAttach(launch.pid(), reporting);

            assertEndedAsAlone(launch.awaitAll(), victim);
            attach.awaitAll();
            if (!Files.exists(report) || Json.parse(Files.readString(report)).list("faults").size() < FAULTS) {
                return false;
            }
            assertEquals(0, attach.status(), attach.describe());
            Json told = Json.parse(Files.readString(report));
            assertEquals(0, told.number("exit.code"), told.toString());
            assertTrue(told.list("detections").size() >= FAULTS, told.toString());
            long recovered = told.list("rollbacks").stream().filter(rollback -> rollback.text("outcome").equals("recovered")).count();
            assertEquals(FAULTS, recovered, told.toString());
            return true;
        });
    }

    @Test
    void shouldAttachAgainAndAgain() throws IOException {
        Victim.of("threads", seed & 0xffff, 5000).play(victim -> {
            Launch launch = startRunning(victim);
            int target = launch.pid();
            Map<Integer, String> before = Proc.descriptors(target);
            for (int i = 0; i < 5; i++) {
                Launch attach = startAttach(target, List.of("--interval", "5ms"));
                Await.until("it is protected", () -> Files.exists(sandbox.socketOf(target)) || attach.hasEnded());
                try (Ctl ctl = attach.hasEnded() ? null : new Ctl(sandbox.socketOf(target))) {
                    Json rolledBack = ctl == null ? null : ctl.askOrNull(Ctl.request("rollback"));
                    Json detached = ctl == null ? null : ctl.askOrNull(Ctl.request("detach"));
                    attach.awaitAll();
                    if (!livesOn(launch, victim) || !isSeenFree(launch, before)) {
                        return false;
                    }
                    assertEquals(Boolean.TRUE, rolledBack.at("ok"), attach.describe());
                    assertEquals(Boolean.TRUE, detached.at("ok"), attach.describe());
                    assertEquals(0, attach.status(), attach.describe());
                }
            }
            assertEndedAsAlone(launch, victim);
            return true;
        });
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
    void shouldLetPermanentFaultTakeItsCourse() throws IOException {
        Victim.of("crasher", 3, 1500, "segv").play(victim -> {
            Launch launch = sandbox.command(victim.words()).start();

            Launch attach = startAttach(launch.pid(), List.of());

            assertEquals(128 + 11, launch.status(), launch.describe());
            attach.awaitAll();
            if (attach.status() == ExitStatus.CANNOT_ATTACH) {
                return false;
            }
            assertEquals(0, attach.status(), attach.describe());
            assertTrue(attach.err().contains("takes its course: SIGSEGV"), attach.describe());
            return true;
        });
    }
}
