// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.util.OptionalLong;

/**
 * Something that is wrong with the content of a region. Times are those of System.nanoTime.
 *
 * @param what a short name, the same when it happens again
 * @param detail more about it, for people
 * @param earliestNs when it occurred at the earliest, if who noticed it knows: after a rollback, one that occurred
 *     later is a new one and not the same that came back
 * @param latestNs when it occurred at the latest, as far as who noticed it knows: checkpoints taken later are not tried
 */
public record Problem(String what, String detail, OptionalLong earliestNs, long latestNs) {
    /** One of which is known when it occurred at the latest. */
    public Problem(String what, String detail, long latestNs) {
        this(what, detail, OptionalLong.empty(), latestNs);
    }

    /** One of which is known only that it is there now. */
    public static Problem now(String what, String detail) {
        return new Problem(what, detail, System.nanoTime());
    }

    /** The same problem, not there yet at a time when all was well. */
    public Problem noEarlierThan(long nanoTime) {
        boolean isKnown = earliestNs.isPresent() && earliestNs.getAsLong() - nanoTime >= 0;
        return isKnown ? this : new Problem(what, detail, OptionalLong.of(nanoTime), latestNs);
    }

    /** The same problem, which may be as old as that. */
    public Problem noLaterThan(long nanoTime) {
        return latestNs - nanoTime <= 0 ? this : new Problem(what, detail, earliestNs, nanoTime);
    }
}
