// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.List;

import io.backstep.core.Checkpoint;
import io.backstep.retain.KeepLast;

/**
 * Which checkpoint to try when an error is noticed, and for how long after a rollback an error counts as the same one
 * that came back.
 *
 * <p>A rollback to a checkpoint of age a lets the target repeat that time; if the checkpoint already held the fault's
 * effect, the error shows again after about as long. So for one and a half times the age and one interval the rollback
 * is on probation: no capture is taken, and an error escalates to the next older checkpoint.
 */
final class Recovery {
    private final KeepLast retention;
    private final long intervalNs;
    private boolean onProbation;
    private long probationEndNs;
    private long occurredNs;
    private long triedId;
    private int attempt;

    Recovery(KeepLast retention, long intervalNs) {
        this.retention = retention;
        this.intervalNs = intervalNs;
    }

    /** Ends with time by itself. */
    boolean isOnProbation(long nowNs) {
        onProbation &= nowNs - probationEndNs < 0;
        return onProbation;
    }

    long probationEndNs() {
        return probationEndNs;
    }

    /** Starts an error's treatment: the same error as before while on probation, a new one otherwise. */
    void errorNoticed(long errorOccurredNs) {
        occurredNs = errorOccurredNs;
        if (!onProbation) {
            triedId = Long.MAX_VALUE;
            attempt = 0;
        }
    }

    /** The next checkpoint to try for this error, or null if all were tried. */
    Checkpoint next(List<Checkpoint> oldestFirst) {
        return retention.newestBelow(oldestFirst, triedId, occurredNs);
    }

    /** Which try for this error the next one is, from 1. */
    int nextAttempt() {
        return attempt + 1;
    }

    /** A checkpoint was tried, with success or refused. */
    void tried(Checkpoint checkpoint) {
        triedId = checkpoint.id();
        attempt++;
    }

    void rolledBack(long ageNs, long nowNs) {
        onProbation = true;
        probationEndNs = nowNs + ageNs + (ageNs >> 1) + intervalNs;
    }

    /** The error did not come back, or nothing is left to try. */
    void endProbation() {
        onProbation = false;
    }
}
