// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.engine.DetectionRecord;
import io.backstep.engine.FaultRecord;
import io.backstep.engine.HistogramSummary;
import io.backstep.engine.RollbackRecord;
import io.backstep.engine.RunRecord;
import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SummaryTest {
    @Test
    void shouldTellAnEventfulRunAsSealed() throws IOException {
        assertEquals(SampleRuns.golden("eventful.txt"), Summary.render(SampleRuns.eventful()));
    }

    @Test
    void shouldTellAnUneventfulRunAsSealed() throws IOException {
        assertEquals(SampleRuns.golden("uneventful.txt"), Summary.render(SampleRuns.uneventful()));
    }

    @Test
    void shouldTellOfVeryManyEventsTheFirstAndTheLast() {
        List<FaultRecord> faults =
                IntStream.range(0, 1000).mapToObj(i -> new FaultRecord(i, "memory", "0x1000 bit 1", i)).toList();

        String text = Summary.render(SampleRuns.withEvents(events(faults, List.of(), List.of())));

        assertEquals(20, text.lines().filter(line -> line.contains("0x1000")).count());
        assertTrue(text.contains("... 980 more ..."), text);
        assertTrue(text.contains("seed 9 "), text);
        assertFalse(text.contains("seed 10 "), text);
        assertTrue(text.contains("seed 990 "), text);
    }

    @Test
    void shouldTellOfADetectionThatNothingAnswered() {
        List<String> lines = EventLines.of(events(
                List.of(), List.of(new DetectionRecord(5, "signal", "SIGILL", Double.NaN)), List.of()));

        assertEquals(List.of("at 0.005 s SIGILL (signal) -> not rolled back"), lines);
    }

    @Test
    void shouldLinkADetectionToTheFaultThatItsLatencyPointsTo() {
        List<String> lines = EventLines.of(events(
                List.of(new FaultRecord(1, "memory", "a", 1), new FaultRecord(2, "memory", "b", 2)),
                List.of(new DetectionRecord(3, "signal", "SIGILL", 2)),
                List.of()));

        assertEquals(List.of(
                "at 0.001 s memory a, seed 1 -> SIGILL (signal) after 2 ms -> not rolled back",
                "at 0.002 s memory b, seed 2 -> no error noticed"), lines);
    }

    private static RunRecord.Events events(
            List<FaultRecord> faults, List<DetectionRecord> detections, List<RollbackRecord> rollbacks) {
        return new RunRecord.Events(faults, detections, rollbacks, RunRecord.LeftOut.NONE, HistogramSummary.EMPTY,
                HistogramSummary.EMPTY);
    }
}
