// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

/**
 * An error that a detector noticed in a run.
 *
 * @param atMs after the protection began
 * @param latencyMs since the fault occurred; NaN if that is not known
 */
public record DetectionRecord(double atMs, String detector, String what, double latencyMs) {
}
