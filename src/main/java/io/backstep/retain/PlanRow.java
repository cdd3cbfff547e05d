// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

/**
 * One way to keep checkpoints, and what it achieves.
 *
 * @param isThinned kept for coverage; else the newest are kept
 * @param depth how many checkpoints are kept at most
 * @param recoveryNs the expected time of the attempts for an error, in the best order
 * @param newestFirstNs the same, when the newest is tried first and then each older one
 * @param memoryBytes of mirror and undo logs, the most
 * @param overhead the share of time that captures take
 * @param availability the share of time in which new work is done, but for the overhead
 * @param fits whether the memory is within the budget
 */
public record PlanRow(long intervalNs, boolean isThinned, int depth, Outlook outlook, double recoveryNs,
        double newestFirstNs, double memoryBytes, double overhead, double availability, boolean fits) {
    /** The share of time without new work, for whatever reason. */
    public double waste() {
        return 1 - availability * (1 - overhead);
    }
}
