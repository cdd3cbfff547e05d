// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/**
 * A fault that was injected.
 *
 * @param atNs when, by System.nanoTime
 * @param model "register", "memory" or "mce"
 * @param where for people, and enough to repeat it: "thread 0 rip bit 44"
 * @param seed what the random choices came from
 * @param noticedAfterNs after which a detector speaks that knows when the fault occurred; {@link #UNNOTICED} if the
 *     target's own detectors must find it
 */
public record Fault(long atNs, String model, String where, long seed, long noticedAfterNs) {
    public static final long UNNOTICED = -1;

    /** The same fault at another time. */
    public Fault at(long nanoTime) {
        return new Fault(nanoTime, model, where, seed, noticedAfterNs);
    }
}
