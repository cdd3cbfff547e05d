// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

import io.backstep.core.Capture;
import io.backstep.core.Fault;
import io.backstep.core.Phase;
import org.HdrHistogram.Histogram;

/**
 * What a run counted and what happened in it, in memory that is bounded: of very many events the first and the last.
 * Recording a capture allocates nothing. Not thread-safe.
 */
final class RunLog {
    private static final long LONGEST_NS = 3_600_000_000_000L;
    private static final int DIGITS = 3;
    private static final int MOST_WARNINGS = 1_000;
    private static final double NS_PER_US = 1e3;
    private static final double NS_PER_MS = 1e6;
    private static final double NS_PER_S = 1e9;
    private static final Phase[] PHASES = Phase.values();

    private final Histogram pause = newHistogram();
    private final Histogram[] phases = new Histogram[PHASES.length];
    private final Histogram rollback = newHistogram();
    private final Histogram latency = newHistogram();
    private final Map<String, Histogram> latencyByDetector = new TreeMap<>();
    private final FirstAndLast<FaultRecord> faults = new FirstAndLast<>();
    private final FirstAndLast<DetectionRecord> detections = new FirstAndLast<>();
    private final FirstAndLast<RollbackRecord> rollbacks = new FirstAndLast<>();
    private final Set<String> warnings = new LinkedHashSet<>();
    private long startNs;
    private long unnoticedFaultNs;
    private boolean faultUnnoticed;
    private long failed;
    private long pausedNs;
    private long dirtyPages;
    private long copiedPages;
    private long savedPages;
    private long firstDirtyPages;
    private long lastDirtyPages;
    private long lastPauseNs;
    private double lastCostNs;
    private double costsNs;
    private long trackedPages;
    private long peakHeldBytes;

    RunLog() {
        for (int i = 0; i < PHASES.length; i++) {
            phases[i] = newHistogram();
        }
    }

    static Histogram newHistogram() {
        return new Histogram(LONGEST_NS, DIGITS);
    }

    void started(long nowNs) {
        startNs = nowNs;
    }

    long startNs() {
        return startNs;
    }

    double sinceStartMs(long nowNs) {
        return (nowNs - startNs) / NS_PER_MS;
    }

    /** @param costNs what it cost the target: the pause, waiting for huge pages, and the faults of the interval before */
    void captured(Capture capture, long written, long copied, long saved, long heldBytes, double costNs) {
        lastCostNs = costNs;
        costsNs += taken() == 0 ? 0 : costNs;
        record(pause, capture.pauseNs());
        for (int i = 0; i < PHASES.length; i++) {
            record(phases[i], capture.phaseNs(PHASES[i]));
        }
        pausedNs += capture.pauseNs() + capture.joinedNs();
        lastPauseNs = capture.pauseNs();
        lastDirtyPages = written;
        firstDirtyPages = taken() == 1 ? written : firstDirtyPages;
        dirtyPages += lastDirtyPages;
        copiedPages += copied;
        savedPages += saved;
        trackedPages = capture.trackedPages();
        peakHeldBytes = Math.max(peakHeldBytes, heldBytes);
    }

    /** What the last capture cost the target. */
    double lastCostNs() {
        return lastCostNs;
    }

    /** What all captures but the first cost the target: the first has all there is to take. */
    double costsNs() {
        return costsNs;
    }

    static void record(Histogram histogram, long nanos) {
        histogram.recordValue(Math.min(Math.max(nanos, 0), LONGEST_NS));
    }

    void captureFailed() {
        failed++;
    }

    void injected(Fault fault) {
        faults.add(FaultRecord.of(fault, startNs));
        unnoticedFaultNs = fault.atNs();
        faultUnnoticed = true;
    }

    /** The latency is known when a fault was injected that nothing has noticed yet. */
    DetectionRecord detected(String detector, String what, long nowNs) {
        double latencyMs = Double.NaN;
        if (faultUnnoticed) {
            record(latency, nowNs - unnoticedFaultNs);
            record(latencyByDetector.computeIfAbsent(detector, name -> newHistogram()), nowNs - unnoticedFaultNs);
            latencyMs = (nowNs - unnoticedFaultNs) / NS_PER_MS;
            faultUnnoticed = false;
        }
        DetectionRecord detection = new DetectionRecord(sinceStartMs(nowNs), detector, what, latencyMs);
        detections.add(detection);
        return detection;
    }

