// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.ExecutionState;
import io.backstep.core.FaultSurface;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Pages;
import io.backstep.core.TargetEvent;
import io.backstep.core.TargetEvent.Kind;
import io.backstep.sys.Inheritance;
import io.backstep.sys.Signals;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a process has that other targets have not: programs, signals, registers, and pages that can be counted. */
@Timeout(120)
class ProcessTargetTest {
    private static final long MS = 1_000_000;
    private static final long PATIENCE_NS = 60_000 * MS;
    private static final long FRAMES = 40_000;

    @TempDir
    private Path directory;
    private final TargetEvent event = new TargetEvent();
    private final Capture capture = new Capture();
    private final PageRanges written = new PageRanges();
    private final PageWrites writes = new PageWrites();
    private final long memory = UnsafeApi.allocateMemory(Pages.toBytes(FRAMES));
    private ProcessTarget target;
    private Victim victim;

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
    }

    @AfterEach
    void close() {
        if (target != null) {
            target.close();
        }
        if (victim != null) {
            victim.close();
        }
        capture.close();
        written.close();
        writes.close();
        UnsafeApi.freeMemory(memory);
    }

    private void attach(String name, Object... arguments) {
        victim = Victim.start(directory.resolve("output"), directory.resolve("error"), Victim.command(name, arguments));
        target = ProcessTarget.attach(victim.pid());
        Victim.begin(target);
    }

    /** A program with its output in a file, standing before its first instruction. */
    private void run(String name, Object... arguments) {
        target = ProcessTarget.run(Victim.intoFile(directory.resolve("output"), Victim.command(name, arguments)), false,
                Inheritance.NONE);
        target.start();
        target.resume();
        awaitEvent(Kind.REPLACED);
        target.start();
    }

    private void awaitEvent(Kind kind) {
        target.await(System.nanoTime() + PATIENCE_NS, event);
        assertEquals(kind, event.kind(), event.detail());
    }

    private void runFor(long nanos) {
        target.resume();
        target.await(System.nanoTime() + nanos, event);
        assertEquals(Kind.NONE, event.kind(), event.detail());
    }

    private void take(ExecutionState state) {
        capture.frames().clear();
        for (long i = 0; i < FRAMES; i++) {
            capture.frames().add(memory + Pages.toBytes(i));
        }
        assertTrue(target.capture(capture.state(state)));
    }

    private static BackstepException failureOf(Runnable action) {
        return assertThrows(BackstepException.class, action::run);
    }

    /* ---- programs and processes ---- */

    @Test
    void shouldNotStartWhatIsNoProgram() throws IOException {
        Path text = Files.writeString(directory.resolve("text"), "no program");
        for (String program : List.of("/no/such/program", text.toString(), "no-such-program-in-path")) {
            BackstepException failure = failureOf(() -> ProcessTarget.run(List.of(program), false, Inheritance.NONE));
            assertEquals(Reason.UNFIT, failure.reason());
            assertTrue(failure.getMessage().contains(program), failure.getMessage());
        }
    }

    @Test
    void shouldNotAttachToWhatIsNoProcessOfItsOwn() {
        assertEquals(Reason.UNFIT, failureOf(() -> ProcessTarget.attach(Integer.MAX_VALUE)).reason());
        assertTrue(failureOf(() -> ProcessTarget.attach((int) ProcessHandle.current().pid())).getMessage()
                .contains("is backstep itself"));
    }

    @Test
    void shouldNotAttachToAProcessTwice() {
        attach("idle", 1, 30);

        BackstepException failure = failureOf(() -> ProcessTarget.attach(victim.pid()));

        assertEquals(Reason.UNFIT, failure.reason());
        assertTrue(failure.getMessage().contains("is already traced by process " + ProcessHandle.current().pid()),
                failure.getMessage());
    }

    @Test
    void shouldNameItselfAfterTheProgram() {
        attach("idle", 1, 30);

        assertEquals("process idle " + victim.pid(), target.kind() + " " + target.name() + " " + target.pid());
        assertTrue(target.interruptedNs() > 0);
    }

    @Test
    void shouldGiveTheExitCode() {
        run("idle", "no number", 1);
        target.resume();

        awaitEvent(Kind.ENDED);

        assertEquals(2, event.exitCode());
        assertNull(event.exitSignal());
    }

    /* ---- what a capture finds ---- */

    @Test
    void shouldFindNextToNothingOfAProgramThatSleeps() {
        attach("idle", 32, 30);
        runFor(300 * MS);
        try (ExecutionState state = target.newState()) {
            take(state);
            assertTrue(capture.trackedPages() >= 32 << 8, capture.trackedPages() + " pages");
            for (int i = 0; i < 10; i++) {
                target.await(System.nanoTime() + 30 * MS, event);

                take(state);

                assertTrue(capture.pages().size() <= 4, capture.pages().size() + " pages were written by a sleeper");
                assertTrue(capture.dropped().isEmpty());
            }
        }
    }

    @Test
    void shouldFindExactlyThePagesThatAreWritten() {
        int pagesPerRound = 100;
        int roundMs = 20;
        attach("dirty", 8, pagesPerRound, roundMs, 1_000_000, "sequential");
        runFor(300 * MS);
        target.halt();
        try (ExecutionState state = target.newState()) {
            take(state);
            for (int i = 0; i < 20; i++) {
                Map<Long, byte[]> before = ProcessImage.bytesOf(target.pid());
                runFor(roundMs * MS);
                target.halt();

                take(state);

                Map<Long, byte[]> after = ProcessImage.bytesOf(target.pid());
                long different = after.keySet().stream()
                        .filter(page -> !java.util.Arrays.equals(before.get(page), after.get(page))).count();
                assertTrue(capture.pages().size() >= different && capture.pages().size() <= different + 4,
                        capture.pages().size() + " pages captured, " + different + " differ");
            }
        }
    }

    @Test
    void shouldComeToTheRightEndThoughRolledBackInItsSleep() throws IOException {
        attach("idle", 4, 2);
        runFor(100 * MS);
        target.halt();
        try (ExecutionState state = target.newState()) {
            take(state);
            for (int i = 0; i < 5; i++) {
                runFor(150 * MS);
                target.beginRollback(state, written);
                writes.clear();
                for (long k = 0; k < capture.pages().size(); k++) {
                    if (written.contains(capture.pages().get(k))) {
                        writes.write(capture.pages().get(k), capture.frames().get(k));
                    }
                }
                target.finishRollback(state, writes);
            }
        }
        target.resume();

        awaitEvent(Kind.ENDED);

        assertEquals(0, event.exitCode(), Files.readString(directory.resolve("error")));
        assertTrue(Files.readString(directory.resolve("output")).startsWith("idle: 4 2 digest "));
    }

    /* ---- errors ---- */

    @ParameterizedTest
    @CsvSource({"segv, SIGSEGV", "abrt, SIGABRT", "fpe, SIGFPE", "ill, SIGILL", "bus, SIGBUS"})
    void shouldSeeAFatalSignalBeforeTheProgramEnds(String how, String signal) {
        attach("crasher", 1, 3, how);
        target.resume();

        awaitEvent(Kind.ERROR);
        assertEquals("signal " + signal, event.detector() + " " + event.what());
        assertTrue(event.detail().startsWith(signal) && event.detail().endsWith("in thread " + victim.pid()), event.detail());
        target.resumeIntoError();
        awaitEvent(Kind.ENDED);

        assertEquals(signal, event.exitSignal());
    }

    @Test
    void shouldNotBeCapturedWhileItStandsAtAnError() {
        attach("crasher", 1, 3, "segv");
        target.resume();
        awaitEvent(Kind.ERROR);

        try (ExecutionState state = target.newState()) {
            assertEquals(Reason.OVERTAKEN, failureOf(() -> take(state)).reason());
        }

        awaitEvent(Kind.ERROR);
    }

    @Test
    void shouldLeaveSignalsAloneThatAreNoErrors() {
        attach("crasher", 1, 3, "segv");
        target.errorSignals(Set.of(Signals.number("BUS")), false);
        target.resume();

        awaitEvent(Kind.ENDED);

        assertEquals("SIGSEGV", event.exitSignal());
    }

    @Test
    void shouldPassSignalsOn() {
        attach("idle", 1, 30);
        target.resume();
        target.signal(Signals.number("TERM"));

        awaitEvent(Kind.ENDED);

        assertEquals("SIGTERM", event.exitSignal());
    }

    /* ---- faults ---- */

    @Test
    void shouldOfferRegistersAndPagesToFaults() {
        attach("threads", 1, 100_000, 3);
        runFor(50 * MS);
        target.halt();
        try (ExecutionState state = target.newState(); PageRanges pages = new PageRanges()) {
            take(state);
            FaultSurface surface = target.faultSurface();

            assertEquals(4, surface.threadCount());
            assertEquals("rip", surface.registers().get(0));
            for (String area : surface.areas()) {
                surface.pagesOf(area, pages);
                assertFalse(pages.isEmpty(), area);
            }
        }
    }

    @Test
    void shouldStumbleOverAFlippedInstructionPointer() {
        attach("writers", 1, 100_000, 1);
        runFor(20 * MS);
        target.halt();

        target.faultSurface().flipRegister(0, "rip", 1L << 46);
        target.resume();

        awaitEvent(Kind.ERROR);
    }

    @Test
    void shouldFlipBitsOfMemory() {
        attach("idle", 1, 30);
        runFor(20 * MS);
        target.halt();
        long page = ProcessImage.ownBytesOf(target.pid()).keySet().iterator().next();
        byte before = ProcessImage.bytesOf(target.pid()).get(page)[9];

        target.faultSurface().flipMemory(Pages.toAddress(page) + 8, 0x0100);

        assertEquals(before ^ 1, ProcessImage.bytesOf(target.pid()).get(page)[9]);
    }

    @Test
    void shouldRefuseFaultsWhereThereIsNothing() {
        attach("idle", 1, 30);
        FaultSurface surface = target.faultSurface();

        assertEquals(Reason.FAILED, failureOf(() -> surface.flipMemory(8, 1)).reason());
        assertEquals(Reason.FAILED, failureOf(() -> surface.flipRegister(0, "eip", 1)).reason());
        assertEquals(Reason.FAILED, failureOf(() -> surface.flipRegister(7, "rip", 1)).reason());
    }

    /* ---- what is not restored ---- */

    @Test
    void shouldNameWhatARollbackDoesNotRestore() {
        attach("blocking", 1, 100_000);
        runFor(50 * MS);

        assertTrue(target.unprotected().stream().anyMatch(use -> use.startsWith("pipes (descriptor ")),
                target.unprotected().toString());
    }

    @Test
    void shouldNotRollBackAcrossTheEndOfAThread() {
        attach("churn", 1, 100_000);
        runFor(20 * MS);
        BackstepException refusal = null;
        try (ExecutionState state = target.newState()) {
            for (int tries = 0; refusal == null && tries < 1_000; tries++) {
                target.halt();
                take(state);
                boolean alone = target.faultSurface().threadCount() == 1;
                runFor(2 * MS);
                refusal = alone ? null : assertRefusedOrRestored(state);
            }
        }
        assertEquals(Reason.REFUSED, refusal.reason());
        assertTrue(refusal.getMessage().contains("has ended since that checkpoint"), refusal.getMessage());
    }

    private BackstepException assertRefusedOrRestored(ExecutionState state) {
        target.halt();
        Map<Long, byte[]> before = ProcessImage.bytesOf(target.pid());
        try {
            target.beginRollback(state, written);
        } catch (BackstepException e) {
            assertEquals(before.keySet(), ProcessImage.bytesOf(target.pid()).keySet(), "a refused rollback touched something");
            return e;
        }
        target.kill();
        return new BackstepException(Reason.REFUSED, "a thread has ended since that checkpoint, or none had");
    }
}
