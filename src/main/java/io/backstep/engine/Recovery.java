// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.List;

import io.backstep.core.Checkpoint;
import io.backstep.retain.Retention;
import org.agrona.collections.LongHashSet;

/**
 * Which checkpoint to try when an error is noticed, and whether an error is the one that a rollback was to undo, come
 * back, or a new one.
 *
 * <p>Who noticed it may know that it occurred after the rollback: then it is new. Of one that may be older it is the same.
 * Where nobody knows, time decides: a rollback to a checkpoint of age a lets the target repeat that time; if the
 * checkpoint already held the fault's effect, the error shows again after about as long. So for one and a half times the
 * age and one interval the rollback is on probation: no capture is taken, and such an error is the same.
 *
 * <p>The same error escalates to an older checkpoint, for a new one all can be tried; retention says which first. But
 * a checkpoint that was restored three times with none better in between holds something that nobody sees: then older
 * ones are tried, too.
 */
final class Recovery {
    private static final int MOST_IN_A_ROW = 3;

    private final Retention retention;
    private long intervalNs;
    private final LongHashSet tried = new LongHashSet();
    private boolean onProbation;
    private boolean restored; // ever
    private boolean givenUp;
    private long rollbackNs;
    private long probationEndNs;
    private long noticedNs;
    private long knownEarliestNs;
    private long occurredNs;
    private long failedId;
    private int attempt;
    private long restoredId;
    private long restoredAtNs;
    private int restoredInARow;

    Recovery(Retention retention, long intervalNs) {
        this.retention = retention;
        this.intervalNs = intervalNs;
    }

    /** Captures come at another interval from now on. */
    void interval(long newIntervalNs) {
        intervalNs = newIntervalNs;
    }

    /** Ends with time by itself. */
    boolean isOnProbation(long nowNs) {
        onProbation &= nowNs - probationEndNs < 0;
        return onProbation;
    }

    long probationEndNs() {
        return probationEndNs;
    }

    /** When an error that is noticed now occurred at the earliest, if nobody knows. */
    long assumedEarliestNs(long nowNs) {
        return isOnProbation(nowNs) ? rollbackNs : nowNs;
    }

    /**
     * Starts an error's treatment.
     *
     * @param earliestNs when it occurred at the earliest
     * @param knownNs the same, if its detector knows, else {@link Retention#UNKNOWN_NS}
     * @param latestNs when it occurred at the latest: checkpoints taken later are not tried
     * @return true if it is the same error as before, which the rollback did not undo: it is as old as the checkpoint
     *     that was restored, or older
     */
    boolean errorNoticed(long earliestNs, long knownNs, long latestNs, long nowNs) {
        boolean isSame = isSame(earliestNs);
        if (isSame) {
            occurredNs = restoredAtNs - latestNs < 0 ? restoredAtNs : latestNs;
            knownEarliestNs = Retention.UNKNOWN_NS; // what was known would have undone it
        } else {
            noticedNs = nowNs;
            occurredNs = latestNs;
            knownEarliestNs = knownNs;
            tried.clear();
            failedId = Long.MAX_VALUE;
            attempt = 0;
            givenUp = false;
        }
        return isSame;
    }

    private boolean isSame(long earliestNs) {
        return restored && earliestNs - rollbackNs <= 0;
    }

    /** An error for which nothing was left to try, and nobody has found that it is gone. */
    boolean isGivenUp(long earliestNs) {
        return givenUp && isSame(earliestNs);
    }

    /** The next checkpoint to try for this error, or null if all were tried. */
    Checkpoint next(List<Checkpoint> oldestFirst) {
        Checkpoint best = best(oldestFirst, failedId);
        boolean failedEnough = best != null && best.id() == restoredId && restoredInARow >= MOST_IN_A_ROW;
        return failedEnough ? best(oldestFirst, restoredId) : best;
    }

    private Checkpoint best(List<Checkpoint> oldestFirst, long idLimit) {
        List<Checkpoint> left = oldestFirst.stream()
                .filter(checkpoint -> checkpoint.id() < idLimit && !tried.contains(checkpoint.id())
                        && checkpoint.atNs() - occurredNs <= 0 && !checkpoint.isBroken())
                .toList();
        return retention.first(left, noticedNs, knownEarliestNs, occurredNs);
    }

    /** Which try for this error the next one is, from 1. */
    int nextAttempt() {
        return attempt + 1;
    }

    /** A checkpoint was tried, with success or refused. */
    void tried(Checkpoint checkpoint) {
        tried.add(checkpoint.id());
        attempt++;
    }

    /**
     * A checkpoint was restored.
     *
     * @param beganNs when the target stood for it: what occurred later, the rollback did not have to undo
     */
    void rolledBack(Checkpoint checkpoint, long beganNs, long nowNs) {
        long ageNs = beganNs - checkpoint.atNs();
        rollbackNs = beganNs;
        probationEndNs = nowNs + ageNs + (ageNs >> 1) + intervalNs;
        onProbation = true;
        restored = true;
        givenUp = false;
        restoredInARow = checkpoint.id() == restoredId ? restoredInARow + 1 : 1;
        restoredId = checkpoint.id();
        restoredAtNs = checkpoint.atNs();
        failedId = checkpoint.id();
    }

    /** The last one was chosen by somebody else, who may choose it again and again. */
    void restoredByRequest() {
        restoredInARow = 0;
    }

    /**
     * Nothing is left to try.
     *
     * @return what that tells of the fault; empty if nothing
     */
    String giveUp() {
        onProbation = false;
        givenUp = true;
        return failedId == Long.MAX_VALUE ? "" : retention.whyBack(noticedNs - restoredAtNs);
    }

    /** There is nothing any more that could be tried. */
    void reset() {
        onProbation = false;
        restored = false;
        restoredInARow = 0;
    }
}
