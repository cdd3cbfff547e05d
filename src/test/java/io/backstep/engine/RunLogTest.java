// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Collectors;
import java.util.Map;

import io.backstep.core.Capture;
import io.backstep.core.Fault;
import io.backstep.core.Phase;
import io.backstep.engine.RollbackRecord.Outcome;
import org.HdrHistogram.Histogram;
import org.junit.jupiter.api.Test;

class RunLogTest {
    private final RunLog log = new RunLog();

    private void capture(long pauseNs, int pages, long heldBytes) {
        try (Capture capture = new Capture()) {
            for (long page = 0; page < pages; page++) {
                capture.pages().add(page);
            }
            capture.pauseNs(pauseNs);
            capture.phaseNs(Phase.SCAN, pauseNs / 2);
            capture.trackedPages(1_000 + pages);
            log.captured(capture, capture.pages().size(), capture.pages().size() + 5, 0, heldBytes, capture.pauseNs());
        }
    }

    private static RollbackRecord rollback(Outcome outcome) {
        return new RollbackRecord(1, 2, 3, 1, 4, 5, outcome);
    }

    @Test
    void shouldBeEmptyAtFirst() {
        assertEquals(HistogramSummary.EMPTY, log.pauseTimes().us());
        assertEquals(0, log.pageCounts(RunRecord.PredictionScore.NONE).dirtyMean());
        assertEquals(0, log.taken());
        assertEquals(List.of(), log.events().rollbacks());
    }

    @Test
    void shouldSumUpCaptures() {
        capture(2_000, 10, 700);
        capture(6_000, 30, 100);

        assertEquals(2, log.taken());
        assertEquals(0.008, log.pauseTimes().totalMs(), 1e-9);
        assertEquals(6.0, log.pauseTimes().us().max(), 0.01);
        assertEquals(1.0, log.pauseTimes().phaseUs().get(Phase.SCAN).p50(), 0.01);
        assertEquals(20.0, log.pageCounts(RunRecord.PredictionScore.NONE).dirtyMean());
        assertEquals(25.0, log.pageCounts(RunRecord.PredictionScore.NONE).copiedMean());
        assertEquals(1_030, log.pageCounts(RunRecord.PredictionScore.NONE).tracked());
        assertEquals(700, log.peakHeldBytes());
    }

    @Test
    void shouldTellTheLastCaptureInASnapshot() {
        log.started(1_000_000);
        capture(2_000, 10, 0);
        capture(6_000, 30, 0);

        StatusSnapshot snapshot = log.snapshot(3_500_000, 50, 7, 99, null, null);

        assertEquals(new StatusSnapshot(2.5, 50, 30, 6.0, 7, 0, 0, 99, null, null), snapshot);
    }

    @Test
    void shouldTakePausesThatNoHistogramHolds() {
        capture(-1, 0, 0);
        capture(Long.MAX_VALUE / 2, 0, 0);

        assertEquals(2, log.pauseTimes().us().count());
    }

    @Test
    void shouldKnowTheLatencyOfAFaultOnce() {
        log.started(0);
        log.injected(new Fault(10_000_000, "memory", "here", 1, Fault.UNNOTICED));

        DetectionRecord first = log.detected("signal", "SIGSEGV", 12_000_000);
        DetectionRecord second = log.detected("signal", "SIGSEGV", 15_000_000);

        assertEquals(new DetectionRecord(12.0, "signal", "SIGSEGV", 2.0), first);
        assertEquals(Double.NaN, second.latencyMs());
        assertEquals(List.of(first, second), log.events().detections());
        assertEquals(1, log.events().latencyMs().count());
        assertEquals(10.0, log.events().faults().get(0).atMs());
    }

