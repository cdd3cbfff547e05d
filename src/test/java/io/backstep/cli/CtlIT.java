// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A protected program is asked after and steered through its control socket, by {@code backstep ctl} and by others. */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class CtlIT {
    private static long seed;

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    private Victim victim;
    private Launch run;
    private int target;

    @BeforeAll
    static void chooseSeed() {
        seed = Seed.of(CtlIT.class);
    }

    private void start(String interval, int steps) {
        victim = Victim.of("threads", seed & 0xffff, steps);
        run = sandbox.run(List.of("--interval", interval, "--keep", "4"), victim.command()).start();
        target = sandbox.awaitTarget(run);
    }

    /** Checkpoints at requests only: nothing happens between two of them. */
    private Ctl startStill() {
        start("1h", 2000);
        return sandbox.ctl(target);
    }

    private static long checkpoint(Ctl ctl) {
        return (long) ctl.granted("checkpoint").number("checkpoint");
    }

    /** The program must not have noticed anything, and backstep must give its status. */
    private void assertEndedAsAlone() {
        assertEquals(0, run.awaitAll().status(), run.describe());
        assertArrayEquals(victim.undisturbed(), run.outBytes(), run.describe());
        assertFalse(Files.exists(sandbox.socketOf(target)));
    }

    private Launch ctl(String... arguments) {
        List<String> words = new ArrayList<>(List.of("ctl", Integer.toString(target)));
        words.addAll(List.of(arguments));
        return sandbox.backstep(words.toArray(new String[0])).toEnd();
    }

    @Test
    void shouldAnswerCommandLine() {
        run = sandbox.run(List.of("--interval", "20ms", "--keep", "4"), List.of("sleep", "1000")).start();
        target = sandbox.awaitTarget(run);
        Ctl ctl = sandbox.ctl(target);
        Await.until("4 checkpoints are kept", () -> ctl.granted("status").number("kept") == 4);

        Launch status = ctl("status", "--json");
        Launch text = ctl("status");
        Launch checkpoint = ctl("checkpoint");
        Launch rollback = ctl("rollback");
        Launch unknown = ctl("rollback", "--to", "999999999");
        Launch unknownAsJson = ctl("rollback", "--to", "999999999", "--json");

        assertEquals(0, status.status(), status.describe());
        Json told = Json.parse(status.out());
        assertEquals(20, told.number("interval_ms"));
        assertTrue(told.number("elapsed_ms") > 0 && told.number("kept") == 4 && told.number("rollbacks") == 0, told.toString());
        assertTrue(text.out().contains("interval_ms") && text.status() == 0, text.describe());
        assertTrue(checkpoint.out().matches("checkpoint +\\d+\n") && checkpoint.status() == 0, checkpoint.describe());
        assertTrue(rollback.out().contains("to_checkpoint") && rollback.status() == 0, rollback.describe());
        assertEquals(ExitStatus.FAILED, unknown.status(), unknown.describe());
        assertTrue(unknown.err().matches("backstep: checkpoint 999999999 is not kept; kept are [\\d, ]+\n"), unknown.describe());
        assertEquals(ExitStatus.FAILED, unknownAsJson.status());
        assertFalse((Boolean) Json.parse(unknownAsJson.out()).at("ok"));
        Proc.kill(target);
        assertEquals(128 + 9, run.awaitAll().status(), run.describe());
    }

    @Test
    void shouldRollBackToAnyKeptCheckpoint() {
        Ctl ctl = startStill();
        long oldest = checkpoint(ctl);
        long older = checkpoint(ctl);
        long newest = checkpoint(ctl);

        for (long wanted : new long[] {newest, older, older, oldest}) {
            Json reply = ctl.ask(Ctl.rollbackTo(wanted));
            assertEquals(wanted, reply.number("to_checkpoint"), reply.toString());
            assertTrue(reply.number("age_ms") >= 0 && reply.number("pages_written") >= 0 && reply.number("duration_us") > 0, reply.toString());
        }

        assertEquals(4, ctl.granted("status").number("rollbacks"));
        assertEndedAsAlone();
    }

    @Test
    void shouldForgetCheckpointsNewerThanTheOneRolledBackTo() {
        Ctl ctl = startStill();
        long older = checkpoint(ctl);
        long newest = checkpoint(ctl);

        assertEquals(older, ctl.ask(Ctl.rollbackTo(older)).number("to_checkpoint"));
        Json reply = ctl.ask(Ctl.rollbackTo(newest));

        assertFalse((Boolean) reply.at("ok"), reply.toString());
        assertTrue(reply.text("error").startsWith("checkpoint " + newest + " is not kept; kept are "), reply.toString());
        assertTrue(checkpoint(ctl) > newest);
        assertEndedAsAlone();
    }

    @Test
    void shouldForgetOldestWhenThereAreMoreThanAreKept() {
        Ctl ctl = startStill();
        long oldest = checkpoint(ctl);
        for (int i = 0; i < 3; i++) {
            checkpoint(ctl);
        }
        assertEquals(4, ctl.granted("status").number("kept"));
        checkpoint(ctl);

        assertEquals(4, ctl.granted("status").number("kept"));
        assertFalse((Boolean) ctl.ask(Ctl.rollbackTo(oldest)).at("ok"));
        assertEndedAsAlone();
    }

    @Test
    void shouldEscalateWhenAskedAgainAtOnceAndSayWhenNothingIsLeft() {
        Ctl ctl = startStill();
        long older = checkpoint(ctl);
        long newest = checkpoint(ctl);

        assertEquals(newest, ctl.granted("rollback").number("to_checkpoint"));
        Json second = ctl.granted("rollback");
        assertEquals(older, second.number("to_checkpoint"));
        assertEquals(2, second.number("attempt"));
        ctl.granted("rollback"); // to the one from the start
        Json fourth = ctl.ask(Ctl.request("rollback"));
        assertFalse((Boolean) fourth.at("ok"), fourth.toString());
        assertEndedAsAlone();
    }

    @Test
    void shouldDetachAndLetProgramFinish() {
        start("20ms", 5000);
        Launch detach = ctl("detach");

        assertEquals(0, detach.status(), detach.describe());
        assertEquals(0, run.status(), run.describe());
        assertEquals(0, Proc.tracerOf(target));
        assertTrue(Proc.runsOn(target), "it stands still");
        Launch later = ctl("status");
        assertEquals(ExitStatus.CANNOT_ATTACH, later.status(), later.describe());
        run.awaitAll();
        assertEquals(0, run.ended().get(target), run.describe());
        assertArrayEquals(victim.undisturbed(), run.outBytes());
    }

    @Test
    void shouldKeepOthersOut() throws IOException {
        start("20ms", 500);
        sandbox.ctl(target).granted("status");
        Path socket = sandbox.socketOf(target);

        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)));
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(socket.getParent())));
        assertEndedAsAlone();
    }

    @Test
    void shouldSurviveGarbage() throws IOException {
        start("20ms", 2000);
        for (String line : List.of("", " ", "hello", "{", "[]", "null", "{}", "{\"command\":7}", "{\"command\":\"jump\"}", "\u0000\u0001",
                "{\"command\":\"rollback\",\"to\":-1}", "{\"command\":\"rollback\",\"to\":\"x\"}", "{\"command\":\"status\",\"command\":\"detach\"}",
                "{\"command\":\"status\"} {\"command\":\"detach\"}", "[".repeat(5000), "{\"id\":".repeat(2000))) {
            Json reply = sandbox.ctl(target).ask(line);
            assertFalse((Boolean) reply.at("ok"), line);
            assertFalse(reply.text("error").isEmpty(), line);
        }
        SplittableRandom random = Seed.random(seed, 0);
        for (int i = 0; i < 20; i++) {
            byte[] noise = new byte[random.nextInt(200_000)];
            random.nextBytes(noise);
            try (LineClient client = new LineClient(sandbox.socketOf(target))) {
                client.send(noise);
            } catch (IOException e) {
                assertNotNull(e.getMessage()); // it may close on us: what was sent was no line
            }
        }
        sandbox.ctl(target).granted("status");
        assertEndedAsAlone();
    }

    @Test
    void shouldServeManyClients() {
        start("20ms", 2500);
        List<CompletableFuture<Void>> clients = new ArrayList<>();
        for (int i = 0; i < 32; i++) {
            SplittableRandom random = Seed.random(seed, i);
            Ctl ctl = sandbox.ctl(target);
            clients.add(CompletableFuture.runAsync(() -> {
                for (int request = 0; request < 12; request++) {
                    int choice = random.nextInt(16);
                    if (choice == 0) {
                        ctl.ask(Ctl.request("rollback")); // refused when others have just tried all that are kept
                    } else {
                        ctl.granted(choice < 4 ? "checkpoint" : "status");
                    }
                }
            }));
        }
        CompletableFuture.allOf(clients.toArray(new CompletableFuture<?>[0])).join();
        assertEndedAsAlone();
    }

    @Test
    void shouldCloseConnectionsWhenProgramEnds() {
        start("20ms", 100_000);
        Ctl silent = sandbox.ctl(target);
        Ctl asking = sandbox.ctl(target);
        Proc.kill(target);

        assertEquals(128 + 9, run.awaitAll().status(), run.describe());
        Json reply = asking.askOrNull(Ctl.request("status"));
        assertTrue(reply == null || !Boolean.TRUE.equals(reply.at("ok")), String.valueOf(reply));
        assertEquals(null, silent.askOrNull(Ctl.request("status")));
        assertFalse(Files.exists(sandbox.socketOf(target)));
    }
}
