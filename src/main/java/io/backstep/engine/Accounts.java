// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.ArrayList;
import java.util.List;

import io.backstep.core.Checkpoint;
import io.backstep.core.Target;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.Outlook;
import io.backstep.retain.Retention;
import io.backstep.store.CheckpointStore;
import io.backstep.store.IntegrityCounts;
import org.HdrHistogram.Histogram;

/** How a run stands and what is told of it at its end, gathered from those that know. For the engine's thread. */
final class Accounts {
    private static final double NS_PER_MS = 1e6;

    private final EngineOptions options;
    private final Target target;
    private final CheckpointStore store;
    private final RunLog log;
    private final IntervalTimer timer;
    private final Keeping keeping;
    private final CoverageWatch coverage;
    private final Pace pace;
    private final Forecast forecast;

    /** @param pace null: the interval is fixed */
    Accounts(EngineOptions options, Target target, CheckpointStore store, RunLog log, IntervalTimer timer, Keeping keeping,
            CoverageWatch coverage, Pace pace, Forecast forecast) {
        this.options = options;
        this.target = target;
        this.store = store;
        this.log = log;
        this.timer = timer;
        this.keeping = keeping;
        this.coverage = coverage;
        this.pace = pace;
        this.forecast = forecast;
    }

    StatusSnapshot status(long nowNs, long intervalNs) {
        RunRecord.Pacing pacing = pace == null ? pacing(nowNs)
                : new RunRecord.Pacing(options.overhead(), pace.lately(), pace.reason().key());
        return log.snapshot(nowNs, intervalNs / NS_PER_MS, store.checkpoints().size(), target.heldBytes(), pacing,
                retained(intervalNs, keeping.knownOutlook()));
    }

    RunRecord record(String version, long endNs, long intervalNs, RunRecord.Exit exit) {
        return new RunRecord(version, RunRecord.Host.here(),
                new RunRecord.TargetName(target.kind(), target.name(), target.pid()),
                new RunRecord.Settings(intervalNs / NS_PER_MS, options.discipline().key(), options.prediction().key()),
                pacing(endNs), retained(intervalNs, keeping.outlook()), log.sinceStartMs(endNs),
                log.checkpointCounts(timer.skipped(), store.checkpoints().size()), log.pauseTimes(),
                log.pageCounts(forecast.score()),
                new RunRecord.MemoryBytes(
                        store.mirrorBytes(), store.undoBytes(), store.peakBytes(), log.peakHeldBytes()),
                integrity(), log.events(), exit, log.warnings());
    }

    List<Histogram> histograms() {
        List<Histogram> all = new ArrayList<>(log.histograms());
        all.addAll(forecast.histograms());
        return all;
    }

    /** Of all the run. */
    private RunRecord.Pacing pacing(long nowNs) {
        double overhead = log.taken() < 2 ? Double.NaN : log.costsNs() / (nowNs - log.startNs());
        return new RunRecord.Pacing(pace == null ? Double.NaN : options.overhead(), overhead,
                pace == null ? null : pace.reason().key());
    }

    private RunRecord.Retained retained(long intervalNs, Outlook outlook) {
        List<Checkpoint> kept = store.checkpoints();
        double historyMs = kept.isEmpty() ? 0 : (store.newest().atNs() - kept.get(0).atNs()) / NS_PER_MS;
        Retention present = keeping.present();
        double longestMs = present.longestNs(intervalNs) / NS_PER_MS;
        if (!(present instanceof KeepCoverage keep)) {
            return new RunRecord.Retained(present.toString(), null, -1, Double.NaN, Double.NaN, Double.NaN, Double.NaN,
                    0, kept.size(), historyMs, longestMs);
        }
        return new RunRecord.Retained(keep.policy(), keep.latency().toString(), keeping.observed(), keep.coverage(),
                outlook == null ? Double.NaN : outlook.coverage(), keep.coverageOf(kept), coverage.least(),
                coverage.shortages(), kept.size(), historyMs, longestMs);
    }

    private RunRecord.Integrity integrity() {
        IntegrityCounts found = store.integrity();
        return new RunRecord.Integrity(options.redundancy().key(), found.checked(), found.broken(), found.repaired(),
                found.checkpointsLost());
    }
}
