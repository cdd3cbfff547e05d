// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

/**
 * One thing that a host offers or not.
 *
 * @param detail what was found: a version, a size, an errno by name
 * @param needed protecting a process is impossible when it is missing
 * @param cost what its lack costs, in a sentence
 * @param remedy what to do about it
 */
public record Facility(String name, State state, String detail, boolean needed, String cost, String remedy) {
    /** How far it can be used. */
    public enum State {
        OK,
        /** It works, or something else does in its place, at a price. */
        LIMITED,
        MISSING
    }

    public boolean isMissing() {
        return state == State.MISSING;
    }
}
