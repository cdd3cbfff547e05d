// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

import io.backstep.core.Checkpoint;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.LatencyObservations;
import io.backstep.retain.LearntLatency;
import io.backstep.retain.Outlook;
import io.backstep.retain.Retention;

/**
 * The retention of a run: computed anew, beside the run, when the interval has moved by a tenth or something was learnt
 * of the error latency. Until it is there, the one before counts. One thread; only the computing is another's.
 */
final class Keeping implements Retention {
    private static final double MOVED = 0.1;

    /** What was computed, and from what. */
    private record Plan(Retention retention, Outlook outlook, long intervalNs, long observed) {
    }

    private final ErrorLatency stated;
    private final LatencyObservations observations;
    private final Executor beside;
    private Plan plan;
    private long intervalNs;
    private CompletableFuture<Plan> next;

    /**
     * @param observations what is learnt from, or null
     * @param beside runs what takes some milliseconds
     */
    Keeping(Retention wish, LatencyObservations observations, long intervalNs, Executor beside) {
        this.observations = observations;
        this.intervalNs = intervalNs;
        this.beside = beside;
        stated = wish instanceof KeepCoverage keep ? keep.latency() : null;
        plan = new Plan(wish, null, intervalNs, 0);
    }

    /** A capture was taken; the next comes after an interval. Nothing is computed unless there is cause. */
    void captured(long nextIntervalNs) {
        intervalNs = nextIntervalNs;
        takeOver();
        if (stated != null && next == null && isOutdated()) {
            next = compute();
        }
    }

    private void takeOver() {
        if (next != null && next.isDone()) {
            plan = next.join();
            next = null;
        }
    }

    private boolean isOutdated() {
        return plan.outlook == null || Math.abs(intervalNs - plan.intervalNs) > MOVED * plan.intervalNs
                || observations != null && observations.count() != plan.observed;
    }

    private CompletableFuture<Plan> compute() {
        Plan last = plan;
        long ofIntervalNs = intervalNs;
        LatencyObservations seen = observations == null ? null : observations.copy();
        return CompletableFuture.supplyAsync(() -> plan(last, ofIntervalNs, seen), beside);
    }

    /** If it cannot be computed, as for a coverage that now needs more than all time, what was there stays. */
    private Plan plan(Plan last, long ofIntervalNs, LatencyObservations seen) {
        long observed = seen == null ? 0 : seen.count();
        try {
            ErrorLatency latency = seen == null ? stated : LearntLatency.of(stated, seen);
            boolean isAsBefore = ofIntervalNs == last.intervalNs && observed == last.observed;
            Retention retention = isAsBefore ? last.retention : last.retention.with(latency, ofIntervalNs);
            return new Plan(retention, Outlook.of(retention, latency, ofIntervalNs), ofIntervalNs, observed);
        } catch (RuntimeException e) {
            Outlook outlook = last.outlook == null ? Outlook.of(last.retention, stated, ofIntervalNs) : last.outlook;
            return new Plan(last.retention, outlook, ofIntervalNs, observed);
        }
    }

    /** What is kept for at present. */
    Retention present() {
        return plan.retention;
    }

    /** How many errors were learnt from; -1 if none shall be. */
    long observed() {
        return observations == null ? -1 : observations.count();
    }

    /** What is expected of a full history, waiting for it if need be; null without an error latency. */
    Outlook outlook() {
        if (stated == null) {
            return null;
        }
        captured(intervalNs);
        if (next != null) {
            next.join();
            takeOver();
        }
        return plan.outlook;
    }

    /** What is expected of a full history, as far as that was computed; null if it was not. */
    Outlook knownOutlook() {
        return plan.outlook;
    }

    @Override
    public Checkpoint excess(List<Checkpoint> oldestFirst) {
        return plan.retention.excess(oldestFirst);
    }

    @Override
    public Checkpoint leastMissed(List<Checkpoint> oldestFirst) {
        return plan.retention.leastMissed(oldestFirst);
    }

    @Override
    public Checkpoint first(List<Checkpoint> oldestFirst, long noticedNs, long earliestNs, long latestNs) {
        return plan.retention.first(oldestFirst, noticedNs, earliestNs, latestNs);
    }

    @Override
    public String whyBack(long ageNs) {
        return plan.retention.whyBack(ageNs);
    }

    @Override
    public long longestNs(long ofIntervalNs) {
        return plan.retention.longestNs(ofIntervalNs);
    }

    @Override
    public String toString() {
        return plan.retention.toString();
    }
}
