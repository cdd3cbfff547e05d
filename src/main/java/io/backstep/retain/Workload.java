// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static io.backstep.core.Pages.PAGE_SIZE;

/**
 * What a program writes and what its captures cost, as far as a plan needs it.
 *
 * <p>Writes go evenly to pages of the memory, independently of each other. So of M bytes, with pages written at a rate
 * r, an undo log that spans s has M (1 - exp(-r s / M)) bytes: the working set of independent references (Denning and
 * Schwartz, Properties of the working-set model, Communications of the ACM 15(3), 1972). A program that returns to the
 * same pages needs less. If M is not known no page is written twice, and merging spares nothing: that is the most that
 * it can be.
 *
 * @param writtenPerSecond bytes of pages that are written, with each page counted once in a short time
 * @param memoryBytes what the mirror takes, and where the writes go; 0 if that is not known
 * @param pauseNs what a capture takes, whatever was written
 * @param pageNs what a written page costs the program: its fault and its copy
 */
public record Workload(double writtenPerSecond, double memoryBytes, double pauseNs, double pageNs) {
    private static final double NS_PER_SECOND = 1e9;

    /** The bytes of pre-images of a time. */
    public double undoBytes(double spanNs) {
        double written = writtenPerSecond * spanNs / NS_PER_SECOND;
        return memoryBytes == 0 ? written : memoryBytes * -Math.expm1(-written / memoryBytes);
    }

    /** The bytes of the undo logs between checkpoints of ascending ages. */
    double undoBytes(int[] ages, int count, double ageUnitNs) {
        double bytes = 0;
        for (int i = 1; i < count; i++) {
            bytes += undoBytes((ages[i] - ages[i - 1]) * ageUnitNs);
        }
        return bytes;
    }

    /** The bytes of all undo logs at their most, when a history is full. */
    public double mostUndoBytes(Retention retention, long intervalNs) {
        double playedNs = SteadyState.playedIntervalNs(intervalNs, retention.longestNs(intervalNs));
        double[] most = new double[1];
        SteadyState.play(retention, intervalNs,
                (ages, count) -> most[0] = Math.max(most[0], undoBytes(ages, count, playedNs)));
        return most[0];
    }

    /** The share of time that captures take; 1 if there is no time for anything else. */
    public double overhead(double intervalNs) {
        return Math.min(1, (pauseNs + pageNs * undoBytes(intervalNs) / PAGE_SIZE) / intervalNs);
    }
}
