// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import io.backstep.core.Phase;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** All that is told of a run when it is over. Pure data; immutable. */
public record RunRecord(
        String version, Host host, TargetName target, Settings settings, Pacing pacing, Retained retained,
        double elapsedMs, CheckpointCounts checkpoints, PauseTimes pause, PageCounts pages, MemoryBytes memory,
        Integrity integrity, Events events, Exit exit, List<String> warnings) {

    public RunRecord {
        warnings = List.copyOf(warnings);
    }

    /** The machine that the run was made on. */
    public record Host(String kernel, int cpus, String jdk) {
        /** The machine that this runs on. */
        public static Host here() {
            return new Host(
                    System.getProperty("os.name") + " " + System.getProperty("os.version"),
                    Runtime.getRuntime().availableProcessors(),
                    System.getProperty("java.runtime.version"));
        }
    }

    /**
     * Which target was protected.
     *
     * @param pid the process id, or 0
     */
    public record TargetName(String kind, String name, long pid) {
    }

    /**
     * How it was protected.
     *
     * @param intervalMs between two captures; of an interval that adapts, the last one
     * @param capture the discipline: "copy" or "cow"
     * @param predictor its name, or "off"
     */
    public record Settings(double intervalMs, String capture, String predictor) {
    }

    /**
     * What captures cost the target: their pauses and, at this host's price, the first writes to protected pages.
     *
     * @param aimed the share of the time to which the interval adapts; NaN if it is fixed
     * @param overhead the share that it was; NaN if nothing was captured
     * @param decidedBy what the interval follows from: "overhead", "errors", "shortest", "longest"; null if it is fixed
     */
    public record Pacing(double aimed, double overhead, String decidedBy) {
    }

    /**
     * Which checkpoints were kept, and what that covers. Coverages are NaN without an error latency.
     *
     * @param policy as {@code --keep} or {@code --coverage} ask for it
     * @param errorLatency in its text form, with what was learnt; null if none was stated
     * @param observed how many errors were learnt from; -1 if none was to be
     * @param asked the coverage asked for
     * @param predicted that of a full history
     * @param now that of what is kept at the end
     * @param least the least while memory was short; NaN if it never was too short
     * @param shortages how often it became too short
     * @param kept how many checkpoints
     * @param historyMs how old the oldest is at the newest
     * @param longestMs how old the oldest becomes at most
     */
    public record Retained(String policy, String errorLatency, long observed, double asked, double predicted,
            double now, double least, long shortages, long kept, double historyMs, double longestMs) {
    }

    /**
     * How many captures there were.
     *
     * @param failed tried, and given up; the checkpoints before them stayed usable
     * @param skipped intervals that passed without a try
     * @param kept in memory at the end
     */
    public record CheckpointCounts(long taken, long failed, long skipped, long kept) {
    }

    /**
     * How long the target stood still for captures.
     *
     * @param totalMs the sum of all pauses
     * @param us one value for each checkpoint taken, in microseconds
     * @param phaseUs the same for each part of the pause; absent parts were not measured
     */
    public record PauseTimes(double totalMs, HistogramSummary us, Map<Phase, HistogramSummary> phaseUs) {
        public PauseTimes {
            Map<Phase, HistogramSummary> ordered = new EnumMap<>(Phase.class);
            ordered.putAll(phaseUs);
            phaseUs = Collections.unmodifiableMap(ordered);
        }
    }

    /**
     * Pages, on average over the captures where not said otherwise.
     *
     * @param tracked at the last capture
     * @param dirtyMean written
     * @param copiedMean copied in the pause: besides those written, pages that were left writable
     * @param savedMean saved by the target while it ran, at their first write
     */
    public record PageCounts(
            long tracked, double dirtyMean, double copiedMean, double savedMean, PredictionScore prediction) {
    }

    /**
     * How good the predictor was; NaN for what cannot be told, and for all if it is off.
     *
     * @param precision the share of the pages left writable that were written
     * @param recall the share of the written pages that had been left writable
     * @param savedMs the faults that it saved, less the needless copies and the interruptions of scans that it cost, at this
     *     host's prices
     */
    public record PredictionScore(double precision, double recall, double savedMs) {
        public static final PredictionScore NONE = new PredictionScore(Double.NaN, Double.NaN, Double.NaN);
    }

    /**
     * Memory that the protection took, in bytes.
     *
     * @param mirror at the end
     * @param undo the undo logs at the end
     * @param peak of all of it together
     * @param held the most that the target kept back and used for itself
     */
    public record MemoryBytes(long mirror, long undo, long peak, long held) {
    }

    /**
     * What was found when the memory of checkpoints was looked at.
     *
     * @param redundancy what is kept to repair it from, or "off"
     * @param checked frames that were compared with their checksums
     * @param broken places that were not what had been put there
     * @param repaired those of them that are right again
     * @param checkpointsLost checkpoints that needed one of the others, and so could not be restored
     */
    public record Integrity(String redundancy, long checked, long broken, long repaired, long checkpointsLost) {
    }

    /** How many events are in no list, since there were very many: between the first 100 and the last 1000. */
    public record LeftOut(long faults, long detections, long rollbacks) {
        public static final LeftOut NONE = new LeftOut(0, 0, 0);
    }

    /** What happened: each list in order of time, and all rollbacks and known error latencies together. */
    public record Events(
            List<FaultRecord> faults, List<DetectionRecord> detections, List<RollbackRecord> rollbacks, LeftOut leftOut,
            HistogramSummary rollbackUs, HistogramSummary latencyMs) {
        public Events {
            faults = List.copyOf(faults);
            detections = List.copyOf(detections);
            rollbacks = List.copyOf(rollbacks);
        }
    }

    /**
     * How the target ended: by a code, by a signal, or not at all.
     *
     * @param code null if it did not exit
     * @param signal null if no signal ended it
     */
    public record Exit(Integer code, String signal) {
        /** The target was let go and lives. */
        public static final Exit NONE = new Exit(null, null);

        public static Exit ofCode(int code) {
            return new Exit(code, null);
        }

        public static Exit ofSignal(String signal) {
            return new Exit(null, signal);
        }
    }
}
