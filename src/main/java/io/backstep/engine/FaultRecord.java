// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import io.backstep.core.Fault;

/**
 * A fault that was injected in a run.
 *
 * @param atMs after the protection began
 */
public record FaultRecord(double atMs, String model, String where, long seed) {
    /** The record of a fault in a run whose protection began at a time by System.nanoTime. */
    public static FaultRecord of(Fault fault, long startNs) {
        return new FaultRecord((fault.atNs() - startNs) / 1e6, fault.model(), fault.where(), fault.seed());
    }
}
