// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.engine.EngineRig.MS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.OptionalLong;
import java.util.SplittableRandom;

import io.backstep.core.BackstepException.Reason;
import io.backstep.engine.RollbackRecord.Outcome;
import io.backstep.target.FaultyTarget.Failure;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Checkpoint n is taken at 10 (n - 1) ms, as long as nothing happens. */
class EngineRecoveryTest {
    private final EngineRig rig = new EngineRig();

    @AfterEach
    void close() {
        rig.close();
    }

    private List<Long> triedIds() {
        return rig.record().events().rollbacks().stream().map(RollbackRecord::toCheckpoint).toList();
    }

    private List<Integer> attempts() {
        return rig.record().events().rollbacks().stream().map(RollbackRecord::attempt).toList();
    }

    private List<Outcome> outcomes() {
        return rig.record().events().rollbacks().stream().map(RollbackRecord::outcome).toList();
    }

    @Test
    void shouldRollBackToTheNewestCheckpoint() {
        rig.fake.errorAt(rig.time(47 * MS), "SIGSEGV");
        rig.fake.endsAt(200 * MS, 0);
        rig.start();

        rig.runToTheEnd();

        assertEquals(List.of(5L), triedIds());
        assertEquals(List.of(Outcome.RECOVERED), outcomes());
        RollbackRecord rollback = rig.heard.rollbacks.get(0);
        assertEquals(47.0, rollback.atMs());
        assertEquals(7.0, rollback.ageMs());
        assertEquals(1, rollback.attempt());
        assertTrue(rollback.pagesWritten() > 0);
        assertEquals(List.of("error", "rollback"), rig.heard.kinds);
        assertEquals(RunRecord.Exit.ofCode(0), rig.record().exit());
        assertEquals(207.0, rig.record().elapsedMs(), "seven milliseconds were done twice");
    }

    @Test
    void shouldEscalateFromNewestToOlderWhileTheErrorReturns() {
        rig.keep(10);
        rig.fake.corruptAt(rig.time(25 * MS), 28 * MS);
        rig.start();

        rig.runUntil(400 * MS);

        assertEquals(List.of(6L, 5L, 4L, 3L), triedIds());
        assertEquals(List.of(1, 2, 3, 4), attempts());
        assertEquals(List.of(Outcome.RETURNED, Outcome.RETURNED, Outcome.RETURNED, Outcome.RECOVERED), outcomes());
        assertEquals(4, rig.heard.detections.size());
        assertEquals(List.of(), rig.heard.givenUp);
        assertFalse(rig.engine().isDone());
    }

    @Test
    void shouldGiveUpAfterTheOldestAndLetTheErrorTakeItsCourse() {
        rig.keep(3);
        rig.fake.failsFrom(45 * MS);
        rig.start();

        rig.runToTheEnd();

        assertEquals(List.of(5L, 4L, 3L), triedIds());
        assertEquals(List.of(Outcome.RETURNED, Outcome.RETURNED, Outcome.RETURNED), outcomes());
        assertEquals(4, rig.heard.detections.size());
        assertEquals(1, rig.heard.givenUp.size());
        assertTrue(rig.heard.givenUp.get(0).startsWith("SIGABRT"), rig.heard.givenUp.get(0));
        assertEquals(RunRecord.Exit.ofSignal("SIGABRT"), rig.record().exit());
    }

    @Test
    void shouldStartAtTheNewestAgainForAnErrorAfterProbation() {
        rig.fake.errorAt(rig.time(25 * MS), "SIGSEGV");
        rig.fake.errorAt(rig.time(205 * MS), "SIGSEGV");
        rig.start();

        rig.runUntil(300 * MS);

        assertEquals(List.of(1, 1), attempts());
        assertEquals(List.of(Outcome.RECOVERED, Outcome.RECOVERED), outcomes());
        assertEquals(5.0, rig.heard.rollbacks.get(1).ageMs());
    }

