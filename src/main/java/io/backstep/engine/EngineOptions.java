// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import io.backstep.core.Discipline;
import io.backstep.predict.Prediction;
import io.backstep.predict.Prices;
import io.backstep.store.Redundancy;

/**
 * How an engine works.
 *
 * @param intervalNs between two captures; of an interval that adapts, the first one
 * @param overhead the share of the time that captures may cost, to which the interval adapts; 0 for a fixed interval
 * @param learns whether the error latency that retention was made for is corrected by what the run observes
 * @param preCopy copy the target's pages while it runs, before the first pause: for targets that are large when
 *         protection begins
 * @param discipline that of the target
 * @param prediction which pages are left writable
 * @param prices what is weighed in that
 * @param durationNs after which the target is let go; Long.MAX_VALUE for never
 * @param redundancy what broken frames are repaired from
 * @param scrubNs in which the store looks at all of its frames once; Long.MAX_VALUE for never
 */
public record EngineOptions(
        long intervalNs, double overhead, boolean learns, boolean preCopy, Discipline discipline, Prediction prediction,
        Prices prices, long durationNs, Redundancy redundancy, long scrubNs) {
    /** An interval that adapts becomes no shorter. */
    public static final long SHORTEST_INTERVAL_NS = 1_000_000;
    /** An interval that adapts becomes no longer. */
    public static final long LONGEST_INTERVAL_NS = 1_000_000_000;

    /** With a fixed interval, and nothing learnt. */
    public EngineOptions(long intervalNs, boolean preCopy, Discipline discipline, Prediction prediction, Prices prices,
            long durationNs, Redundancy redundancy, long scrubNs) {
        this(intervalNs, 0, false, preCopy, discipline, prediction, prices, durationNs, redundancy, scrubNs);
    }

    public EngineOptions {
        if (intervalNs <= 0) {
            throw new IllegalArgumentException("the interval must be longer than 0");
        }
        if (!(overhead >= 0 && overhead < 1)) {
            throw new IllegalArgumentException("the overhead must be 0 or more and below 1, not " + overhead);
        }
        if (durationNs <= 0) {
            throw new IllegalArgumentException("the duration must be longer than 0");
        }
        if (scrubNs <= 0) {
            throw new IllegalArgumentException("the time of a scrub must be longer than 0");
        }
    }
}
