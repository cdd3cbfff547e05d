// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.List;

import io.backstep.core.Checkpoint;

/**
 * Which checkpoints are kept, and which is tried first. Says what to drop and drops nothing itself; for a capture it
 * allocates nothing.
 */
public interface Retention {
    /** A time that nobody knows. */
    long UNKNOWN_NS = Long.MIN_VALUE;

    /**
     * The checkpoint to drop, never the newest, or null if all stay. Asked again after each drop until it is null.
     *
     * @param oldestFirst the kept checkpoints; of their ages counts that at the capture of the newest
     */
    Checkpoint excess(List<Checkpoint> oldestFirst);

    /**
     * Of what lies between the oldest and the newest checkpoint, what is missed least when memory is short; null if
     * there is none, or if nothing makes one of them worth more than the oldest: then that one goes.
     */
    default Checkpoint leastMissed(List<Checkpoint> oldestFirst) {
        return null;
    }

    /**
     * The same wish for what is known by now.
     *
     * @param latency what the error latency is taken to be by now; not asked by a retention that has none
     */
    default Retention with(ErrorLatency latency, long intervalNs) {
        return this;
    }

    /**
     * The checkpoint to try for an error, or null if there is none; the newest, unless a retention knows better.
     *
     * @param oldestFirst those that can be tried
     * @param noticedNs when the error was noticed first, by the clock of the checkpoints
     * @param earliestNs when it occurred at the earliest, if its detector knows, else {@link #UNKNOWN_NS}
     * @param latestNs when it occurred at the latest, as far as is known from its detector and from attempts that
     *     failed
     */
    default Checkpoint first(List<Checkpoint> oldestFirst, long noticedNs, long earliestNs, long latestNs) {
        return oldestFirst.isEmpty() ? null : oldestFirst.get(oldestFirst.size() - 1);
    }

    /**
     * What it means that an error came back from a checkpoint; empty unless it could hardly hold the fault.
     *
     * @param ageNs how old the checkpoint was when the error was noticed first
     */
    default String whyBack(long ageNs) {
        return "";
    }

    /** How old the oldest kept checkpoint becomes, if each capture comes in time. */
    long longestNs(long intervalNs);
}
