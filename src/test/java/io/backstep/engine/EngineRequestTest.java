// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.engine.EngineRig.MS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.engine.RollbackRecord.Outcome;
import io.backstep.target.FaultyTarget.Failure;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EngineRequestTest {
    private final EngineRig rig = new EngineRig();

    @AfterEach
    void close() {
        rig.close();
    }

    private static BackstepException failureOf(CompletableFuture<?> answer) {
        return (BackstepException) assertThrows(CompletionException.class, answer::join).getCause();
    }

    @Test
    void shouldEndItsWaitToAnswer() {
        rig.start();
        rig.runUntil(23 * MS);
        CompletableFuture<StatusSnapshot> answer = rig.engine().requestStatus();

        rig.engine().doWork();

        StatusSnapshot status = answer.join();
        assertEquals(23.0, status.elapsedMs());
        assertEquals(10.0, status.intervalMs());
        assertEquals(3, status.kept());
        assertTrue(status.dirtyPages() > 0);
        assertEquals(0, status.errors());
        assertEquals(0, status.rollbacks());
        assertEquals(23 * 3, status.heldBytes());
    }

    @Test
    void shouldAnswerOtherThreads() throws InterruptedException {
        rig.start();
        CompletableFuture<Void> asked = CompletableFuture.runAsync(() -> {
            long id = rig.engine().requestCheckpoint().join();
            assertTrue(rig.engine().requestRollback(OptionalLong.empty()).join().toCheckpoint() >= id);
            assertEquals(1, rig.engine().requestStatus().join().rollbacks());
            rig.engine().requestDetach().join();
        });

        while (!asked.isDone()) {
            rig.engine().doWork();
        }

        asked.join();
        assertTrue(rig.fake.isClosed());
    }

    @Test
    void shouldKillTheTargetAndRefuseWhoAsksWhenItsThreadFails() {
        rig.start();
        CompletableFuture<StatusSnapshot> asked = rig.engine().requestStatus();
        Error cause = new AssertionError("a listener's");

        rig.engine().fail(cause);

        assertEquals(Reason.GONE, failureOf(asked).reason());
        assertEquals(Reason.GONE, failureOf(rig.engine().requestCheckpoint()).reason());
        assertEquals(Reason.BROKEN, rig.engine().broken().reason());
        assertSame(cause, rig.engine().broken().getCause());
        assertTrue(rig.engine().isDone());
    }

    @Test
    void shouldTakeACheckpointBetweenIntervals() {
        rig.start();
        rig.runUntil(23 * MS);
        CompletableFuture<Long> answer = rig.engine().requestCheckpoint();

        rig.runUntil(31 * MS);

        assertEquals(4L, answer.join());
        assertEquals(List.of(0L, 10 * MS, 20 * MS, 23 * MS, 30 * MS), rig.keptNs());
    }

    @Test
    void shouldTellWhoAskedThatACheckpointFailed() {
        rig.start();
        rig.runUntil(23 * MS);
        rig.target.next(Failure.CAPTURE_FAILS, 1);
        CompletableFuture<Long> answer = rig.engine().requestCheckpoint();

        rig.runUntil(25 * MS);

        assertEquals(Reason.FAILED, failureOf(answer).reason());
        assertEquals(List.of(1L, 2L, 3L), rig.keptIds());
        assertFalse(rig.engine().isDone());
    }

    @Test
    void shouldRollBackToTheCheckpointThatIsAskedFor() {
        rig.start();
        rig.runUntil(43 * MS);
        CompletableFuture<RollbackRecord> answer = rig.engine().requestRollback(OptionalLong.of(2));

        rig.runUntil(44 * MS);

        RollbackRecord rollback = answer.join();
        assertEquals(2, rollback.toCheckpoint());
        assertEquals(33.0, rollback.ageMs());
        assertEquals(Outcome.RECOVERED, rollback.outcome());
        assertEquals(List.of(1L, 2L), rig.keptIds());
        assertEquals(11 * MS, rig.fake.progressNs());
        assertEquals(List.of("ctl"), rig.heard.detections.stream().map(DetectionRecord::detector).toList());
        assertEquals(1, rig.heard.rollbacks.size());
    }

    @Test
    void shouldRollBackToTheNewestWhenNoneIsNamed() {
        rig.start();
        rig.runUntil(43 * MS);
        CompletableFuture<RollbackRecord> answer = rig.engine().requestRollback(OptionalLong.empty());

        rig.runUntil(44 * MS);

        assertEquals(5, answer.join().toCheckpoint());
    }

    @Test
    void shouldGoFurtherBackWhenAskedAgainOnProbation() {
        rig.start();
        rig.runUntil(43 * MS);
        CompletableFuture<RollbackRecord> first = rig.engine().requestRollback(OptionalLong.empty());
        rig.runUntil(44 * MS);
        CompletableFuture<RollbackRecord> second = rig.engine().requestRollback(OptionalLong.empty());

        rig.runUntil(45 * MS);

        assertEquals(5, first.join().toCheckpoint());
        assertEquals(4, second.join().toCheckpoint());
        assertEquals(2, second.join().attempt());
    }

    @Test
    void shouldNameTheKeptCheckpointsWhenAnotherIsAskedFor() {
        rig.start();
        rig.runUntil(23 * MS);
        CompletableFuture<RollbackRecord> answer = rig.engine().requestRollback(OptionalLong.of(17));

        rig.runUntil(25 * MS);

        assertEquals(Reason.FAILED, failureOf(answer).reason());
        assertEquals("checkpoint 17 is not kept; kept are 1, 2, 3", failureOf(answer).getMessage());
        assertEquals(25 * MS, rig.fake.progressNs());
        assertEquals(List.of(), rig.heard.detections);
    }

    @Test
    void shouldRunOnWhenTheRollbackIsRefused() {
        rig.start();
        rig.runUntil(23 * MS);
        rig.target.rate(Failure.ROLLBACK_REFUSED, 1);
        CompletableFuture<RollbackRecord> answer = rig.engine().requestRollback(OptionalLong.empty());

        rig.runUntil(25 * MS);

        assertEquals(Reason.REFUSED, failureOf(answer).reason());
        assertFalse(rig.fake.isStanding());
        assertEquals(25 * MS, rig.fake.progressNs());
    }

    @Test
    void shouldTellWhoAskedThatTheRollbackFailedHalfway() {
        rig.start();
        rig.runUntil(23 * MS);
        rig.target.next(Failure.ROLLBACK_BROKEN, 1);
        CompletableFuture<RollbackRecord> answer = rig.engine().requestRollback(OptionalLong.empty());

        rig.runToTheEnd();

        assertEquals(Reason.BROKEN, failureOf(answer).reason());
        assertEquals(List.of(Outcome.BROKEN), rig.heard.rollbacks.stream().map(RollbackRecord::outcome).toList());
    }

    @Test
    void shouldTellWhoAskedThatTheTargetEndedInTheRollback() {
        rig.start();
        rig.runUntil(23 * MS);
        rig.target.next(Failure.ROLLBACK_GONE, 1);
        CompletableFuture<RollbackRecord> answer = rig.engine().requestRollback(OptionalLong.of(2));

        rig.runToTheEnd();

        assertEquals(Reason.GONE, failureOf(answer).reason());
    }

    @Test
    void shouldTryTheNewestForAnErrorAfterARefusedRequest() {
        rig.start();
        rig.runUntil(23 * MS);
        rig.target.rate(Failure.ROLLBACK_REFUSED, 1);
        rig.engine().requestRollback(OptionalLong.empty());
        rig.runUntil(25 * MS);
        rig.target.rate(Failure.ROLLBACK_REFUSED, 0);
        rig.fake.raise("SIGSEGV");

        rig.runUntil(27 * MS);

        RollbackRecord last = rig.heard.rollbacks.get(rig.heard.rollbacks.size() - 1);
        assertEquals(3, last.toCheckpoint());
        assertEquals(1, last.attempt());
    }

    @Test
    void shouldLetTheTargetGoWhenAsked() {
        rig.start();
        rig.runUntil(23 * MS);
        CompletableFuture<Void> answer = rig.engine().requestDetach();

        rig.engine().doWork();

        answer.join();
        assertTrue(rig.engine().isDone());
        assertTrue(rig.fake.isClosed());
        assertEquals(RunRecord.Exit.NONE, rig.record().exit());
    }

    @Test
    void shouldRefuseWhatIsAskedTogetherWithTheEnd() {
        rig.start();
        rig.runUntil(23 * MS);
        CompletableFuture<Void> detach = rig.engine().requestDetach();
        CompletableFuture<Long> late = rig.engine().requestCheckpoint();

        rig.engine().doWork();

        detach.join();
        assertEquals(Reason.GONE, failureOf(late).reason());
    }

    @Test
    void shouldRefuseWhatIsAskedAfterTheEnd() {
        rig.fake.endsAt(10 * MS, 0);
        rig.start();
        rig.runToTheEnd();

        assertEquals(Reason.GONE, failureOf(rig.engine().requestStatus()).reason());
        assertEquals(Reason.GONE, failureOf(rig.engine().requestRollback(OptionalLong.empty())).reason());
        assertEquals(Reason.GONE, failureOf(rig.engine().requestDetach()).reason());
    }

    @Test
    void shouldRefuseWhatIsStillAskedWhenItIsClosed() {
        rig.start();
        CompletableFuture<Long> answer = rig.engine().requestCheckpoint();

        rig.engine().close();

        assertEquals(Reason.GONE, failureOf(answer).reason());
        assertTrue(rig.fake.isClosed());
    }
}
