// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

/**
 * How a run stands at one moment, for a live display.
 *
 * @param dirtyPages written in the last interval
 * @param pauseUs of the last capture
 * @param kept checkpoints that can be rolled back to
 * @param errors detections so far
 * @param heldBytes output that the target keeps back until it is committed
 * @param pacing of the last captures
 */
public record StatusSnapshot(
        double elapsedMs, double intervalMs, long dirtyPages, double pauseUs, int kept, long errors, long rollbacks,
        long heldBytes, RunRecord.Pacing pacing, RunRecord.Retained retained) {
}
