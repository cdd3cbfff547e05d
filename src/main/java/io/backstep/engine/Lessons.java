// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import io.backstep.retain.LatencyObservations;
import io.backstep.retain.Retention;

/**
 * What each error, and the attempts to undo it, tell of the error latency. A detector may know when the fault
 * occurred, or between which times. From a checkpoint of age a, when the error was noticed first, the error came back:
 * the latency is a or more. It did not, until the probation was over: it is less. Not thread-safe.
 */
final class Lessons {
    private static final long NONE = Long.MAX_VALUE;

    private final LatencyObservations observations;
    private boolean isOpen;
    private boolean isKnown;
    private long noticedNs;
    private long atLeastNs;
    private long atMostNs;
    private long restoredAgeNs;

    Lessons(LatencyObservations observations) {
        this.observations = observations;
    }

    /**
     * An error was noticed that is a new one.
     *
     * @param faultNs when its fault occurred, if that is known, else {@link Retention#UNKNOWN_NS}
     * @param earliestNs when it occurred at the earliest, if that is known, else {@link Retention#UNKNOWN_NS}
     * @param latestNs when it occurred at the latest
     */
    void noticed(long nowNs, long faultNs, long earliestNs, long latestNs) {
        settle();
        isOpen = true;
        noticedNs = nowNs;
        isKnown = faultNs != Retention.UNKNOWN_NS;
        atLeastNs = Math.max(0, nowNs - (isKnown ? faultNs : latestNs));
        atMostNs = earliestNs == Retention.UNKNOWN_NS ? NONE : Math.max(atLeastNs, nowNs - earliestNs);
        restoredAgeNs = NONE;
    }

    /** The target was given a checkpoint for it. */
    void restored(long checkpointNs) {
        restoredAgeNs = noticedNs - checkpointNs;
    }

    /** The same error came back: what was restored held the fault. */
    void cameBack() {
        if (isOpen && restoredAgeNs != NONE) {
            atLeastNs = Math.max(atLeastNs, restoredAgeNs);
            restoredAgeNs = NONE;
        }
    }

    /** Somebody had a wish of his own: what becomes of that tells nothing. */
    void forget() {
        isOpen = false;
    }

    /** The error did not come back within its time, or a new one came, or nothing is left to try. */
    void settle() {
        if (!isOpen) {
            return;
        }
        isOpen = false;
        if (isKnown) {
            observations.add(atLeastNs);
            return;
        }
        long atMost = Math.min(atMostNs, restoredAgeNs);
        observations.add(atLeastNs, atMost < atLeastNs ? NONE : atMost);
    }

    /** The run ends: whether the last rollback helped is not known. */
    void end(boolean isOnProbation) {
        if (isOnProbation) {
            restoredAgeNs = NONE;
        }
        settle();
    }
}
