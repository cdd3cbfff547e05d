// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

import io.backstep.core.Checkpoint;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.KeepLast;
import io.backstep.retain.RecoveryOrder;
import io.backstep.retain.Retention;
import org.junit.jupiter.api.Test;

class RecoveryTest {
    private static final Checkpoint FIRST = new Checkpoint(3, 100, null);
    private static final Checkpoint SECOND = new Checkpoint(5, 200, null);
    private static final Checkpoint THIRD = new Checkpoint(9, 300, null);
    private static final List<Checkpoint> KEPT = List.of(FIRST, SECOND, THIRD);

    private final Recovery recovery = new Recovery(new KeepLast(3), 50);

    /** By somebody who does not know when it occurred. */
    private boolean noticed(long nowNs) {
        return recovery.errorNoticed(recovery.assumedEarliestNs(nowNs), Retention.UNKNOWN_NS, nowNs, nowNs);
    }

    @Test
    void shouldTryTheNewestFirstThenOlderOnes() {
        noticed(400);
        for (Checkpoint expected : List.of(THIRD, SECOND, FIRST)) {
            assertEquals(expected, recovery.next(KEPT));
            recovery.tried(expected);
        }
        assertNull(recovery.next(KEPT));
        assertEquals(4, recovery.nextAttempt());
    }

    @Test
    void shouldTryNoneThatWasTakenAfterTheErrorOccurred() {
        noticed(299);
        assertEquals(SECOND, recovery.next(KEPT));

        noticed(200);
        assertEquals(SECOND, recovery.next(KEPT));

        noticed(99);
        assertNull(recovery.next(KEPT));
    }

    @Test
    void shouldEscalateForAnErrorOnProbation() {
        noticed(400);
        recovery.tried(THIRD);
        recovery.rolledBack(THIRD, 400, 410);
        assertTrue(recovery.isOnProbation(410));

        noticed(450);

        assertEquals(SECOND, recovery.next(KEPT));
        assertEquals(2, recovery.nextAttempt());
    }

    @Test
    void shouldStartAnewForAnErrorAfterProbation() {
        noticed(400);
        recovery.tried(THIRD);
        recovery.rolledBack(THIRD, 400, 410);
        assertFalse(recovery.isOnProbation(610));

        noticed(610);

        assertEquals(THIRD, recovery.next(KEPT));
        assertEquals(1, recovery.nextAttempt());
    }

    @Test
    void shouldWatchForOneAndAHalfTimesTheAgeAndAnInterval() {
        noticed(400);
        recovery.tried(THIRD);

        recovery.rolledBack(THIRD, 400, 1_000);

        assertEquals(1_000 + 150 + 50, recovery.probationEndNs());
    }

    @Test
    void shouldStartAnewForAnErrorAfterAllWereRefused() {
        noticed(400);
        KEPT.forEach(recovery::tried);

        noticed(500);

        assertEquals(THIRD, recovery.next(KEPT));
    }

    @Test
    void shouldStartAnewForAnErrorThatOccurredAfterTheRollback() {
        noticed(400);
        recovery.tried(THIRD);
        recovery.rolledBack(THIRD, 400, 410);

        assertFalse(recovery.errorNoticed(401, Retention.UNKNOWN_NS, 450, 450));

        assertEquals(THIRD, recovery.next(KEPT));
        assertEquals(1, recovery.nextAttempt());
    }

    @Test
    void shouldEscalateForAnErrorThatMayBeOlderThanTheRollbackAtAnyTime() {
        noticed(400);
        recovery.tried(THIRD);
        recovery.rolledBack(THIRD, 400, 410);

        assertTrue(recovery.errorNoticed(400, Retention.UNKNOWN_NS, 9_000, 9_000));

        assertEquals(SECOND, recovery.next(KEPT));
    }

    @Test
    void shouldEscalateWhenTheSameWasRestoredThreeTimes() {
        for (long nowNs = 400; nowNs < 403; nowNs++) {
            recovery.errorNoticed(nowNs, Retention.UNKNOWN_NS, nowNs, nowNs);
            assertEquals(THIRD, recovery.next(KEPT));
            recovery.tried(THIRD);
            recovery.rolledBack(THIRD, nowNs, nowNs);
        }

        recovery.errorNoticed(403, Retention.UNKNOWN_NS, 403, 403);
        assertEquals(SECOND, recovery.next(KEPT));

        Checkpoint newer = new Checkpoint(10, 402, null);
        assertEquals(newer, recovery.next(List.of(FIRST, SECOND, THIRD, newer)), "a newer one is better");
    }

