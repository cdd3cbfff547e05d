// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

import io.backstep.core.Checkpoint;
import io.backstep.retain.KeepLast;
import org.junit.jupiter.api.Test;

class RecoveryTest {
    private static final Checkpoint FIRST = new Checkpoint(3, 100, null);
    private static final Checkpoint SECOND = new Checkpoint(5, 200, null);
    private static final Checkpoint THIRD = new Checkpoint(9, 300, null);
    private static final List<Checkpoint> KEPT = List.of(FIRST, SECOND, THIRD);

    private final Recovery recovery = new Recovery(new KeepLast(3), 50);

    @Test
    void shouldTryTheNewestFirstThenOlderOnes() {
        recovery.errorNoticed(400);
        for (Checkpoint expected : List.of(THIRD, SECOND, FIRST)) {
            assertEquals(expected, recovery.next(KEPT));
            recovery.tried(expected);
        }
        assertNull(recovery.next(KEPT));
        assertEquals(4, recovery.nextAttempt());
    }

    @Test
    void shouldTryNoneThatWasTakenAfterTheErrorOccurred() {
        recovery.errorNoticed(299);
        assertEquals(SECOND, recovery.next(KEPT));

        recovery.errorNoticed(200);
        assertEquals(SECOND, recovery.next(KEPT));

        recovery.errorNoticed(99);
        assertNull(recovery.next(KEPT));
    }

    @Test
    void shouldEscalateForAnErrorOnProbation() {
        recovery.errorNoticed(400);
        recovery.tried(THIRD);
        recovery.rolledBack(100, 410);
        assertTrue(recovery.isOnProbation(410));

        recovery.errorNoticed(450);

        assertEquals(SECOND, recovery.next(KEPT));
        assertEquals(2, recovery.nextAttempt());
    }

    @Test
    void shouldStartAnewForAnErrorAfterProbation() {
        recovery.errorNoticed(400);
        recovery.tried(THIRD);
        recovery.rolledBack(100, 410);
        recovery.endProbation();
        assertFalse(recovery.isOnProbation(410));

        recovery.errorNoticed(900);

        assertEquals(THIRD, recovery.next(KEPT));
        assertEquals(1, recovery.nextAttempt());
    }

    @Test
    void shouldWatchForOneAndAHalfTimesTheAgeAndAnInterval() {
        recovery.errorNoticed(400);
        recovery.tried(THIRD);

        recovery.rolledBack(100, 1_000);

        assertEquals(1_000 + 150 + 50, recovery.probationEndNs());
    }

    @Test
    void shouldStartAnewForAnErrorAfterAllWereRefused() {
        recovery.errorNoticed(400);
        KEPT.forEach(recovery::tried);

        recovery.errorNoticed(500);

        assertEquals(THIRD, recovery.next(KEPT));
    }
}
