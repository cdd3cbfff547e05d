// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

import io.backstep.core.Pages;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.Retention;
import io.backstep.retain.Workload;
import io.backstep.store.CheckpointStore;
import io.backstep.store.IntegrityCounts;

/** What the user is told while the run goes on: what is short, was dropped or broke. For the engine's thread. */
final class Warnings {
    private static final long FORESEEN_AFTER = 16;

    private final RunLog log;
    private final EngineListener listener;
    private final CheckpointStore store;
    private final Keeping keeping;
    private final Captures captures;
    private final CoverageWatch coverage;
    private final Executor beside;
    private CompletableFuture<Double> neededBytes;
    private boolean foreseen;
    private long newsTold;

    /** @param beside computes what takes some milliseconds */
    Warnings(RunLog log, EngineListener listener, CheckpointStore store, Keeping keeping, Captures captures,
            CoverageWatch coverage, Executor beside) {
        this.log = log;
        this.listener = listener;
        this.store = store;
        this.keeping = keeping;
        this.captures = captures;
        this.coverage = coverage;
        this.beside = beside;
    }

    /** Tells it once. */
    void tell(String text) {
        if (log.warned(text)) {
            listener.warning(text);
        }
    }

    /** After each capture. What will be short is known early, but not before it is known how much is written. */
    void captured(long nowNs, long intervalNs) {
        if (!foreseen && log.taken() >= FORESEEN_AFTER) {
            foreseen = true;
            foresee(nowNs, intervalNs);
        }
        if (neededBytes != null && neededBytes.isDone()) {
            tellForeseen(neededBytes.join());
            neededBytes = null;
        }
        tellCoverage();
        tellHistoryDropped();
        tellBroken();
    }

    private void foresee(long nowNs, long intervalNs) {
        Workload workload = new Workload(
                Pages.PAGE_SIZE * log.writtenPerSecond(nowNs), Pages.toBytes(log.trackedPages()), 0, 0);
        double mirrorBytes = store.mirrorBytes();
        Retention present = keeping.present();
        neededBytes = CompletableFuture.supplyAsync(
                () -> mirrorBytes + workload.mostUndoBytes(present, intervalNs), beside);
    }

    private void tellForeseen(double bytes) {
        if (bytes > store.budgetBytes()) {
            tell(String.format(Locale.ROOT, "the memory budget of %d bytes will not do: what is to be kept (%s) needs "
                    + "about %.0f bytes, if the target writes on as until now", store.budgetBytes(), keeping, bytes));
        }
    }

    private void tellCoverage() {
        if (keeping.present() instanceof KeepCoverage keep) {
            String change = coverage.captured(keep, store.checkpoints(), captures.takeHistoryShortened());
            if (change != null) {
                log.warned(change);
                listener.coverageChanged(change);
            }
        }
    }

    void tellHistoryDropped() {
        if (!(keeping.present() instanceof KeepCoverage) && captures.takeHistoryShortened()) {
            tell("the memory budget of " + store.budgetBytes() + " bytes is used up: older checkpoints were dropped early");
        }
        if (captures.lostPages() > 0) {
            tell("memory was given back before it was saved: the checkpoints before that are gone; --capture copy keeps "
                    + "them");
        }
    }

    void tellBroken() {
        if (store.newsCount() == newsTold) {
            return;
        }
        newsTold = store.newsCount();
        IntegrityCounts found = store.integrity();
        tell("memory that holds checkpoints was struck: " + found.broken() + " places so far, " + found.repaired()
                + " repaired, " + found.checkpointsLost() + " checkpoints lost");
    }
}