    @Test
    void shouldTakeAnErrorOnProbationForTheSame() {
        rig.fake.errorAt(rig.time(29 * MS), "SIGSEGV");
        rig.fake.errorAt(rig.time(29 * MS + 9 * MS), "SIGBUS");
        rig.start();

        rig.runUntil(60 * MS);

        assertEquals(List.of(3L, 2L), triedIds());
        assertEquals(List.of(Outcome.RETURNED, Outcome.RECOVERED), outcomes());
    }

    @Test
    void shouldTakeAnErrorThatOccurredAfterTheRollbackForANewOne() {
        rig.fake.errorAt(rig.time(29 * MS), "SIGSEGV");
        rig.fake.errorAt(rig.time(38 * MS), "SIGBUS", rig.time(30 * MS));
        rig.start();

        rig.runUntil(60 * MS);

        assertEquals(List.of(3L, 3L), triedIds());
        assertEquals(List.of(1, 1), attempts());
        assertEquals(List.of(Outcome.RECOVERED, Outcome.RECOVERED), outcomes());
    }

    @Test
    void shouldTakeAnErrorThatMayBeOlderThanTheRollbackForTheSameAlsoAfterProbation() {
        rig.fake.errorAt(rig.time(29 * MS), "SIGSEGV");
        rig.fake.errorAt(rig.time(75 * MS), "SIGBUS", rig.time(29 * MS));
        rig.start();

        rig.runUntil(74 * MS);
        assertTrue(rig.record().checkpoints().taken() > 3, "still on probation");
        rig.runUntil(80 * MS);

        assertEquals(List.of(3L, 2L), triedIds());
        assertEquals(List.of(1, 2), attempts());
        assertEquals(List.of(Outcome.RETURNED, Outcome.RECOVERED), outcomes());
    }

    /** It holds something that no detector sees and that breaks the state again and again. */
    @Test
    void shouldTryAnOlderCheckpointAfterThreeNewErrorsFromTheSameOne() {
        for (long ms = 29; ms < 33; ms++) {
            rig.fake.errorAt(rig.time(ms * MS), "SIGSEGV", rig.time(ms * MS - 1));
        }
        rig.start();

        rig.runUntil(80 * MS);

        assertEquals(List.of(3L, 3L, 3L, 2L), triedIds());
        assertEquals(List.of(1, 1, 1, 1), attempts());
    }

    @Test
    void shouldTryTheSameCheckpointAgainWhenItIsAskedFor() {
        rig.start();
        rig.runUntil(25 * MS);
        for (int i = 0; i < 5; i++) {
            assertEquals(2, rig.engine().rollBack(OptionalLong.of(2)).toCheckpoint());
        }
        rig.fake.errorAt(rig.time(27 * MS), "SIGSEGV", rig.time(26 * MS));

        rig.runUntil(30 * MS);

        assertEquals(List.of(2L, 2L, 2L, 2L, 2L, 2L), triedIds());
    }

    @Test
    void shouldTakeNoCheckpointOnProbationAndGoOnAfterIt() {
        rig.fake.errorAt(rig.time(48 * MS), "SIGSEGV");
        rig.start();
        long probationEndNs = 48 * MS + 8 * MS + 4 * MS + EngineRig.INTERVAL_NS;

        rig.runUntil(probationEndNs - 1);
        assertEquals(List.of(1L, 2L, 3L, 4L, 5L), rig.keptIds());

        rig.runUntil(probationEndNs + 25 * MS);
        assertEquals(List.of(40 * MS, probationEndNs, 80 * MS, 90 * MS), rig.keptNs().subList(1, 5));
        assertEquals(2, rig.record().checkpoints().skipped());
    }

