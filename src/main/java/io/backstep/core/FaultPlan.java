// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/** Faults to come. The engine asks when, halts the target, and lets the plan strike. */
public interface FaultPlan {
    /** Nothing is injected. */
    FaultPlan NONE = new FaultPlan() {
        @Override
        public long nextAfterStartNs() {
            return Long.MAX_VALUE;
        }

        @Override
        public Fault strike(FaultSurface surface, long nowNs) {
            throw new IllegalStateException("no fault is planned");
        }
    };

    /** When the next fault is due, in nanoseconds after the protection began; Long.MAX_VALUE for never. */
    long nextAfterStartNs();

    /** Injects the fault that is due and moves on to the next, also when it fails. */
    Fault strike(FaultSurface surface, long nowNs);
}
