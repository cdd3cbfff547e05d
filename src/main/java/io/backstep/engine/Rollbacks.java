// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.function.LongSupplier;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Checkpoint;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.PreImages;
import io.backstep.core.Target;
import io.backstep.engine.RollbackRecord.Outcome;
import io.backstep.store.CheckpointStore;

/** Gives the target the state of a checkpoint, and tells the store and the log. */
final class Rollbacks implements AutoCloseable {
    private final Target target;
    private final CheckpointStore store;
    private final RunLog log;
    private final EngineListener listener;
    private final LongSupplier clock;
    private final PageRanges written = new PageRanges();
    private final PreImages saved = new PreImages();
    private final PageWrites writes = new PageWrites();

    Rollbacks(Target target, CheckpointStore store, RunLog log, EngineListener listener, LongSupplier clock) {
        this.target = target;
        this.store = store;
        this.log = log;
        this.listener = listener;
        this.clock = clock;
    }

    /**
     * Rolls back. The target stays halted. It is not touched before all that the rollback needs was found to be right.
     *
     * @return false if the target cannot be given this state; then nothing was touched
     * @throws BackstepException BROKEN or GONE
     */
    boolean to(Checkpoint checkpoint, int attempt, long errorNs) {
        long beganNs = clock.getAsLong();
        try {
            writes.clear();
            target.lookBack(written, saved);
            store.plan(checkpoint, written, saved, writes);
            target.beginRollback(checkpoint.state(), written, saved);
            do {
                planAgain(checkpoint);
                target.finishRollback(checkpoint.state(), writes);
            } while (target.spoiledByRollback(written));
        } catch (BackstepException e) {
            if (e.reason() == Reason.GONE) {
                throw e;
            }
            boolean untouched = e.reason() != Reason.BROKEN;
            record(checkpoint, attempt, errorNs, beganNs, untouched ? Outcome.REFUSED : Outcome.BROKEN);
            if (!untouched) {
                throw e;
            }
            listener.warning("rollback to checkpoint " + checkpoint.id() + " refused: " + e.getMessage());
            return false;
        }
        store.rolledBack(checkpoint);
        record(checkpoint, attempt, errorNs, beganNs, Outcome.RECOVERED);
        return true;
    }

    /** Beginning it may have written pages, too. What breaks just now is found too late. */
    private void planAgain(Checkpoint checkpoint) {
        try {
            store.plan(checkpoint, written, saved, writes);
        } catch (BackstepException e) {
            throw new BackstepException(Reason.BROKEN, e.getMessage(), e);
        }
    }

    private void record(Checkpoint checkpoint, int attempt, long errorNs, long beganNs, Outcome outcome) {
        long durationNs = clock.getAsLong() - beganNs;
        long pages = outcome == Outcome.REFUSED ? 0 : writes.pages().size() + writes.dropped().size();
        RollbackRecord rollback = new RollbackRecord(log.sinceStartMs(beganNs), checkpoint.id(),
                (errorNs - checkpoint.atNs()) / 1e6, attempt, pages, durationNs / 1e3, outcome);
        log.rolledBack(rollback, durationNs);
    }

    @Override
    public void close() {
        written.close();
        saved.close();
        writes.close();
    }
}
