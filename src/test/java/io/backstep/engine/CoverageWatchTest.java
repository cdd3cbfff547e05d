// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

import io.backstep.core.Checkpoint;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepCoverage;
import org.junit.jupiter.api.Test;

class CoverageWatchTest {
    private static final long MS = 1_000_000;
    private static final KeepCoverage KEEP = new KeepCoverage(ErrorLatency.parse("uniform:0..100ms"), 0.9, 2, 5);

    private final CoverageWatch watch = new CoverageWatch();

    /** A history as long as a share of all latencies. */
    private String captured(double covered, boolean dropped) {
        return watch.captured(KEEP,
                List.of(new Checkpoint(1, 0, null), new Checkpoint(2, (long) (covered * 100 * MS), null)), dropped);
    }

    @Test
    void shouldSayNothingWhileAHistoryGrows() {
        for (double covered = 0; covered < 1; covered += 0.1) {
            assertNull(captured(covered, false));
        }
        assertTrue(Double.isNaN(watch.least()));
        assertEquals(0, watch.shortages());
    }

    @Test
    void shouldSayNothingWhenWhatIsDroppedCostsNoCoverage() {
        assertNull(captured(0.95, true));
        assertEquals(0, watch.shortages());
    }

    @Test
    void shouldSpeakOnceForEachTenthThatIsLost() {
        assertEquals("the memory budget is used up: of the errors 75.0% are covered, not 90%", captured(0.75, true));
        assertNull(captured(0.77, true));
        assertNull(captured(0.81, true));
        assertNull(captured(0.71, true));
        assertTrue(captured(0.55, true).contains("55.0%"));
        assertNull(captured(0.75, true));
        assertNull(captured(0.55, true));
        assertEquals(1, watch.shortages());
        assertEquals(0.55, watch.least(), 1e-6);
    }

    @Test
    void shouldSayOnceThatAllIsCoveredAgain() {
        captured(0.75, true);
        for (int i = 0; i < 31; i++) {
            assertNull(captured(0.95, false));
        }
        assertEquals("memory suffices again: of the errors 90% are covered", captured(0.95, false));
        assertNull(captured(0.95, false));

        assertTrue(captured(0.75, true).contains("75.0%"), "a new shortage is told");
        assertEquals(2, watch.shortages());
    }

    @Test
    void shouldNotSayThatForAMoment() {
        captured(0.75, true);
        for (int i = 0; i < 100; i++) {
            assertNull(captured(i % 20 == 0 ? 0.79 : 0.95, true));
        }
    }
}
