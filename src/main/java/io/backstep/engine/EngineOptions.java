// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import io.backstep.core.Discipline;
import io.backstep.predict.Prediction;
import io.backstep.predict.Prices;
import io.backstep.store.Redundancy;

/**
 * How an engine works.
 *
 * @param intervalNs between two captures
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
        long intervalNs, boolean preCopy, Discipline discipline, Prediction prediction, Prices prices, long durationNs,
        Redundancy redundancy, long scrubNs) {
    public EngineOptions {
        if (intervalNs <= 0) {
            throw new IllegalArgumentException("the interval must be longer than 0");
        }
        if (durationNs <= 0) {
            throw new IllegalArgumentException("the duration must be longer than 0");
        }
        if (scrubNs <= 0) {
            throw new IllegalArgumentException("the time of a scrub must be longer than 0");
        }
    }
}
