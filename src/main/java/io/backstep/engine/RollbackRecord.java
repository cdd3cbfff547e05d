// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.Locale;

/**
 * A rollback that was tried in a run.
 *
 * @param atMs after the protection began
 * @param ageMs how old the checkpoint was: what the target did in that time, it does again
 * @param attempt 1 for the first rollback after an error, more for escalations
 */
public record RollbackRecord(
        double atMs, long toCheckpoint, double ageMs, int attempt, long pagesWritten, double durationUs,
        Outcome outcome) {
    /** What became of a rollback. */
    public enum Outcome {
        /** The target ran on and the error did not return. */
        RECOVERED,
        /** The target ran on and the error returned. */
        RETURNED,
        /** The target cannot be given this state; nothing was touched. */
        REFUSED,
        /** It failed halfway: the target must not run on. */
        BROKEN;

        public String key() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** The same rollback, known to have come to another outcome. */
    public RollbackRecord withOutcome(Outcome other) {
        return new RollbackRecord(atMs, toCheckpoint, ageMs, attempt, pagesWritten, durationUs, other);
    }
}
