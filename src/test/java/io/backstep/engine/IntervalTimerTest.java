// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class IntervalTimerTest {
    private final IntervalTimer timer = new IntervalTimer(10);

    @ParameterizedTest
    @ValueSource(longs = {0, -5, 1_000, Long.MAX_VALUE - 3, Long.MIN_VALUE})
    void shouldBeDueOneIntervalAfterTheStart(long start) {
        timer.start(start);

        assertFalse(timer.isDue(start));
        assertFalse(timer.isDue(start + 9));
        assertTrue(timer.isDue(start + 10));
        assertTrue(timer.isDue(start + 11));
        assertEquals(start + 10, timer.dueNs());
    }

    @ParameterizedTest
    @CsvSource({"110, 120, 0", "113, 120, 0", "119, 120, 0", "120, 130, 1", "125, 130, 1", "171, 180, 6"})
    void shouldBeDueAtTheNextWholeInterval(long triedAt, long dueNext, long skipped) {
        timer.start(100);

        timer.advance(triedAt);

        assertEquals(dueNext, timer.dueNs());
        assertEquals(skipped, timer.skipped());
        assertFalse(timer.isDue(triedAt));
    }

    @Test
    void shouldNotDriftWhenEveryTryIsLate() {
        timer.start(0);
        for (long due = 10; due < 10_000; due += 10) {
            assertEquals(due, timer.dueNs());
            timer.advance(due + 7);
        }
        assertEquals(0, timer.skipped());
    }

    @Test
    void shouldGoOnCountingSkippedIntervalsWhenStartedAgain() {
        timer.start(0);
        timer.advance(35);
        timer.start(1_000);
        timer.advance(1_025);

        assertEquals(2 + 1, timer.skipped());
        assertEquals(1_030, timer.dueNs());
    }
}