    /** Newest first would try them all; the latency says that only the oldest can be clean. */
    @Test
    void shouldTryWhatTheErrorLatencySays() {
        Recovery byLatency = new Recovery(keep("uniform:250ns..290ns"), 50);
        byLatency.errorNoticed(400, Retention.UNKNOWN_NS, 400, 400);

        assertEquals(FIRST, byLatency.next(KEPT));
    }

    @Test
    void shouldTryANewerOneWhenTheBestIsRefused() {
        Recovery byLatency = new Recovery(keep("uniform:150ns..190ns"), 50);
        byLatency.errorNoticed(400, Retention.UNKNOWN_NS, 400, 400);
        assertEquals(SECOND, byLatency.next(KEPT));

        byLatency.tried(SECOND);
        assertEquals(FIRST, byLatency.next(KEPT));

        byLatency.tried(FIRST);
        assertEquals(THIRD, byLatency.next(KEPT));
    }

    /** By the latency alone only the oldest could be clean. */
    @Test
    void shouldTryTheNewestThatIsKnownToBeClean() {
        Recovery byLatency = new Recovery(keep("uniform:250ns..290ns"), 50);
        byLatency.errorNoticed(310, 310, 310, 400);
        assertEquals(THIRD, byLatency.next(KEPT));

        byLatency.errorNoticed(210, 210, 310, 400);
        assertEquals(SECOND, byLatency.next(KEPT));
    }

    /** At 400 the fault was of the early kind; since it came back from 300, it is of the late one. */
    @Test
    void shouldLearnFromAnAttemptThatFailed() {
        Recovery byLatency = new Recovery(keep("mix:0.9*uniform:0..50ns+0.1*uniform:210ns..250ns"), 50);
        byLatency.errorNoticed(400, Retention.UNKNOWN_NS, 400, 400);
        assertEquals(THIRD, byLatency.next(KEPT));
        byLatency.tried(THIRD);
        byLatency.rolledBack(THIRD, 400, 410);

        byLatency.errorNoticed(400, Retention.UNKNOWN_NS, 500, 500);

        assertEquals(FIRST, byLatency.next(KEPT));
    }

    @Test
    void shouldTakeAFaultForPermanentThatComesBackFromWhatIsMostLikelyClean() {
        Recovery byLatency = new Recovery(keep("uniform:0..310ns"), 50);
        byLatency.errorNoticed(400, Retention.UNKNOWN_NS, 400, 400);
        byLatency.tried(FIRST);
        byLatency.rolledBack(FIRST, 400, 410);
        byLatency.errorNoticed(400, Retention.UNKNOWN_NS, 700, 700);
        assertNull(byLatency.next(KEPT));

        assertEquals("the fault seems to be permanent: the error came back from a checkpoint that was clean with a "
                + "probability of 0.9677", byLatency.giveUp());
    }

    @Test
    void shouldTakeNoFaultForPermanentThatWasNeverRolledBack() {
        Recovery byLatency = new Recovery(keep("uniform:0..10ns"), 50);
        byLatency.errorNoticed(400, Retention.UNKNOWN_NS, 400, 400);
        KEPT.forEach(byLatency::tried);

        assertEquals("", byLatency.giveUp());
    }

    private static Retention keep(String latency) {
        ErrorLatency parsed = ErrorLatency.parse(latency);
        return new KeepCoverage(parsed, 0.9, 100, 3, new RecoveryOrder(parsed, 1));
    }

    @Test
    void shouldLeaveAnErrorAloneThatIsStillThereWhenNothingWasLeftToTry() {
        noticed(400);
        recovery.tried(FIRST);
        recovery.rolledBack(FIRST, 400, 410);
        assertTrue(recovery.errorNoticed(399, Retention.UNKNOWN_NS, 420, 420));
        assertNull(recovery.next(KEPT));
        assertFalse(recovery.isGivenUp(399));

        recovery.giveUp();

        assertTrue(recovery.isGivenUp(399));
        assertFalse(recovery.isGivenUp(430), "it was gone in between");
        recovery.errorNoticed(430, Retention.UNKNOWN_NS, 440, 440);
        assertEquals(THIRD, recovery.next(KEPT));
    }
}
