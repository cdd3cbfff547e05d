// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.engine.EngineRig.INTERVAL_NS;
import static io.backstep.engine.EngineRig.MS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.LongStream;

import io.backstep.core.BackstepException;
import io.backstep.target.FaultyTarget.Failure;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class EngineCaptureTest {
    private EngineRig rig = new EngineRig();

    @AfterEach
    void close() {
        rig.close();
    }

    @Test
    void shouldHaveACheckpointAndARunningTargetAfterTheStart() {
        rig.start();

        assertEquals(List.of(1L), rig.keptIds());
        assertFalse(rig.fake.isStanding());
        assertTrue(rig.fake.isTracking());
    }

    @Test
    void shouldCaptureAtWholeIntervalsHoweverLongPausesAre() {
        rig.fake.pauseNs(3 * MS);
        rig.keep(1_000).start();
        long firstDueNs = 3 * MS + INTERVAL_NS;

        rig.runUntil(1_000 * MS);

        List<Long> kept = rig.keptNs();
        assertEquals(LongStream.range(0, kept.size() - 1).mapToObj(i -> firstDueNs + i * INTERVAL_NS).toList(),
                kept.subList(1, kept.size()));
        assertEquals(100, kept.size());
        assertEquals(0, rig.record().checkpoints().skipped());
    }

    @Test
    void shouldSkipIntervalsThatAPauseHasTakenUp() {
        rig.keep(1_000).start();
        rig.fake.pauseNs(25 * MS);

        rig.runUntil(100 * MS);

        assertEquals(List.of(0L, 10 * MS, 40 * MS, 70 * MS), rig.keptNs());
        assertEquals(2 * 3, rig.record().checkpoints().skipped());
        assertEquals((10 + 5 + 5 + 5) * MS, rig.fake.progressNs());
    }

    @Test
    void shouldKeepTheNewest() {
        rig.keep(3).start();

        rig.runUntil(105 * MS);

        assertEquals(List.of(9L, 10L, 11L), rig.keptIds());
        assertEquals(List.of(80 * MS, 90 * MS, 100 * MS), rig.keptNs());
    }

    @Test
    void shouldLetOutputGoThatNoKeptCheckpointCanTakeBack() {
        rig.keep(3).start();

        rig.runUntil(105 * MS);

        long printedPerMs = 3;
        assertEquals(80 * printedPerMs, rig.fake.released());
        assertEquals(25 * printedPerMs, rig.engine().status().heldBytes());
    }

    @Test
    void shouldKeepTheCheckpointBeforeACaptureThatFails() {
        rig.start();
        rig.runUntil(25 * MS);
        rig.target.next(Failure.CAPTURE_FAILS, 2);

        rig.runUntil(45 * MS);

        assertEquals(List.of(1L, 2L, 3L), rig.keptIds());
        assertEquals(2, rig.record().checkpoints().failed());
        assertEquals(1, rig.heard.warnings.size(), "the same failure was told twice");
        assertTrue(rig.heard.warnings.get(0).contains("this capture was to fail"), rig.heard.warnings.get(0));

        rig.fake.raise("SIGSEGV");
        rig.runUntil(46 * MS);
        assertEquals(List.of(3L), rig.heard.rollbacks.stream().map(RollbackRecord::toCheckpoint).toList());

        rig.runUntil(105 * MS);
        assertTrue(rig.keptIds().size() > 3);
    }

    @Test
    void shouldForgetNoPageOfCapturesThatFail() {
        rig.target.rate(Failure.CAPTURE_SHORT, 0.3);
        rig.start();
        rig.target.rate(Failure.CAPTURE_FAILS, 0.4);
        for (long timeNs = 37 * MS; timeNs < 4_000 * MS; timeNs += 97 * MS) {
            rig.fake.errorAt(rig.time(timeNs), "SIGBUS");
        }

        rig.runUntil(4_000 * MS);

        assertTrue(rig.record().checkpoints().failed() > 50, rig.record().checkpoints().toString());
        assertTrue(rig.heard.rollbacks.size() >= 40, rig.heard.rollbacks.size() + " rollbacks");
        assertNull(rig.engine().broken());
        assertFalse(rig.engine().isDone());
    }

    @Test
    void shouldGiveACaptureTheFramesItAsksFor() {
        rig = bigRig();
        rig.start();

        rig.runUntil(25 * MS);

        assertEquals(3, rig.keptIds().size());
        assertEquals(BIG_PAGES + 2, rig.record().pages().tracked());
    }

    @Test
    void shouldCopyARunningTargetAheadOfTheFirstPause() {
        rig = bigRig();
        rig.preCopy().start();

        assertTrue(rig.engine().status().dirtyPages() < 10, rig.engine().status().toString());
        assertEquals(BIG_PAGES + 2, rig.record().pages().tracked());
        rig.fake.raise("SIGSEGV");
        rig.runUntil(5 * MS);
        assertEquals(1, rig.heard.rollbacks.size());
    }

    private static final long BIG_PAGES = 5_000;

    private static EngineRig bigRig() {
        EngineRig big = new EngineRig((memory, step) -> memory.write(2, step));
        big.fake.write(2, 0);
        for (long i = 0; i < BIG_PAGES; i++) {
            big.fake.write(1_000 + i, i);
        }
        return big;
    }

    @Test
    void shouldAwaitTheErrorThatOvertookACapture() {
        rig.start();
        rig.target.beforeCapture(() -> rig.fake.raise("SIGILL"));

        rig.runUntil(11 * MS);

        assertEquals(List.of("SIGILL"), rig.heard.detections.stream().map(DetectionRecord::what).toList());
        assertEquals(List.of(1L), rig.heard.rollbacks.stream().map(RollbackRecord::toCheckpoint).toList());
        assertEquals(0, rig.record().checkpoints().failed());
        assertEquals(List.of(), rig.heard.warnings);
    }

    @Test
    void shouldEndWithATargetThatEndsInACapture() {
        rig.start();
        rig.runUntil(25 * MS);
        rig.target.next(Failure.CAPTURE_GONE, 1);

        rig.runToTheEnd();

        assertEquals(RunRecord.Exit.ofSignal("SIGKILL"), rig.record().exit());
        assertEquals(0, rig.record().checkpoints().failed());
        assertEquals(List.of(), rig.heard.warnings);
    }

    @Test
    void shouldEndWithItsTarget() {
        rig.fake.endsAt(33 * MS, 7);
        rig.start();

        rig.runToTheEnd();

        assertEquals(RunRecord.Exit.ofCode(7), rig.record().exit());
        assertEquals(33.0, rig.record().elapsedMs());
        assertEquals(0, rig.engine().doWork());
    }

    @Test
    void shouldLetTheTargetGoAfterTheDuration() {
        rig.durationNs(55 * MS).start();

        rig.runToTheEnd();

        assertTrue(rig.fake.isClosed());
        assertEquals(RunRecord.Exit.NONE, rig.record().exit());
        assertEquals(55.0, rig.record().elapsedMs());
        rig.fake.runAlone(20 * MS);
        assertEquals(75 * MS, rig.fake.progressNs());
    }

    @Test
    void shouldStartOverWhenTheTargetIsReplaced() {
        rig.fake.replaceAt(rig.time(35 * MS));
        rig.start();
        rig.runUntil(36 * MS);
        assertEquals(List.of(5L), rig.keptIds());

        rig.fake.errorAt(rig.time(58 * MS), "SIGFPE");
        rig.runUntil(59 * MS);

        assertEquals(List.of(35 * MS, 45 * MS, 55 * MS), rig.keptNs());
        assertEquals(List.of(7L), rig.heard.rollbacks.stream().map(RollbackRecord::toCheckpoint).toList());
        assertEquals(21 * MS, rig.fake.progressNs(), "20 ms to the checkpoint and 1 after the rollback");
    }

    @Test
    void shouldForgetTheProbationOfATargetThatWasReplaced() {
        rig.fake.errorAt(rig.time(34 * MS), "SIGFPE");
        rig.fake.replaceAt(rig.time(35 * MS));
        rig.start();

        rig.runUntil(46 * MS);

        assertEquals(List.of(35 * MS, 45 * MS), rig.keptNs());
    }

    @Test
    void shouldTellOnceWhatIsNotRestored() {
        rig.fake.use("sockets (descriptor 4)");
        rig.start();

        rig.runUntil(5_000 * MS);

        assertEquals(List.of("not restored by a rollback: sockets (descriptor 4)"), rig.heard.warnings);
        assertEquals(rig.heard.warnings, rig.record().warnings());
    }

    @Test
    void shouldLeaveTheTargetAloneWhenItCannotStart() {
        rig.target.next(Failure.CAPTURE_FAILS, 1);

        assertThrows(BackstepException.class, rig::start);

        rig.engine().close();
        rig.fake.runAlone(10 * MS);
        assertEquals(10 * MS, rig.fake.progressNs());
    }
}
