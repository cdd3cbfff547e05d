// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import io.backstep.core.Phase;
import io.backstep.engine.DetectionRecord;
import io.backstep.engine.FaultRecord;
import io.backstep.engine.HistogramSummary;
import io.backstep.engine.RollbackRecord;
import io.backstep.engine.RollbackRecord.Outcome;
import io.backstep.engine.RunRecord;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** Runs to report, and the golden files that tell how. */
final class SampleRuns {
    private static final RunRecord.Host HOST = new RunRecord.Host("Linux 6.12.0", 2, "17.0.15+6");

    private SampleRuns() {
    }

    /** With everything in it: a recovery, an escalation, a masked fault, a rollback that failed, warnings. */
    static RunRecord eventful() {
        return new RunRecord(
                "1.2.3",
                HOST,
                new RunRecord.TargetName("process", "bzip2", 4711),
                new RunRecord.Settings(50, "copy", "recency"),
                new RunRecord.Pacing(0.02, 0.01974, "overhead"),
                new RunRecord.Retained("coverage 0.99, at most 6 every 50ms", "exp:mean=50ms", 2, 0.99, 0.99123,
                        0.9812, 0.91, 1, 3, 180.5, 460),
                9712.4126,
                new RunRecord.CheckpointCounts(191, 2, 1, 3),
                new RunRecord.PauseTimes(
                        87.25,
                        new HistogramSummary(191, 412.159, 655.359, 1105.919, 2310.1439),
                        Map.of(
                                Phase.FREEZE, new HistogramSummary(191, 40, 61.5, 99.1, 120),
                                Phase.SCAN, new HistogramSummary(191, 55.2, 70, 91, 210),
                                Phase.COPY, new HistogramSummary(191, 280, 410, 800.25, 1800),
                                Phase.STATE, new HistogramSummary(191, 20, 30, 40, 50),
                                Phase.THAW, new HistogramSummary(191, 9.87654, 10, 11, 12))),
                new RunRecord.PageCounts(25_003, 1180.333333, 1320.5, 0,
                        new RunRecord.PredictionScore(0.9142857, 0.84, 310.25)),
                new RunRecord.MemoryBytes(102_412_288, 14_766_080, 136_314_880, 12_288),
                new RunRecord.Integrity("parity", 250_030, 3, 2, 4),
                new RunRecord.Events(
                        List.of(new FaultRecord(812.3, "register", "thread 0 rip bit 44", 7),
                                new FaultRecord(2000, "memory", "heap 0x55d0c2a1f348 bits 3,17", -12),
                                new FaultRecord(3000.0004, "memory", "0x7ffc12345678 bit 0", 8)),
                        List.of(new DetectionRecord(812.4, "signal", "SIGSEGV", 812.4 - 812.3),
                                new DetectionRecord(3060.25, "signal", "SIGABRT", 3060.25 - 3000.0004),
                                new DetectionRecord(3090.5, "signal", "SIGABRT", Double.NaN),
                                new DetectionRecord(9700, "ctl", "request", Double.NaN)),
                        List.of(new RollbackRecord(812.5, 16, 12.1, 1, 1180, 2100, Outcome.RECOVERED),
                                new RollbackRecord(3060.3, 61, 8.5, 1, 900, 1890.625, Outcome.RETURNED),
                                new RollbackRecord(3090.6, 60, 90.75, 2, 0, 300, Outcome.REFUSED),
                                new RollbackRecord(3091, 59, 140.75, 3, 2810, 4312.5, Outcome.RECOVERED)),
                        new RunRecord.LeftOut(0, 7, 8),
                        new HistogramSummary(4, 1890.625, 4312.5, 4312.5, 4312.5),
                        new HistogramSummary(2, 0.1, 60.25, 60.25, 60.25)),
                RunRecord.Exit.ofSignal("SIGABRT"),
                List.of("the target has a shared mapping that is not protected: /dev/shm/x",
                        "2 captures failed: out of memory \"budget\"\u001b[31m"));
    }

    /** With as little in it as can be: a region that nothing happened to. */
    static RunRecord uneventful() {
        return new RunRecord(
                "1.2.3",
                HOST,
                new RunRecord.TargetName("region", "orders", 0),
                new RunRecord.Settings(0.25, "cow", "off"),
                new RunRecord.Pacing(Double.NaN, Double.NaN, null),
                new RunRecord.Retained("the last 3", null, -1, Double.NaN, Double.NaN, Double.NaN, Double.NaN, 0, 0, 0,
                        0.75),
                0.04,
                new RunRecord.CheckpointCounts(0, 0, 0, 0),
                new RunRecord.PauseTimes(0, HistogramSummary.EMPTY, Map.of()),
                new RunRecord.PageCounts(0, 0, 0, 0, RunRecord.PredictionScore.NONE),
                new RunRecord.MemoryBytes(0, 0, 0, 0),
                new RunRecord.Integrity("off", 0, 0, 0, 0),
                new RunRecord.Events(List.of(), List.of(), List.of(), RunRecord.LeftOut.NONE,
                        HistogramSummary.EMPTY, HistogramSummary.EMPTY),
                RunRecord.Exit.NONE,
                List.of());
    }

    /** The eventful run with other events. */
    static RunRecord withEvents(RunRecord.Events events) {
        RunRecord run = eventful();
        return new RunRecord(run.version(), run.host(), run.target(), run.settings(), run.pacing(), run.retained(),
                run.elapsedMs(), run.checkpoints(), run.pause(), run.pages(), run.memory(), run.integrity(), events,
                run.exit(), run.warnings());
    }

    static String golden(String name) throws IOException {
        try (InputStream in = SampleRuns.class.getResourceAsStream(name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
