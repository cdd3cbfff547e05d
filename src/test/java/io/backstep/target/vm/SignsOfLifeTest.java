// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.TargetEvent;
import org.junit.jupiter.api.Test;

class SignsOfLifeTest {
    private static final long PATIENCE = 1000;

    private final SignsOfLife signs = new SignsOfLife("beat", PATIENCE);
    private final TargetEvent event = new TargetEvent();

    private boolean isMissed(long now) {
        event.none();
        return signs.tellIfMissed(now, event);
    }

    @Test
    void shouldMissNothingBeforeTheFirst() {
        assertFalse(isMissed(1_000_000));
    }

    @Test
    void shouldMissThemAfterItsPatience() {
        signs.seen(90, 100);

        assertFalse(isMissed(100 + PATIENCE - 1));
        assertTrue(isMissed(100 + PATIENCE));
        assertEquals("heartbeat", event.detector());
    }

    @Test
    void shouldNotTryStatesFromAfterTheLastSign() {
        signs.seen(140, 150);
        signs.seen(170, 180);

        assertTrue(isMissed(180 + PATIENCE));

        assertEquals(170, event.latestNs(0));
        assertEquals(-1, event.earliestNs(-1), "what makes it stop may be older");
    }

    @Test
    void shouldTellAgainOnlyAfterItsPatience() {
        signs.seen(90, 100);
        assertTrue(isMissed(1200));

        assertFalse(isMissed(1200 + PATIENCE - 1));
        assertTrue(isMissed(1200 + PATIENCE));
    }

    /** So that a rollback to a state in which it hangs already is known as one that has not helped. */
    @Test
    void shouldDateAHangBeforeTheRollbackAfterWhichNothingCame() {
        signs.seen(90, 100);
        signs.anew(1250, 1260);

        assertFalse(isMissed(1260 + PATIENCE - 1));
        assertTrue(isMissed(1260 + PATIENCE));
        assertEquals(1250, event.earliestNs(-1));
        assertEquals(1260, event.latestNs(-1));
    }

    /** A state may hold what will make it stop, and show signs of life before. Only the engine knows how long that can take. */
    @Test
    void shouldNotKnowAHangAsANewOneBecauseSomethingCameAfterTheRollback() {
        signs.seen(90, 100);
        signs.anew(1250, 1260);
        signs.seen(1290, 1300);

        assertTrue(isMissed(1300 + PATIENCE));

        assertEquals(-1, event.earliestNs(-1));
        assertEquals(1290, event.latestNs(-1));
    }
}
