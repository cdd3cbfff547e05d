// SPDX-License-Identifier: Apache-2.0
/**
 * Checkpoints in memory: frames, the mirror, undo logs and their merging. Knows pages and frames and no operating
 * system.
 */
package io.backstep.store;