    /** So that retention can be given the latency of each. */
    @Test
    void shouldHaveLatenciesByDetector() {
        log.started(0);
        for (String detector : List.of("signal", "hang", "hang")) {
            log.injected(new Fault(10_000_000, "memory", "here", 1, Fault.UNNOTICED));
            log.detected(detector, "it", 12_000_000);
        }

        Map<String, Long> counts = log.histograms().stream().filter(each -> each.getTag().startsWith("latency-"))
                .collect(Collectors.toMap(Histogram::getTag, Histogram::getTotalCount));

        assertEquals(Map.of("latency-ns", 3L, "latency-hang-ns", 2L, "latency-signal-ns", 1L), counts);
    }

    @Test
    void shouldMeasureFromTheLastFault() {
        log.injected(new Fault(10_000_000, "memory", "here", 1, Fault.UNNOTICED));
        log.injected(new Fault(14_000_000, "memory", "there", 2, Fault.UNNOTICED));

        assertEquals(1.0, log.detected("signal", "SIGSEGV", 15_000_000).latencyMs());
    }

    @Test
    void shouldCorrectTheOutcomeOfTheLastRollback() {
        log.rolledBack(rollback(Outcome.RECOVERED), 1);
        log.rolledBack(rollback(Outcome.RECOVERED), 1);

        log.lastRollbackFailed();

        assertEquals(List.of(Outcome.RECOVERED, Outcome.RETURNED), log.events().rollbacks().stream().map(RollbackRecord::outcome).toList());
    }

    @Test
    void shouldLeaveTheOutcomeOfARefusedRollback() {
        log.lastRollbackFailed();
        log.rolledBack(rollback(Outcome.REFUSED), 1);

        log.lastRollbackFailed();

        assertEquals(Outcome.REFUSED, log.events().rollbacks().get(0).outcome());
    }

    @Test
    void shouldTakeEachWarningOnce() {
        assertTrue(log.warned("a"));
        assertTrue(log.warned("b"));
        assertFalse(log.warned("a"));
        assertEquals(List.of("a", "b"), log.warnings());
    }

    @Test
    void shouldKeepTheFirstAndTheLastOfVeryMany() {
        for (long i = 0; i < 5_000; i++) {
            log.injected(new Fault(i, "memory", "here", i, Fault.UNNOTICED));
            log.detected("signal", "error " + i, i);
            log.rolledBack(new RollbackRecord(0, i, 0, 1, 0, 0, Outcome.RECOVERED), 1);
        }
        log.lastRollbackFailed();

        RunRecord.Events events = log.events();
        List<Long> kept = events.rollbacks().stream().map(RollbackRecord::toCheckpoint).toList();
        assertEquals(1_100, kept.size());
        assertEquals(List.of(0L, 99L, 4_000L, 4_999L), List.of(kept.get(0), kept.get(99), kept.get(100), kept.get(1_099)));
        assertEquals("error 4000", events.detections().get(100).what());
        assertEquals(4_000, events.faults().get(100).seed());
        assertEquals(new RunRecord.LeftOut(3_900, 3_900, 3_900), events.leftOut());
        assertEquals(Outcome.RETURNED, events.rollbacks().get(1_099).outcome());
        assertEquals(5_000, log.snapshot(0, 50, 1, 0, null, null).rollbacks());
        assertEquals(5_000, log.snapshot(0, 50, 1, 0, null, null).errors());
    }

    @Test
    void shouldTellWhatCameSince() {
        for (long i = 0; i < 5_000; i++) {
            log.rolledBack(new RollbackRecord(0, i, 0, 1, 0, 0, Outcome.RECOVERED), 1);
        }
        assertEquals(5_000, log.rollbackCount());
        assertEquals(List.of(4_998L, 4_999L),
                log.rollbacksSince(4_998).stream().map(RollbackRecord::toCheckpoint).toList());
        assertEquals(List.of(), log.rollbacksSince(5_000));
    }

    @Test
    void shouldTakeNoMoreWarningsThanAnybodyReads() {
        for (int i = 0; i < 5_000; i++) {
            log.warned("warning " + i);
        }
        assertEquals(1_000, log.warnings().size());
    }
}