    @Test
    void shouldGoOnToAnOlderCheckpointWhenOneIsRefused() {
        rig.target.next(Failure.ROLLBACK_REFUSED, 2);
        rig.fake.errorAt(rig.time(47 * MS), "SIGSEGV");
        rig.start();

        rig.runUntil(60 * MS);

        assertEquals(List.of(5L, 4L, 3L), triedIds());
        assertEquals(List.of(1, 2, 3), attempts());
        assertEquals(List.of(Outcome.REFUSED, Outcome.REFUSED, Outcome.RECOVERED), outcomes());
        assertEquals(1, rig.heard.detections.size());
        assertTrue(rig.heard.warnings.get(0).contains("rollback to checkpoint 5 refused"), rig.heard.warnings.toString());
    }

    @Test
    void shouldGoOnToAnOlderCheckpointWhenARollbackCannotBegin() {
        rig.target.next(Failure.ROLLBACK_FAILS, 1);
        rig.fake.errorAt(rig.time(47 * MS), "SIGSEGV");
        rig.start();

        rig.runUntil(60 * MS);

        assertEquals(List.of(5L, 4L), triedIds());
        assertFalse(rig.engine().isDone());
        assertNull(rig.engine().broken());
    }

    @Test
    void shouldLetTheErrorTakeItsCourseWhenEveryCheckpointIsRefused() {
        rig.target.rate(Failure.ROLLBACK_REFUSED, 1);
        rig.fake.errorAt(rig.time(27 * MS), "SIGSEGV");
        rig.start();

        rig.runToTheEnd();

        assertEquals(List.of(3L, 2L, 1L), triedIds());
        assertEquals(1, rig.heard.givenUp.size());
        assertEquals(RunRecord.Exit.ofSignal("SIGSEGV"), rig.record().exit());
    }

    @Test
    void shouldKillATargetThatIsHalfRestored() {
        rig.target.next(Failure.ROLLBACK_BROKEN, 1);
        rig.fake.errorAt(rig.time(27 * MS), "SIGSEGV");
        rig.start();

        rig.runToTheEnd();

        assertNotNull(rig.engine().broken());
        assertEquals(Reason.BROKEN, rig.engine().broken().reason());
        assertTrue(rig.engine().broken().getMessage().contains("this rollback was to fail halfway"));
        assertEquals(List.of(Outcome.BROKEN), outcomes());
        assertEquals(RunRecord.Exit.ofSignal("SIGKILL"), rig.record().exit());
    }

    @Test
    void shouldEndWithATargetThatEndsInARollback() {
        rig.target.next(Failure.ROLLBACK_GONE, 1);
        rig.fake.errorAt(rig.time(27 * MS), "SIGSEGV");
        rig.start();

        rig.runToTheEnd();

        assertNull(rig.engine().broken());
        assertEquals(RunRecord.Exit.ofSignal("SIGKILL"), rig.record().exit());
    }

    @Test
    void shouldBringEveryTargetToItsEndOrGiveUp() {
        for (long seed = 0; seed < 100; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            try (EngineRig any = new EngineRig().keep(random.nextInt(1, 8))) {
                any.fake.endsAt(1_500 * MS, 0);
                any.fake.pauseNs(random.nextLong(12 * MS));
                any.fake.rollbackNs(random.nextLong(5 * MS));
                for (int i = 0; i < 12; i++) {
                    long timeNs = any.time(random.nextLong(MS, 1_500 * MS));
                    if (random.nextBoolean()) {
                        any.fake.errorAt(timeNs, "SIGSEGV");
                    } else {
                        any.fake.corruptAt(timeNs, random.nextLong(1, 30 * MS));
                    }
                }
                any.start();
                any.target.rate(Failure.CAPTURE_FAILS, 0.1);
                any.target.rate(Failure.CAPTURE_SHORT, 0.1);
                any.target.rate(Failure.ROLLBACK_REFUSED, 0.1);

                any.runToTheEnd();

                boolean gaveUp = !any.heard.givenUp.isEmpty();
                assertEquals(gaveUp ? RunRecord.Exit.ofSignal("SIGSEGV") : RunRecord.Exit.ofCode(0), any.record().exit(),
                        "seed " + seed);
                assertNull(any.engine().broken(), "seed " + seed);
            }
        }
    }
}
