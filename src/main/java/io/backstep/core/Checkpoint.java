// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/**
 * One kept checkpoint: its number, its time and its execution state. The pages of that moment are the store's. So that
 * captures make no garbage the store uses the object again: one that is no longer kept says what it said until the next
 * checkpoint is published, and may be another one from then on. Who wants to remember a checkpoint remembers its
 * number. Not thread-safe.
 */
public final class Checkpoint {
    private long id;
    private long atNs;
    private ExecutionState state;
    private boolean broken;

    public Checkpoint(long id, long atNs, ExecutionState state) {
        become(id, atNs, state);
    }

    /** Turns one that is no longer kept into a new one. For who made it. */
    public Checkpoint become(long newId, long newAtNs, ExecutionState newState) {
        id = newId;
        atNs = newAtNs;
        state = newState;
        broken = false;
        return this;
    }

    /** Ascending, never used twice in an engine. */
    public long id() {
        return id;
    }

    /** When the target stood, by System.nanoTime. */
    public long atNs() {
        return atNs;
    }

    public ExecutionState state() {
        return state;
    }

    /** True once memory that it needs was found to be broken for good: no target can be given its state. */
    public boolean isBroken() {
        return broken;
    }

    /** For who keeps that memory. */
    public void noteBroken() {
        broken = true;
    }

    @Override
    public String toString() {
        return "checkpoint " + id + " at " + atNs + " ns";
    }
}