    void rolledBack(RollbackRecord rollbackRecord, long durationNs) {
        rollbacks.add(rollbackRecord);
        record(rollback, durationNs);
    }

    /** The error that the last rollback answered came back. */
    void lastRollbackFailed() {
        RollbackRecord last = rollbacks.newest();
        if (last != null && last.outcome() == RollbackRecord.Outcome.RECOVERED) {
            rollbacks.replaceNewest(last.withOutcome(RollbackRecord.Outcome.RETURNED));
        }
    }

    /** True if this text was not known before. Nobody can want more than a thousand. */
    boolean warned(String text) {
        return warnings.size() < MOST_WARNINGS && warnings.add(text);
    }

    long rollbackCount() {
        return rollbacks.count();
    }

    /** Those that came after there were a number of them. */
    List<RollbackRecord> rollbacksSince(long count) {
        return rollbacks.since(count);
    }

    long taken() {
        return pause.getTotalCount();
    }

    StatusSnapshot snapshot(long nowNs, double intervalMs, int kept, long heldBytes, RunRecord.Pacing pacing,
            RunRecord.Retained retained) {
        return new StatusSnapshot(sinceStartMs(nowNs), intervalMs, lastDirtyPages, lastPauseNs / NS_PER_US, kept,
                detections.count(), rollbacks.count(), heldBytes, pacing, retained);
    }

    RunRecord.CheckpointCounts checkpointCounts(long skipped, int kept) {
        return new RunRecord.CheckpointCounts(taken(), failed, skipped, kept);
    }

    RunRecord.PauseTimes pauseTimes() {
        Map<Phase, HistogramSummary> byPhase = new EnumMap<>(Phase.class);
        for (int i = 0; i < PHASES.length; i++) {
            byPhase.put(PHASES[i], HistogramSummary.of(phases[i], NS_PER_US));
        }
        return new RunRecord.PauseTimes(pausedNs / NS_PER_MS, HistogramSummary.of(pause, NS_PER_US), byPhase);
    }

    RunRecord.PageCounts pageCounts(RunRecord.PredictionScore prediction) {
        double captures = Math.max(1, taken());
        return new RunRecord.PageCounts(trackedPages, dirtyPages / captures, copiedPages / captures, savedPages / captures, prediction);
    }

    /** Pages written in a second on average, each counted once in an interval; NaN before the second capture. */
    double writtenPerSecond(long nowNs) {
        return taken() < 2 ? Double.NaN : (dirtyPages - firstDirtyPages) * NS_PER_S / (nowNs - startNs);
    }

    long trackedPages() {
        return trackedPages;
    }

    long peakHeldBytes() {
        return peakHeldBytes;
    }

    RunRecord.Events events() {
        return new RunRecord.Events(faults.kept(), detections.kept(), rollbacks.kept(),
                new RunRecord.LeftOut(faults.leftOut(), detections.leftOut(), rollbacks.leftOut()),
                HistogramSummary.of(rollback, NS_PER_US), HistogramSummary.of(latency, NS_PER_MS));
    }

    /** Copies, with their names as tags: pauses and their parts, rollbacks, error latencies, also by detector. */
    List<Histogram> histograms() {
        List<Histogram> all = new ArrayList<>();
        all.add(tagged(pause, "pause-ns"));
        for (int i = 0; i < PHASES.length; i++) {
            all.add(tagged(phases[i], PHASES[i].key() + "-ns"));
        }
        all.add(tagged(rollback, "rollback-ns"));
        all.add(tagged(latency, "latency-ns"));
        latencyByDetector.forEach((detector, ofIt) -> all.add(tagged(ofIt, "latency-" + detector + "-ns")));
        return all;
    }

    static Histogram tagged(Histogram histogram, String tag) {
        Histogram copy = histogram.copy();
        copy.setTag(tag);
        return copy;
    }

    List<String> warnings() {
        return List.copyOf(warnings);
    }
}
