// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

/**
 * What a store found when it looked at its own memory.
 *
 * @param checked frames whose content was compared with its checksum
 * @param broken frames, labels, tables, logs and states that were not what had been put there
 * @param repaired those of them that are right again
 * @param checkpointsLost checkpoints that needed one of the others, and so are never restored
 */
public record IntegrityCounts(long checked, long broken, long repaired, long checkpointsLost) {
}
