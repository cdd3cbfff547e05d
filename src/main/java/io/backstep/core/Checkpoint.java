// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/**
 * One kept checkpoint: its number, its time and its execution state. The pages of that moment are the store's.
 *
 * @param id ascending, never used twice in an engine
 * @param atNs when the target stood, by System.nanoTime
 */
public record Checkpoint(long id, long atNs, ExecutionState state) {
}
