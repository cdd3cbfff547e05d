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
        signs.seen(100);

        assertFalse(isMissed(100 + PATIENCE - 1));
        assertTrue(isMissed(100 + PATIENCE));
        assertEquals("heartbeat", event.detector());
    }

    @Test
    void shouldKnowWhenItStopped() {
        signs.seen(100);
        signs.seen(150);
        signs.seen(180);

        assertTrue(isMissed(180 + PATIENCE));

        assertEquals(150, event.earliestNs(0), "the sign before the last");
        assertEquals(180 + 50, event.latestNs(0), "when the next was due at the latest");
    }

    @Test
    void shouldTellAgainOnlyAfterItsPatience() {
        signs.seen(100);
        assertTrue(isMissed(1200));

        assertFalse(isMissed(1200 + PATIENCE - 1));
        assertTrue(isMissed(1200 + PATIENCE));
    }

    /** So that a rollback to a state in which it hangs already is known as one that has not helped. */
    @Test
    void shouldDateAHangBeforeTheRollbackAfterWhichNothingCame() {
        signs.seen(100);
        signs.seen(200);
        signs.anew(1250, 1260);

        assertFalse(isMissed(1260 + PATIENCE - 1));
        assertTrue(isMissed(1260 + PATIENCE));
        assertEquals(1250, event.earliestNs(0));

        signs.seen(3000);
        assertTrue(isMissed(3000 + PATIENCE));
        assertEquals(3000, event.earliestNs(0), "a new hang");
    }
}
