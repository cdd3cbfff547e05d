// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.api.Test;

class OutlookTest {
    private static final long MS = 1_000_000;
    private static final ErrorLatency LATENCY = ErrorLatency.parse("exp:mean=50ms");

    @ParameterizedTest
    @CsvSource({"50, 2, 0.768", "50, 3, 0.914", "50, 5, 0.988", "10, 2, 0.258"})
    void shouldTellTheClosedFormOfTheLastOnes(long intervalMs, int count, double expected) {
        Outlook outlook = Outlook.of(new KeepLast(count), LATENCY, intervalMs * MS);

        double ratio = 50.0 / intervalMs;
        double closed = 1 - ratio * Math.exp(-(count - 1) / ratio) * -Math.expm1(-1 / ratio);
        assertEquals(expected, outlook.coverage(), 1e-3);
        assertEquals(closed, outlook.coverage(), 1e-9);
        assertEquals(count, outlook.mostKept());
        assertEquals(count, outlook.kept());
        assertEquals(count * intervalMs * MS, outlook.longestNs());
    }

    /**
     * With every checkpoint kept for ever, the newest clean one is on average half an interval older than the fault,
     * wherever in its interval that occurs.
     */
    @Test
    void shouldTellTheMeanLatencyAndHalfAnIntervalForAnEndlessHistory() {
        Outlook outlook = Outlook.of(new KeepLast(400), LATENCY, 10 * MS);

        assertEquals(1, outlook.coverage(), 1e-9);
        assertEquals(55 * MS, outlook.lostNs(), 1);
    }

    /** One checkpoint, errors at once: what was done since the capture is lost, half an interval on average. */
    @Test
    void shouldTellHalfAnIntervalForErrorsAtOnce() {
        Outlook outlook = Outlook.of(new KeepLast(1), ErrorLatency.parse("uniform:0..1ns"), 10 * MS);

        assertEquals(5 * MS, outlook.lostNs(), 1000);
    }

    @Test
    void shouldTellOfAVeryLongHistory() {
        ErrorLatency latency = ErrorLatency.parse("exp:mean=1h");

        assertEquals(1 - Math.exp(-1), Outlook.of(new KeepSpan(3_600_000 * MS), latency, MS).coverage(), 1e-3);
        assertEquals(1 - Math.exp(-1), Outlook.of(new KeepLast(3_600_000), latency, MS).coverage(), 1e-3);
    }
}
