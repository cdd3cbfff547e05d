// SPDX-License-Identifier: Apache-2.0
package io.backstep.target;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;

import io.backstep.core.BackstepException.Reason;
import io.backstep.core.TargetEvent.Kind;
import io.backstep.target.Shadow.Moment;
import org.junit.jupiter.api.Test;

/**
 * What targets that are programs promise besides. Left to itself the program gives pages back now and then, and exits with 0 after some
 * seconds.
 */
public abstract class ProgramContractTest extends TargetContractTest {
    private static final int MANY = 200;

    @Test
    protected void shouldTellPagesThatWereGivenBack() {
        shadow.capture();
        long told = 0;
        for (int i = 0; i < MANY && told == 0; i++) {
            Set<Long> before = new HashSet<>(shadow.pages().keySet());
            runOnAndHalt();
            shadow.capture();
            told = shadow.lastCapture().dropped().pageCount();
            for (long k = 0; k < told; k++) {
                assertTrue(before.contains(shadow.lastCapture().dropped().page(k)), "told of a page that had no content");
            }
        }

        assertTrue(told > 0, "no page was given back in " + MANY + " intervals");
        assertAllTold();
    }

    @Test
    void shouldComeToTheSameEndAfterRollbacks() {
        for (int i = 0; i < 10; i++) {
            Moment moment = shadow.capture();
            runOn();
            shadow.rollBack(moment);
            runOnAndHalt();
        }
        target.resume();

        target.await(clock().getAsLong() + LONG_NS, event);

        assertEquals(Kind.ENDED, event.kind(), event.detail());
        assertEquals(0, event.exitCode());
        assertNull(event.exitSignal());
    }

    /* ---- ends ---- */

    @Test
    void shouldEndByItself() {
        shadow.capture();
        target.resume();

        target.await(clock().getAsLong() + LONG_NS, event);

        assertEquals(Kind.ENDED, event.kind(), event.detail());
        assertEquals(0, event.exitCode());
        assertNull(event.exitSignal());
        assertEquals(Reason.GONE, reasonOf(target::halt));
        assertEquals(Reason.GONE, reasonOf(shadow::capture));
    }

    @Test
    void shouldTellItsEndAgain() {
        target.kill();
        for (int i = 0; i < 2; i++) {
            target.await(clock().getAsLong() + LONG_NS, event);

            assertEquals(Kind.ENDED, event.kind());
            assertEquals("SIGKILL", event.exitSignal());
        }
    }

    @Test
    void shouldBeGoneOnceKilledThoughItWasHalted() {
        Moment moment = shadow.capture();
        target.kill();

        assertEquals(Reason.GONE, reasonOf(() -> shadow.rollBack(moment)));
        assertEquals(Reason.GONE, reasonOf(shadow::capture));
        assertEquals(Reason.GONE, reasonOf(target::halt));
    }

    @Test
    void shouldRunOnToItsEndWhenTrackingStops() {
        shadow.capture();
        runOnAndHalt();
        target.stopTracking();
        target.resume();

        target.await(clock().getAsLong() + LONG_NS, event);

        assertEquals(Kind.ENDED, event.kind(), event.detail());
        assertEquals(0, event.exitCode());
    }
}
